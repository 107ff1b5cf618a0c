import * as Duration from "../Domain/Duration.ts"
import { readingAt, showTime } from "../Domain/WallClock.ts"
import { bars } from "./Bars.ts"
import { type Day, type DayKind, heatMap } from "./HeatMap.ts"
import { type Html, html } from "./Html.ts"
import { clockOf, zoneName } from "./Moment.ts"

/** How late runs started, in milliseconds; null where nothing started. */
export interface Lag {
  readonly runs: number
  readonly p50_ms: number | null
  readonly p95_ms: number | null
  readonly max_ms: number | null
}

/** What a UTC day came to. */
export interface DayFigures {
  readonly day: string
  readonly runs: number
  readonly failed: number
  readonly unknown: number
  readonly passed_over: number
}

/** How many slots come in the hour that begins at `at`, epoch milliseconds. */
export interface HourLoad {
  readonly at: number
  readonly due: number
}

const count = (value: number): string => value.toLocaleString("en-US")
const span = (ms: number | null): string => (ms === null ? "–" : Duration.format(ms))

/** What became of the slots of the last 24 hours: how many are over, and how many of them went well. */
export interface DayOutcome {
  readonly completed: number
  readonly over: number
  readonly faults: ReadonlyArray<readonly [count: number, word: string]>
}

/** How much of the last 24 hours went well, and how late runs started. */
export const outcomeFigure = (outcome: DayOutcome, lag: Lag): Html => {
  const { completed, faults, over } = outcome
  const percent = over === 0 ? null : (completed / over) * 100
  // Never rounded up to a whole: 100 % means every one.
  const shown =
    percent === null ? "–" : percent === 100 ? "100" : (Math.floor(percent * 10) / 10).toFixed(1)
  const bad = faults.filter(([n]) => n > 0).map(([n, word]) => `${count(n)} ${word}`)
  const words =
    over === 0
      ? "No run ended."
      : `${count(completed)} of ${count(over)}${bad.length === 0 ? "" : `: ${bad.join(", ")}`}`
  return html`<section class="sheet figure" aria-labelledby="f-done"><h2 id="f-done">Completed, last 24 hours</h2>
<p class="big">${shown}${percent !== null && html`<small> %</small>`}</p><p class="note">${words}</p>
<hr><h2>Start lag, from due to started</h2>
<dl class="lags"><div><dt>p50</dt><dd>${span(lag.p50_ms)}</dd></div><div><dt>p95</dt><dd>${span(lag.p95_ms)}</dd></div><div><dt>max</dt><dd>${span(lag.max_ms)}</dd></div></dl></section>`
}

export const loadFigure = (load: ReadonlyArray<HourLoad>, timezone: string): Html => {
  const clock = clockOf(timezone)
  const hour = ({ at }: HourLoad): string => showTime(readingAt(clock, at))
  const total = load.reduce((sum, { due }) => sum + due, 0)
  const peak = load.reduce<HourLoad | undefined>(
    (most, one) => (one.due > (most?.due ?? 0) ? one : most),
    undefined
  )
  const first = load[0]
  const zone = first === undefined ? "" : zoneName(clock, first.at)
  const words =
    peak === undefined ? "Nothing is due." : `Peak ${count(peak.due)} from ${hour(peak)} ${zone}`
  const marks = load
    .filter((_, index) => index % 6 === 0)
    .map((one) => html`<span>${hour(one)}</span>`)
  return html`<section class="sheet figure" aria-labelledby="f-load"><h2 id="f-load">Upcoming, next 24 hours</h2>
<p class="big">${count(total)}<small> due</small></p><p class="note">${words}</p>
${bars(
  `${count(total)} slots in the next ${load.length} hours`,
  load.map((one) => ({ value: one.due, label: `${hour(one)} ${zone}: ${count(one.due)} due` })),
  words
)}
<p class="scale" aria-hidden="true">${marks}</p></section>`
}

const kindOf = ({ failed, passed_over, runs, unknown }: DayFigures): DayKind => {
  if (failed > 0) return "failed"
  if (unknown > 0) return "unknown"
  if (passed_over > 0) return "missed"
  return runs > 0 ? "ok" : "none"
}

const toDay = (figures: DayFigures): Day => {
  const { day, failed, passed_over, runs, unknown } = figures
  const parts = [
    [runs, runs === 1 ? "run" : "runs"],
    [failed, "failed"],
    [unknown, "unknown"],
    [passed_over, "passed over"]
  ] as const
  const words = parts
    .filter(([n], index) => n > 0 || index === 0)
    .map(([n, word]) => `${count(n)} ${word}`)
  return { date: day, kind: kindOf(figures), words: words.join(", ") }
}

/** The calendar of the last days with its legend; `id` makes its heading's. */
export const daysFigure = (days: ReadonlyArray<DayFigures>): Html => {
  const all = days.map(toDay)
  const bad = all.filter(({ kind }) => kind !== "ok" && kind !== "none").length
  return html`<section class="sheet figure" aria-labelledby="f-days"><h2 id="f-days">Last ${days.length} days, by worst run (UTC)</h2>
${heatMap(all)}
<p class="note">${bad === 0 ? "No day with a fault." : `${bad} ${bad === 1 ? "day" : "days"} with failed, unknown or passed-over slots.`}</p></section>`
}
