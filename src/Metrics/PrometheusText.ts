import { Metric, type MetricKey, MetricState } from "effect"
import { metricDefinitions } from "../Metrics.ts"
import type { Definition } from "./Instrument.ts"

/** *Source*: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** One line of the output. `series` has the form `name{label="value"}`. */
export interface Sample {
  readonly series: string
  readonly value: number
}

export interface Family {
  readonly definition: Definition
  readonly samples: ReadonlyArray<Sample>
}

/** Reads all metrics that have a value in this process, with series in a stable order. */
export const read = (): ReadonlyArray<Family> => {
  const pairs = Object.groupBy(Metric.unsafeSnapshot(), ({ metricKey }) => metricKey.name)
  return metricDefinitions.flatMap((definition) => {
    const samples = (pairs[definition.name] ?? [])
      .map(({ metricKey, metricState }) => ({ labels: labelsOf(metricKey), metricState }))
      .sort((a, b) => (a.labels < b.labels ? -1 : 1))
      .flatMap(({ labels, metricState }) => samplesOf(definition, labels, metricState))
    return samples.length === 0 ? [] : [{ definition, samples }]
  })
}

/** Formats the metrics in the Prometheus text format. */
export const render = (families: ReadonlyArray<Family>): string =>
  families
    .flatMap(({ definition: { help, name, type }, samples }) => [
      `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ series, value }) => `${series} ${numberOf(value)}`)
    ])
    .map((line) => `${line}\n`)
    .join("")

/**
 * Returns the series of a metric. `labels` has the form `a="b",c="d"`. A histogram has one series for each bucket, one for the
 * sum and one for the count.
 */
export const seriesOf = (
  { buckets, name, type }: Definition,
  labels: string
): ReadonlyArray<string> => {
  const series = (suffix: string, text = labels) =>
    text === "" ? `${name}${suffix}` : `${name}${suffix}{${text}}`
  if (type !== "histogram") return [series("")]
  const bounds = [...(buckets ?? []), Number.POSITIVE_INFINITY].map((bound) => {
    const le = `le="${numberOf(bound)}"`
    return series("_bucket", labels === "" ? le : `${labels},${le}`)
  })
  return [...bounds, series("_sum"), series("_count")]
}

const labelsOf = ({ tags }: MetricKey.MetricKey.Untyped): string =>
  tags.map(({ key, value }) => `${key}="${escaped(value)}"`).join(",")

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")

const samplesOf = (
  definition: Definition,
  labels: string,
  state: MetricState.MetricState.Untyped
): ReadonlyArray<Sample> => {
  const values = valuesOf(state)
  return seriesOf(definition, labels).map((series, index) => ({
    series,
    value: values[index] ?? Number.NaN
  }))
}

/** Returns the values in the order of `seriesOf`. */
const valuesOf = (state: MetricState.MetricState.Untyped): ReadonlyArray<number> => {
  if (MetricState.isCounterState(state)) return [Number(state.count)]
  if (MetricState.isGaugeState(state)) return [Number(state.value)]
  if (!MetricState.isHistogramState(state)) return []
  const bounded = state.buckets.filter(([bound]) => Number.isFinite(bound))
  return [...bounded.map(([, count]) => count), state.count, state.sum, state.count]
}

const numberOf = (value: number): string =>
  Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? "+Inf" : "-Inf"
