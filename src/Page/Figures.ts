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
  /** Of some count there were more than 10,000. */
  readonly capped: boolean
}

/** How many slots come due in the hour that begins at `hour`, epoch milliseconds. */
export interface HourLoad {
  readonly hour: number
  readonly slots: number
}

const count = (value: number): string => value.toLocaleString("en-US")
const span = (ms: number | null): string => (ms === null ? "–" : Duration.format(ms))

/** How much of yesterday and today went well, and how late the runs of the last 24 hours started. */
export const outcomeFigure = (days: ReadonlyArray<DayFigures>, lag: Lag): Html => {
  const { big, note } = outcomeOf(days.slice(-2))
  return html`<section class="sheet figure" aria-labelledby="f-done"><h2 id="f-done">Without fault, yesterday and today (UTC)</h2>
<p class="big">${big}</p><p class="note">${note}</p>
<hr><h2>Start lag, last 24 hours</h2>
<dl class="lags"><div><dt>p50</dt><dd>${span(lag.p50_ms)}</dd></div><div><dt>p95</dt><dd>${span(lag.p95_ms)}</dd></div><div><dt>max</dt><dd>${span(lag.max_ms)}</dd></div></dl></section>`
}

const outcomeOf = (
  days: ReadonlyArray<DayFigures>
): { readonly big: Html; readonly note: string } => {
  const sum = (of: (day: DayFigures) => number): number =>
    days.reduce((total, day) => total + of(day), 0)
  const [runs, missed] = [sum(({ runs }) => runs), sum(({ passed_over }) => passed_over)]
  const [failed, unknown] = [sum(({ failed }) => failed), sum(({ unknown }) => unknown)]
  const slots = runs + missed
  const faults = failed + unknown + missed
  const parts = [
    [failed, "failed"],
    [unknown, "unknown"],
    [missed, "passed over"]
  ] as const
  const words = parts.filter(([n]) => n > 0).map(([n, word]) => `${count(n)} ${word}`)
  if (slots === 0) return { big: html`–`, note: "No slot was due." }
  if (days.some(({ capped }) => capped)) {
    const note = `${words.join(", ")}${words.length > 0 ? ", " : ""}of more than 10,000 slots`
    return { big: html`${count(faults)}<small> ${faults === 1 ? "fault" : "faults"}</small>`, note }
  }
  const percent = ((slots - faults) / slots) * 100
  // Never rounded up to a whole: 100 % means every one.
  const shown = percent === 100 ? "100" : (Math.floor(percent * 10) / 10).toFixed(1)
  const note = `${count(slots - faults)} of ${count(slots)} slots${words.length > 0 ? `: ${words.join(", ")}` : ""}`
  return { big: html`${shown}<small> %</small>`, note }
}

/** What is ahead: how many slots, when most of them, and each hour as a bar. */
export const loadFigure = (load: ReadonlyArray<HourLoad>, timezone: string): Html => {
  const clock = clockOf(timezone)
  const timeOf = ({ hour }: HourLoad): string => showTime(readingAt(clock, hour))
  const total = load.reduce((sum, { slots }) => sum + slots, 0)
  const peak = load.reduce<HourLoad | undefined>(
    (most, one) => (one.slots > (most?.slots ?? 0) ? one : most),
    undefined
  )
  const zone = zoneName(clock, load[0]?.hour ?? 0)
  const words =
    peak === undefined
      ? "Nothing is due."
      : `Most from ${timeOf(peak)} ${zone} on: ${count(peak.slots)}`
  const marks = load.filter((_, index) => index % 6 === 0)
  const drawn = load.map((one) => ({
    value: one.slots,
    label: `${timeOf(one)} ${zone}: ${count(one.slots)} due`
  }))
  return html`<section class="sheet figure" aria-labelledby="f-load"><h2 id="f-load">Upcoming, next ${load.length} hours</h2>
<p class="big">${count(total)}<small> due</small></p><p class="note">${words}</p>
${bars(`${count(total)} slots in the next ${load.length} hours`, drawn, words)}
<p class="scale" aria-hidden="true">${marks.map((one) => html`<span>${timeOf(one)}</span>`)}</p></section>`
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

/** The calendar of the last days; `of` is the id of the heading that says whose, where there are several. */
export const daysFigure = (days: ReadonlyArray<DayFigures>, of?: string): Html => {
  const id = of === undefined ? "f-days" : `days-${of}`
  const all = days.map(toDay)
  const bad = all.filter(({ kind }) => kind !== "ok" && kind !== "none").length
  return html`<section class="sheet figure" aria-labelledby="${of === undefined ? id : `${of} ${id}`}"><h2 id="${id}">Last ${days.length} days, by worst run (UTC)</h2>
${heatMap(all)}
<p class="note">${bad === 0 ? "No day with a fault." : `${bad} ${bad === 1 ? "day" : "days"} with failed, unknown or passed-over slots.`}</p></section>`
}
