import { expect, test } from "bun:test"
import { Metric } from "effect"
import { counter, gauge } from "../../src/Metrics/Instrument.ts"

const seriesOf = (name: string) =>
  Metric.unsafeSnapshot().filter(({ metricKey }) => metricKey.name === name)

test("a metric keeps a bounded number of series and counts all others in one series", () => {
  const names = counter("test_names_total", {
    help: "Names.",
    labels: [{ name: "kind" }, { name: "result", values: ["ok", "failed"] }]
  })
  for (let n = 0; n < 5_000; n++) names.add(1, `kind-${n}`, n % 2 === 0 ? "ok" : "failed")
  const series = seriesOf("sync_scheduler_test_names_total")
  expect(series.length).toBeLessThanOrEqual(1_002)
  const rest = series.filter(({ metricKey }) => metricKey.tags[0]?.value === "other")
  expect(rest.map(({ metricKey }) => metricKey.tags[1]?.value).sort()).toEqual(["failed", "ok"])
})

test("the length of a label value is bounded", () => {
  const names = counter("test_long_total", { help: "Names.", labels: [{ name: "kind" }] })
  names.add(1, "x".repeat(10_000))
  expect(seriesOf("sync_scheduler_test_long_total")[0]?.metricKey.tags[0]?.value).toHaveLength(100)
})

test("a gauge can be set and changed", () => {
  const level = gauge("test_level", { help: "Level.", labels: [] })
  level.set(5)
  level.add(-2)
  expect(seriesOf("sync_scheduler_test_level")[0]?.metricState).toMatchObject({ value: 3 })
})
