import { describe, expect, test } from "bun:test"
import type { Definition } from "../../src/Metrics/Instrument.ts"
import { read, render } from "../../src/Metrics/PrometheusText.ts"
import { metricDefinitions, runs, startLag } from "../../src/Metrics.ts"
import { addedSince, readSeries } from "../support/metrics.ts"

describe("the exposition text", () => {
  test("has help, type and samples, one per line, with a final line feed", () => {
    const definition: Definition = {
      name: "sync_scheduler_x_total",
      help: "A back\\slash and\na line.",
      type: "counter",
      labels: []
    }
    const samples = [
      { series: "sync_scheduler_x_total", value: 3 },
      { series: 'sync_scheduler_x_total{a="b"}', value: 0.25 }
    ]
    expect(render([{ definition, samples }])).toBe(
      "# HELP sync_scheduler_x_total A back\\\\slash and\\na line.\n" +
        "# TYPE sync_scheduler_x_total counter\n" +
        'sync_scheduler_x_total 3\nsync_scheduler_x_total{a="b"} 0.25\n'
    )
  })

  test("escapes label values, because users choose the types of integrations", () => {
    const before = readSeries()
    runs.add(1, 'a"b\\c\nd', "completed", "schedule")
    expect(addedSince(before)).toEqual({
      'runs_total{integration_type="a\\"b\\\\c\\nd",status="completed",trigger="schedule"}': 1
    })
  })

  test("shows a histogram with cumulative buckets up to +Inf, sum and count", () => {
    const before = readSeries()
    startLag.record(1, "lag-test")
    startLag.record(61, "lag-test")
    startLag.record(90_000, "lag-test")
    const added = addedSince(before)
    const bucket = (le: string) =>
      added[`start_lag_seconds_bucket{integration_type="lag-test",le="${le}"}`]
    expect(["1", "60", "120", "3600", "+Inf"].map(bucket)).toEqual([1, 1, 2, 2, 3])
    expect(added['start_lag_seconds_sum{integration_type="lag-test"}']).toBe(90_062)
    expect(added['start_lag_seconds_count{integration_type="lag-test"}']).toBe(3)
  })

  test("contains only valid lines, and each series once", () => {
    const text = render(read())
    const lines = text.split("\n")
    expect(lines.pop()).toBe("")
    const sample =
      /^[a-z_]+(\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (?:[0-9.e+-]+|[+-]Inf|NaN)$/
    for (const line of lines)
      expect(line).toMatch(line.startsWith("#") ? /^# (HELP|TYPE) / : sample)
    const series = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(" ")[0])
    expect(new Set(series).size).toBe(series.length)
  })
})

describe("the metrics", () => {
  test("have names by Prometheus's conventions, and no labels that identify a customer", () => {
    const names = metricDefinitions.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { help, labels, name, type } of metricDefinitions) {
      expect(name).toMatch(/^sync_scheduler_[a-z_]+$/)
      expect(name.endsWith("_total")).toBe(type === "counter")
      expect(help).toMatch(/^[A-Z].*\.$/)
      for (const label of labels) expect(label.name).not.toMatch(/org|_id$|^id$|run/)
    }
  })

  test("exist from the beginning if they are known in advance, so that an increase is visible", () => {
    const series = readSeries()
    expect(series.has('sync_scheduler_ticks_total{result="error"}')).toBe(true)
    expect(series.has('sync_scheduler_tick_errors_total{code="KEY_REFUSED"}')).toBe(true)
    expect(series.has("sync_scheduler_missed_total")).toBe(true)
    expect(series.get("sync_scheduler_invocations_in_flight")).toBe(0)
    expect([...series.keys()].filter((name) => name.includes("build_info"))).toHaveLength(1)
  })
})
