import * as Duration from "../../Domain/Duration.ts"
import { readingAt, showTime } from "../../Domain/Schedule/WallClock.ts"
import { bars } from "./Bars.ts"
import { type Day, type DayKind, heatMap } from "./HeatMap.ts"
import { empty, type Html, html } from "./Html.ts"
import { clockOf, zoneName } from "./TimeFormat.ts"

/** The start lag of runs. The values are null if no run started. */
export interface Lag {
  readonly runs: number
  readonly p50_ms: number | null
  readonly p95_ms: number | null
  readonly max_ms: number | null
}

/** The statistics for a UTC day. */
export interface DayFigures {
  readonly day: string
  readonly runs: number
  readonly completed: number
  readonly failed: number
  readonly unknown: number
  readonly skipped: number
  readonly retrying: number
  readonly in_progress: number
  readonly skipped_slots: number
  /** Whether at least one count exceeded 10,000 and was capped. */
  readonly capped: boolean
}

/** `hour` is the start of the hour, in epoch milliseconds. */
export interface HourLoad {
  readonly hour: number
  readonly slots: number
}

const count = (value: number): string => value.toLocaleString("en-US")
const span = (ms: number | null): string => (ms === null ? "–" : Duration.format(ms))

/** Renders the success rate and the start lag. `overdue` is the number of due slots without a finished run. */
export const outcomeFigure = (days: ReadonlyArray<DayFigures>, lag: Lag, overdue: number): Html => {
  const outcome = outcomeOf(days.slice(-2), overdue)
  if (outcome === null && lag.runs === 0) return empty
  return html`<section class="sheet figure" id="figure-done" aria-labelledby="f-done">${
    outcome !== null &&
    html`<h2 id="f-done">Success rate, yesterday and today (UTC)</h2>
<p class="big">${outcome.big}</p><p class="note">${outcome.note}</p>`
  }${outcome !== null && lag.runs > 0 && html`<hr>`}${
    lag.runs > 0 &&
    html`<h2${outcome === null && html` id="f-done"`}>Start lag, last 24 hours</h2>
<dl class="lags">${lagsOf(lag).map(([name, ms]) => html`<div><dt>${name}</dt><dd>${span(ms)}</dd></div>`)}</dl>`
  }</section>`
}

/** The minimum number of runs for showing a 95th percentile. With fewer runs, the percentile equals the maximum. */
const RUNS_FOR_P95 = 20

const lagsOf = ({
  max_ms,
  p50_ms,
  p95_ms,
  runs
}: Lag): ReadonlyArray<readonly [string, number | null]> => {
  if (runs === 1) return [["one run", max_ms]]
  const p95 = [["p95", p95_ms]] as const
  return [["p50", p50_ms], ...(runs < RUNS_FOR_P95 ? [] : p95), ["max", max_ms]]
}

/**
 * Returns the percentage of completed slots, or the number of faults if a count is capped. Does not count runs in their first
 * attempt.
 */
const outcomeOf = (
  days: ReadonlyArray<DayFigures>,
  overdue: number
): { readonly big: Html; readonly note: string } | null => {
  const sum = (of: (day: DayFigures) => number): number =>
    days.reduce((total, day) => total + of(day), 0)
  const parts = [
    [sum(({ failed }) => failed), "failed"],
    [sum(({ unknown }) => unknown), "unknown"],
    [sum(({ retrying }) => retrying), "retrying"],
    [sum(({ skipped_slots }) => skipped_slots), "skipped"],
    [overdue, "overdue"]
  ] as const
  const faults = parts.reduce((total, [n]) => total + n, 0)
  const words = parts.filter(([n]) => n > 0).map(([n, word]) => `${count(n)} ${word}`)
  if (days.some(({ capped }) => capped)) {
    const note = `${words.join(", ")}${words.length > 0 ? ", " : ""}of more than 10,000 slots`
    return { big: html`${count(faults)}<small> ${faults === 1 ? "fault" : "faults"}</small>`, note }
  }
  const completed = sum((day) => day.completed)
  const slots = completed + faults
  if (slots === 0) return null
  const percent = (completed / slots) * 100
  // Rounds down, so that 100 % means that every run completed.
  const shown = percent === 100 ? "100" : (Math.floor(percent * 10) / 10).toFixed(1)
  const note = `${count(completed)} of ${count(slots)} slots completed${words.length > 0 ? `: ${words.join(", ")}` : ""}`
  return { big: html`${shown}<small> %</small>`, note }
}

/** Renders the number of upcoming slots per hour. Renders nothing for a single slot, because the integration's row shows it. */
export const loadFigure = (load: ReadonlyArray<HourLoad>, timezone: string): Html => {
  const clock = clockOf(timezone)
  const timeOf = ({ hour }: HourLoad): string => showTime(readingAt(clock, hour))
  const total = load.reduce((sum, { slots }) => sum + slots, 0)
  const peak = load.reduce<HourLoad | undefined>(
    (most, one) => (one.slots > (most?.slots ?? 0) ? one : most),
    undefined
  )
  const zone = zoneName(clock, load[0]?.hour ?? 0)
  if (peak === undefined || total === 1) return empty
  const isShared = load.some((one) => one !== peak && one.slots === peak.slots)
  const words = isShared
    ? `At most ${count(peak.slots)} per hour`
    : `Busiest hour: ${timeOf(peak)} ${zone} (${count(peak.slots)})`
  const marks = load.filter((_, index) => index % 6 === 0)
  const drawn = load.map((one) => ({
    value: one.slots,
    label: `${timeOf(one)} ${zone}: ${count(one.slots)} due`
  }))
  return html`<section class="sheet figure" id="figure-load" aria-labelledby="f-load"><h2 id="f-load">Upcoming, next ${load.length} hours</h2>
<p class="big">${count(total)}<small> due</small></p><p class="note">${words}</p>
${bars(`${count(total)} slots in the next ${load.length} hours`, drawn, words)}
<p class="scale" aria-hidden="true">${marks.map((one) => html`<span>${timeOf(one)}</span>`)}</p></section>`
}

const kindOf = (day: DayFigures): DayKind => {
  if (day.failed > 0) return "failed"
  if (day.unknown > 0) return "unknown"
  if (day.skipped_slots > 0 || day.retrying > 0) return "missed"
  return day.completed > 0 ? "ok" : "none"
}

const toDay = (figures: DayFigures): Day => {
  const { completed, day, failed, skipped_slots, retrying, unknown } = figures
  const parts = [
    [completed, "completed"],
    [failed, "failed"],
    [unknown, "unknown"],
    [retrying, "retrying"],
    [skipped_slots, "skipped"]
  ] as const
  const words = parts
    .filter(([n], index) => n > 0 || index === 0)
    .map(([n, word]) => `${count(n)} ${word}`)
  return { date: day, kind: kindOf(figures), words: words.join(", ") }
}

/** Omits the days before the first run, but keeps at least the last 14 days. Returns no days if there were no runs. */
const sinceFirst = (days: ReadonlyArray<Day>): ReadonlyArray<Day> => {
  const first = days.findIndex(({ kind }) => kind !== "none")
  return first === -1 ? [] : days.slice(Math.max(0, Math.min(first, days.length - 14)))
}

export interface DaysOf {
  /** The id of the section's heading. */
  readonly heading: string
  readonly href: (day: string) => string
}

/** Renders the calendar of recent days. Renders nothing if no run was due before yesterday. */
export const daysFigure = (figures: ReadonlyArray<DayFigures>, owner?: DaysOf): Html => {
  const of = owner?.heading
  const days = sinceFirst(figures.map(toDay))
  const isOld = days.slice(0, -2).some(({ kind }) => kind !== "none")
  if (!isOld || days.filter(({ kind }) => kind !== "none").length < 2) return empty
  const id = of === undefined ? "f-days" : `days-${of}`
  const bad = days.filter(({ kind }) => kind !== "ok" && kind !== "none").length
  return html`<section class="sheet figure" aria-labelledby="${of === undefined ? id : `${of} ${id}`}"><h2 id="${id}">Last ${days.length} days, by worst run (UTC)</h2>
${heatMap(days, owner?.href)}
<p class="note">${bad === 0 ? "No days with failed, unknown, retrying or skipped runs." : `${bad} ${bad === 1 ? "day" : "days"} with failed, unknown, retrying or skipped runs.`}</p></section>`
}
