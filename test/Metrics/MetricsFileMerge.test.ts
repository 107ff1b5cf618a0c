import { expect, test } from "bun:test"
import { accumulate, parse } from "../../src/Metrics/MetricsFileMerge.ts"
import { type Family, render } from "../../src/Metrics/PrometheusText.ts"
import { clockSkew, completionLag, lastTick, missed, runs, startLag } from "../../src/Metrics.ts"

const PREFIX = "sync_scheduler_"
const family = (definition: Family["definition"], samples: Record<string, number>): Family => ({
  definition,
  samples: Object.entries(samples).map(([name, value]) => ({ series: `${PREFIX}${name}`, value }))
})
const text = (families: ReadonlyArray<Family>) =>
  render(families)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.slice(PREFIX.length))

test("counters continue from the previous process, even those that this process did not change", () => {
  const before = parse(
    render([
      family(missed, { missed_total: 3 }),
      family(runs, { 'runs_total{status="failed"}': 2, 'runs_total{status="} 7"}': 1 })
    ])
  )
  const now = [
    family(missed, { missed_total: 1 }),
    family(runs, { 'runs_total{status="completed"}': 5 })
  ]
  expect(text(accumulate(now, before))).toEqual([
    'runs_total{status="completed"} 5',
    'runs_total{status="failed"} 2',
    'runs_total{status="} 7"} 1',
    "missed_total 4"
  ])
})

const lag = (counts: ReadonlyArray<number>, sum: number): Record<string, number> => {
  const bounds = [...(startLag.buckets ?? []), "+Inf"]
  return Object.fromEntries([
    ...bounds.map((le, n) => [
      `start_lag_seconds_bucket{integration_type="x",le="${le}"}`,
      counts[n] ?? counts.at(-1) ?? 0
    ]),
    ['start_lag_seconds_sum{integration_type="x"}', sum],
    ['start_lag_seconds_count{integration_type="x"}', counts.at(-1) ?? 0]
  ])
}

test("histograms are added bucket by bucket, and restart if the buckets differ", () => {
  const before = parse(render([family(startLag, lag([1, 2], 2.5))]))
  expect(accumulate([family(startLag, lag([0, 1], 2))], before)).toEqual([
    family(startLag, lag([1, 3], 4.5))
  ])
  const { 'start_lag_seconds_bucket{integration_type="x",le="2"}': _, ...fewer } = lag([1, 2], 2.5)
  const other = parse(render([family(startLag, fewer)]))
  expect(accumulate([family(startLag, lag([0, 1], 2))], other)).toEqual([
    family(startLag, lag([0, 1], 2))
  ])
})

test("gauges have their current values, but a failed tick keeps the time of the last good tick", () => {
  const before = parse(
    render([
      family(lastTick, { last_tick_timestamp_seconds: 100 }),
      family(clockSkew, { clock_skew_seconds: 4 })
    ])
  )
  expect(text(accumulate([], before))).toEqual(["last_tick_timestamp_seconds 100"])
  const now = [family(lastTick, { last_tick_timestamp_seconds: 160 })]
  expect(text(accumulate(now, before))).toEqual(["last_tick_timestamp_seconds 160"])
})

test("foreign and incomplete lines are omitted", () => {
  const before = parse(
    "node_load1 3\nsync_scheduler_missed_total x\nsync_scheduler_gone_total 4\n{"
  )
  expect(accumulate([], before)).toEqual([])
  expect(completionLag.buckets?.at(-1)).toBe(7_200)
})
