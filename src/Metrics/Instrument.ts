import { Metric, MetricBoundaries, MetricLabel } from "effect"

export const PREFIX = "sync_scheduler_"
/** The label value that replaces new values once a metric has too many series. */
export const OTHER = "other"
/** The maximum number of label combinations per metric, because some label values come from users' rows. */
const MAX_SERIES = 1_000
/** The maximum length of a label value, in characters. */
const MAX_VALUE = 100

/** A label of a metric. If `values` is set, each value has a series that starts at zero. */
export interface Label {
  readonly name: string
  readonly values?: ReadonlyArray<string>
}

/** The static properties of a metric; `docs/reference/metrics.md` is generated from them. */
export interface Definition {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly labels: ReadonlyArray<Label>
  /** The upper bounds of a histogram's buckets, in the unit at the end of the metric's name. */
  readonly buckets?: ReadonlyArray<number>
  /** Whether a metrics file keeps the gauge after the process that set the gauge has ended. */
  readonly kept?: boolean
}

type Options = Pick<Definition, "help" | "labels">
interface GaugeOptions extends Options, Pick<Definition, "kept"> {
  /** Whether the metric starts at zero instead of having no value. */
  readonly startsAtZero?: boolean
}
type Values = ReadonlyArray<string>

export interface Counter extends Definition {
  /** Adds `amount` to the series with these label values, which are in the order of `labels`. */
  readonly add: (amount: number, ...values: Values) => void
}

export interface Gauge extends Definition {
  readonly set: (value: number, ...values: Values) => void
  readonly add: (amount: number, ...values: Values) => void
}

export interface Histogram extends Definition {
  readonly record: (value: number, ...values: Values) => void
}

export const counter = (name: string, options: Options): Counter => {
  const definition = { ...options, name: `${PREFIX}${name}`, type: "counter" as const }
  const metric = Metric.counter(definition.name, { description: options.help, incremental: true })
  const series = makeSeries(definition)
  for (const values of knownSeries(options.labels)) metric.unsafeUpdate(0, series(values))
  return { ...definition, add: (amount, ...values) => metric.unsafeUpdate(amount, series(values)) }
}

export const gauge = (name: string, options: GaugeOptions): Gauge => {
  const definition = { ...options, name: `${PREFIX}${name}`, type: "gauge" as const }
  const metric = Metric.gauge(definition.name, { description: options.help })
  const series = makeSeries(definition)
  if (options.startsAtZero === true) metric.unsafeUpdate(0, series([]))
  return {
    ...definition,
    set: (value, ...values) => metric.unsafeUpdate(value, series(values)),
    add: (amount, ...values) => metric.unsafeModify(amount, series(values))
  }
}

export const histogram = (
  name: string,
  options: Options & { readonly buckets: ReadonlyArray<number> }
): Histogram => {
  const definition = { ...options, name: `${PREFIX}${name}`, type: "histogram" as const }
  const bounds = MetricBoundaries.fromIterable(options.buckets)
  const metric = Metric.histogram(definition.name, bounds, options.help)
  const series = makeSeries(definition)
  return {
    ...definition,
    record: (value, ...values) => metric.unsafeUpdate(value, series(values))
  }
}

const NONE: ReadonlyArray<MetricLabel.MetricLabel> = []

/**
 * Makes a function that converts label values to labels. It returns the same object for the same values, because Effect finds the
 * series of a known object faster.
 */
const makeSeries = ({ labels }: Definition) => {
  const known = new Map<string, ReadonlyArray<MetricLabel.MetricLabel>>()
  return (values: Values): ReadonlyArray<MetricLabel.MetricLabel> => {
    if (labels.length === 0) return NONE
    const found = known.get(values.length === 1 ? (values[0] ?? "") : values.join("\u0000"))
    if (found !== undefined) return found
    const isFull = known.size >= MAX_SERIES
    const bounded = labels.map(({ name, values: known }, index) => {
      const value = (values[index] ?? "").slice(0, MAX_VALUE)
      return MetricLabel.make(name, isFull && known === undefined ? OTHER : value)
    })
    const key = isFull ? bounded.map(({ value }) => value).join("\u0000") : values.join("\u0000")
    const series = known.get(key) ?? bounded
    known.set(key, series)
    return series
  }
}

/** Returns every combination of label values. Returns none if the values of any label are not known in advance. */
const knownSeries = (labels: ReadonlyArray<Label>): ReadonlyArray<Values> =>
  labels.reduce<ReadonlyArray<Values>>(
    (combinations, { values = [] }) =>
      combinations.flatMap((before) => values.map((value) => [...before, value])),
    [[]]
  )
