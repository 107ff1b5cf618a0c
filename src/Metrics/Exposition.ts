import { Metric, type MetricKey, MetricState } from "effect"
import { definitions } from "../Metrics.ts"
import type { Definition } from "./Instrument.ts"

/** *Source*: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** One line: the series as it is written (`name{label="value"}`), and its value. */
export interface Sample {
  readonly series: string
  readonly value: number
}

/** A metric with its samples now. */
export interface Family {
  readonly definition: Definition
  readonly samples: ReadonlyArray<Sample>
}

/** All metrics that have a value, as this process counted them; series in a stable order. */
export const read = (): ReadonlyArray<Family> => {
  const pairs = Object.groupBy(Metric.unsafeSnapshot(), ({ metricKey }) => metricKey.name)
  return definitions.flatMap((definition) => {
    const samples = (pairs[definition.name] ?? [])
      .map(({ metricKey, metricState }) => ({ labels: labelsOf(metricKey), metricState }))
      .sort((a, b) => (a.labels < b.labels ? -1 : 1))
      .flatMap(({ labels, metricState }) => samplesOf(definition.name, labels, metricState))
    return samples.length === 0 ? [] : [{ definition, samples }]
  })
}

/** The text that Prometheus reads. */
export const render = (families: ReadonlyArray<Family>): string =>
  families
    .flatMap(({ definition: { help, name, type }, samples }) => [
      `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ series, value }) => `${series} ${numberOf(value)}`)
    ])
    .map((line) => `${line}\n`)
    .join("")

const labelsOf = ({ tags }: MetricKey.MetricKey.Untyped): string =>
  tags.map(({ key, value }) => `${key}="${escaped(value)}"`).join(",")

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")

const seriesOf = (name: string, labels: string): string =>
  labels === "" ? name : `${name}{${labels}}`

const samplesOf = (
  name: string,
  labels: string,
  state: MetricState.MetricState.Untyped
): ReadonlyArray<Sample> => {
  if (MetricState.isCounterState(state)) {
    return [{ series: seriesOf(name, labels), value: Number(state.count) }]
  }
  if (MetricState.isGaugeState(state)) {
    return [{ series: seriesOf(name, labels), value: Number(state.value) }]
  }
  if (!MetricState.isHistogramState(state)) return []
  const bucket = (le: string, value: number): Sample => ({
    series: seriesOf(`${name}_bucket`, labels === "" ? `le="${le}"` : `${labels},le="${le}"`),
    value
  })
  const bounded = state.buckets.filter(([bound]) => Number.isFinite(bound))
  return [
    ...bounded.map(([bound, count]) => bucket(numberOf(bound), count)),
    bucket("+Inf", state.count),
    { series: seriesOf(`${name}_sum`, labels), value: state.sum },
    { series: seriesOf(`${name}_count`, labels), value: state.count }
  ]
}

const numberOf = (value: number): string =>
  value === Number.POSITIVE_INFINITY
    ? "+Inf"
    : value === Number.NEGATIVE_INFINITY
      ? "-Inf"
      : String(value)
