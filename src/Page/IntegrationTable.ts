import { readingAt, showTime } from "../Domain/WallClock.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import type { Axis, Mark } from "./DayStrip.ts"
import { type Html, html } from "./Html.ts"
import { integrationRow } from "./IntegrationRow.ts"
import { clockOf, zoneName } from "./Moment.ts"

const THREE_HOURS = 10_800_000

/** What the marks of a strip mean. */
export const legend: Html = html`<p class="legend" aria-hidden="true">${(
  [
    ["done", "completed", "M0 8h8"],
    ["failed", "failed", "M0 8h8"],
    ["unknown", "unknown", "M0 2h8M0 14h8"],
    ["running", "running", "M0 8h8"],
    ["missed", "passed over", "M0 14h8"]
  ] as const
).map(
  ([kind, word, path]) =>
    html`<span><svg class="strip key" viewBox="0 0 8 16"><path class="${kind}" d="${path}"/></svg>${word}</span>`
)}</p>`

/** The hours of an axis, in one zone for all its strips. */
export const hours = (axis: Axis, timezone: string): Html => {
  const clock = clockOf(timezone)
  const marks = Array.from({ length: 8 }, (_, index) => axis.from + index * THREE_HOURS)
  return html`<span class="ticks" aria-hidden="true">${marks.map((at) => html`<span>${showTime(readingAt(clock, at))}</span>`)}</span><span class="sr">Last 24 hours</span>`
}

/** A slot that nobody has started, as it is drawn: from when it was due until now. */
const overdue = ({ next_run_at, state }: IntegrationState): ReadonlyArray<Mark> =>
  state === "overdue" && next_run_at !== null
    ? [{ kind: "overdue", from: next_run_at, to: null }]
    : []

export interface TableOptions {
  readonly axis: Axis
  readonly timezone: string
  readonly marks: ReadonlyMap<string, ReadonlyArray<Mark>>
  /** Only so many of the first rows have a strip. */
  readonly strips: number
}

/** Integrations as a table, in the order given. */
export const integrationTable = (
  integrations: ReadonlyArray<IntegrationState>,
  { axis, marks, strips, timezone }: TableOptions
): Html => {
  const zone = zoneName(clockOf(timezone), axis.now)
  return html`<div class="sheet"><table class="all"><caption class="sr">Integrations, the worst first</caption><thead><tr><th scope="col">State</th><th scope="col">Integration</th><th scope="col">Last run</th><th scope="col">Next run</th><th scope="col" class="wide" title="Last 24 hours, ${zone}">${hours(axis, timezone)}</th></tr></thead><tbody data-rows>
${integrations.map((one, index) =>
  integrationRow(
    one,
    axis,
    index < strips ? [...(marks.get(one.integration_id) ?? []), ...overdue(one)] : null
  )
)}</tbody></table></div>`
}
