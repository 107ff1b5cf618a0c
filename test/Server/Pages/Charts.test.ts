import { describe, expect, test } from "bun:test"
import { bars } from "../../../src/Server/Pages/Bars.ts"
import { type Axis, dayStrip, lastDay, type Mark } from "../../../src/Server/Pages/DayStrip.ts"
import { heatMap } from "../../../src/Server/Pages/HeatMap.ts"

const HOUR = 3_600_000
const MINUTE = 60_000
const now = Date.parse("2026-11-24T08:12:00Z")
const axis: Axis = lastDay(now)

const pathOf = (markup: string, kind: string): string =>
  markup.match(new RegExp(`<path class="${kind}" d="([^"]*)"`))?.[1] ?? ""

describe("the chart of a day", () => {
  const done = (from: number, minutes: number): Mark => ({
    kind: "done",
    from,
    to: from + minutes * MINUTE
  })

  test("covers the 24 hours that end with the current hour", () => {
    expect(new Date(axis.from).toISOString()).toBe("2026-11-23T09:00:00.000Z")
    expect(new Date(axis.to).toISOString()).toBe("2026-11-24T09:00:00.000Z")
  })

  test("draws a bar from the due time to the end, at its true position and with a visible minimum", () => {
    const strip = dayStrip(axis, [
      done(axis.from + 60 * MINUTE, 90),
      done(axis.from + 300 * MINUTE, 0)
    ])
    expect(pathOf(strip.markup, "done")).toBe("M60 10h90m150 0h5")
  })

  test("marks a skipped slot with a gap and a symbol that no bar overlaps", () => {
    const { markup } = dayStrip(axis, [
      done(axis.from, 10),
      { kind: "missed", from: axis.from + HOUR, to: axis.from + HOUR },
      done(axis.from + 2 * HOUR, 10)
    ])
    expect(pathOf(markup, "done")).toBe("M0 10h10m110 0h10")
    expect(pathOf(markup, "missed")).toBe("M60 18h5")
  })

  test("extends a running bar to now, omits bars outside the day and cuts those across its ends", () => {
    const { markup } = dayStrip(axis, [
      { kind: "running", from: now - 30 * MINUTE, to: null },
      done(axis.from - 2 * HOUR, 60),
      { kind: "failed", from: axis.from - HOUR, to: axis.from + HOUR }
    ])
    expect(pathOf(markup, "running")).toBe("M1362 10h30")
    expect(pathOf(markup, "failed")).toBe("M0 10h60")
    expect(markup).not.toContain('class="done"')
    expect(markup).toContain('aria-label="Last 24 hours: 1 running, 1 failed"')
  })

  test("draws one path per kind, so that every minute of a day takes a few bytes", () => {
    const every = Array.from({ length: 1440 }, (_, index) => done(axis.from + index * MINUTE, 1))
    const { markup } = dayStrip(axis, every)
    expect(markup.match(/<path/g)?.length).toBe(2)
    expect(markup.length).toBeLessThan(300)
    const quarters = Array.from({ length: 96 }, (_, index) =>
      done(axis.from + index * 15 * MINUTE, 1)
    )
    expect(dayStrip(axis, quarters).markup.length).toBeLessThan(1100)
  })

  test("says when there is nothing to show", () => {
    expect(dayStrip(axis, []).markup).toContain('aria-label="Last 24 hours: no runs"')
  })
})

describe("bars", () => {
  test("are scaled to the highest, which is emphasised, and each has its value as text", () => {
    const { markup } = bars(
      "Due",
      [3, 0, 12].map((value) => ({ value, label: `${value} due` })),
      "Peak 12"
    )
    expect(markup).toContain('aria-label="Due. Peak 12"')
    expect(markup).toContain('d="M1 40v-10h8v10z"')
    expect(markup).toContain('class="peak" d="M21 40v-40h8v40z"')
    expect(markup.match(/<title>/g)?.length).toBe(3)
  })

  test("are not emphasised if all are equal", () => {
    const equal = [2, 2].map((value) => ({ value, label: "" }))
    expect(bars("Due", equal, "").markup).toContain('class="peak" d=""')
  })

  test("are empty without data", () => {
    expect(bars("Due", [{ value: 0, label: "" }], "").markup).toBe("")
    expect(bars("Due", [], "").markup).toBe("")
  })
})

describe("the heat map", () => {
  test("shows weeks as columns from Monday on, and each kind has its own shape", () => {
    const kinds = ["ok", "none", "missed", "unknown", "failed", "ok", "ok", "ok"] as const
    const { markup } = heatMap(
      kinds.map((kind, index) => ({ date: `2026-11-${23 + index}`, kind, words: `${index} runs` }))
    )
    const shapes = kinds
      .slice(0, 5)
      .map((kind) => pathOf(markup, kind).replace(/^M\S+ \S+?(?=[hl])/, ""))
    expect(new Set(shapes).size).toBe(5)
    expect(pathOf(markup, "ok")).toStartWith("M26 14h")
    expect(markup).toContain("M40 14h12")
    expect(markup).toContain("<title>2026-11-27: 4 runs</title>")
    expect(markup).toContain("8 days, 3 with faults: 2026-11-25: 2 runs; ")
  })
})
