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

describe("the strip of a day", () => {
  const done = (from: number, minutes: number): Mark => ({
    kind: "done",
    from,
    to: from + minutes * MINUTE
  })

  test("the axis is the 24 hours that end with the present hour", () => {
    expect(new Date(axis.from).toISOString()).toBe("2026-11-23T09:00:00.000Z")
    expect(new Date(axis.to).toISOString()).toBe("2026-11-24T09:00:00.000Z")
  })

  test("a bar goes from when it was due until it was done, at its true place; a short one can be seen", () => {
    const strip = dayStrip(axis, [
      done(axis.from + 60 * MINUTE, 90),
      done(axis.from + 300 * MINUTE, 0)
    ])
    expect(pathOf(strip.markup, "done")).toBe("M60 10h90m150 0h5")
  })

  test("a skipped slot leaves a gap and its own mark, which no bar overlaps", () => {
    const { markup } = dayStrip(axis, [
      done(axis.from, 10),
      { kind: "missed", from: axis.from + HOUR, to: axis.from + HOUR },
      done(axis.from + 2 * HOUR, 10)
    ])
    expect(pathOf(markup, "done")).toBe("M0 10h10m110 0h10")
    expect(pathOf(markup, "missed")).toBe("M60 18h5")
  })

  test("what runs continues until now; what lies outside is left out; what reaches over the ends is cut", () => {
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

  test("one path a kind, however many runs: every minute of a day is a few bytes", () => {
    const every = Array.from({ length: 1440 }, (_, index) => done(axis.from + index * MINUTE, 1))
    const { markup } = dayStrip(axis, every)
    expect(markup.match(/<path/g)?.length).toBe(2)
    expect(markup.length).toBeLessThan(300)
    const quarters = Array.from({ length: 96 }, (_, index) =>
      done(axis.from + index * 15 * MINUTE, 1)
    )
    expect(dayStrip(axis, quarters).markup.length).toBeLessThan(1100)
  })

  test("nothing is said as well", () => {
    expect(dayStrip(axis, []).markup).toContain('aria-label="Last 24 hours: no runs"')
  })
})

describe("bars", () => {
  test("are scaled to the highest, which stands out; each one tells its value", () => {
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

  test("none stands out among equals", () => {
    const equal = [2, 2].map((value) => ({ value, label: "" }))
    expect(bars("Due", equal, "").markup).toContain('class="peak" d=""')
  })

  test("nothing to show is nothing", () => {
    expect(bars("Due", [{ value: 0, label: "" }], "").markup).toBe("")
    expect(bars("Due", [], "").markup).toBe("")
  })
})

describe("the heat map", () => {
  test("days are in columns of weeks, Monday first, each kind with its own shape", () => {
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
