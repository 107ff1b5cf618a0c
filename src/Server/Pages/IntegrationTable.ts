import { readingAt, showTime } from "../../Domain/Schedule/WallClock.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { type Axis, dayStrip, type Mark } from "./DayStrip.ts"
import { empty, type Html, html } from "./Html.ts"
import { integrationRow } from "./IntegrationRow.ts"
import { clockOf, zoneName } from "./TimeFormat.ts"
import { type Activity, timelineMarks } from "./TimelineMarks.ts"

const THREE_HOURS = 10_800_000

export const legend: Html = html`<p class="legend" aria-hidden="true">${(
  [
    ["done", "completed", "M0 8h8"],
    ["failed", "failed", "M0 8h8"],
    ["unknown", "unknown", "M0 2h8M0 14h8"],
    ["running", "running", "M0 8h8"],
    ["retrying", "retrying", "M0 8h8"],
    ["missed", "skipped", "M0 14h8"]
  ] as const
).map(
  ([kind, word, path]) =>
    html`<span><svg class="strip key" viewBox="0 0 8 16"><path class="${kind}" d="${path}"/></svg>${word}</span>`
)}</p>`

/** Renders the hour labels above all strips, in one time zone. */
export const hours = (axis: Axis, timezone: string): Html => {
  const clock = clockOf(timezone)
  const marks = Array.from({ length: 8 }, (_, index) => axis.from + index * THREE_HOURS)
  return html`<span class="ticks" aria-hidden="true">${marks.map((at) => html`<span>${showTime(readingAt(clock, at))}</span>`)}</span><span class="sr">Last 24 hours</span>`
}

/** Returns a mark from an overdue slot's due time to now; empty if no slot is overdue. */
const overdue = ({ next_run_at, state }: IntegrationState): ReadonlyArray<Mark> =>
  state === "overdue" && next_run_at !== null
    ? [{ kind: "overdue", from: next_run_at, to: null }]
    : []

/** Returns the marks by integration id. Empty if no integration has marks. */
export const rowMarks = (
  integrations: ReadonlyArray<IntegrationState>,
  activity: Activity | null
): RowMarks => {
  const known = activity === null ? new Map() : timelineMarks(activity)
  const marks = integrations.flatMap((one) => {
    const own = known.get(one.integration_id)
    return own === undefined ? [] : [[one.integration_id, [...own, ...overdue(one)]] as const]
  })
  return new Map(marks.some(([, own]) => own.length > 0) ? marks : [])
}

type RowMarks = ReadonlyMap<string, ReadonlyArray<Mark>>

export interface TableOptions {
  readonly axis: Axis
  readonly timezone: string
  /** The marks of the rows. If there are none, no strips are shown. */
  readonly marks: RowMarks
}

export const integrationTable = (
  integrations: ReadonlyArray<IntegrationState>,
  { axis, marks, timezone }: TableOptions
): Html => {
  const zone = zoneName(clockOf(timezone), axis.now)
  const hasStrips = marks.size > 0
  const strip = ({ integration_id }: IntegrationState): Html | null => {
    if (!hasStrips) return null
    const own = marks.get(integration_id)
    return own === undefined ? empty : dayStrip(axis, own, true)
  }
  return html`<div class="sheet"><table class="all"><caption class="sr">Integrations, worst first</caption><thead><tr><th scope="col">State</th><th scope="col">Integration</th><th scope="col">Newest run<span class="wide"> (${zone})</span></th><th scope="col">Next run<span class="wide"> (${zone})</span></th>${hasStrips && html`<th scope="col" class="wide" title="Last 24 hours, ${zone}">${hours(axis, timezone)}</th>`}</tr></thead><tbody data-rows>
${integrations.map((one) =>
  integrationRow(one, axis.now, timezone, strip(one))
)}</tbody></table></div>`
}
