import { metricDefinitions } from "../Metrics.ts"
import type { Definition } from "./Instrument.ts"
import { type Family, type Sample, seriesOf } from "./PrometheusText.ts"

/** The value of each series in an earlier metrics file. */
export type Previous = ReadonlyMap<string, number>

/** Parses the output of `render`. Ignores other lines. */
export const parse = (text: string): Previous =>
  new Map(
    text.split("\n").flatMap((line): ReadonlyArray<readonly [string, number]> => {
      const [, series, value] = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
      const number = Number(value)
      return series === undefined || !Number.isFinite(number) ? [] : [[series, number]]
    })
  )

/**
 * Adds this process's counters to those of earlier processes. Each process runs only one tick, so the counters would otherwise
 * restart at zero. Gauges keep this process's value. A `kept` gauge without a value in this process keeps its previous value.
 */
export const accumulate = (
  families: ReadonlyArray<Family>,
  previous: Previous
): ReadonlyArray<Family> => {
  const now = new Map(families.map(({ definition, samples }) => [definition.name, samples]))
  return metricDefinitions.flatMap((definition) => {
    const current = now.get(definition.name) ?? []
    const samples =
      definition.type === "gauge"
        ? gaugeOf(definition, current, previous)
        : sumOf(definition, current, previous)
    return samples.length === 0 ? [] : [{ definition, samples }]
  })
}

const gaugeOf = (
  definition: Definition,
  current: ReadonlyArray<Sample>,
  previous: Previous
): ReadonlyArray<Sample> => {
  if (definition.kept !== true || current.length > 0) return current
  return seriesOf(definition, "").flatMap((series) => {
    const value = previous.get(series)
    return value === undefined ? [] : [{ series, value }]
  })
}

const sumOf = (
  definition: Definition,
  current: ReadonlyArray<Sample>,
  previous: Previous
): ReadonlyArray<Sample> => {
  const name = definition.type === "histogram" ? `${definition.name}_count` : definition.name
  const counted = new Map(current.map(({ series, value }) => [series, value]))
  const labels = [...counted.keys(), ...previous.keys()]
    .filter((series) => series === name || series.startsWith(`${name}{`))
    .map((series) => series.slice(name.length + 1, -1))
  return [...new Set(labels)].sort().flatMap((text) => {
    const series = seriesOf(definition, text)
    // If an upgrade changed the buckets, the old and new counts cannot be added.
    const before = series.every((one) => previous.has(one)) ? previous : new Map<string, number>()
    return series.map((one) => ({
      series: one,
      value: (counted.get(one) ?? 0) + (before.get(one) ?? 0)
    }))
  })
}
