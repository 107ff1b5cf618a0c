import * as Duration from "../../Domain/Duration.ts"
import type { RunView } from "../../Domain/RunView.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { orgName, orgPath, runPath, stateMark, typeName } from "./DisplayNames.ts"
import { clip, type Html, html } from "./Html.ts"
import { shape } from "./StateMark.ts"
import { bareMoment, showDistance } from "./TimeFormat.ts"

/** Renders the newest run: its due time, start lag, and duration or attempt. */
export const newestRun = (
  { last_run, live_run }: Pick<IntegrationState, "last_run" | "live_run">,
  timezone: string,
  now: number
): Html => {
  const run = live_run ?? last_run
  if (run === null) return html`<span class="soft">never</span>`
  const isOpen = run.status === "pending" || run.status === "running"
  const facts = [
    ...(run.drift_ms === null ? [] : [`+${Duration.format(run.drift_ms)}`]),
    ...(run.duration_ms === null || isOpen ? [] : [`took ${Duration.format(run.duration_ms)}`]),
    ...(isOpen && run.attempt > 0 ? [`attempt ${run.attempt} of ${run.max_attempts}`] : [])
  ]
  const word = wordOf(run)
  return html`<a href="${runPath(run.run_id)}"><span class="${word}">${shape(word)}</span> <span class="sr">${word} </span>${bareMoment(run.scheduled_for, timezone, now)}</a><span class="sub">${facts.join(", ")}</span>`
}

const wordOf = ({ attempt, status }: RunView): string =>
  status === "pending" && attempt > 0 ? "retrying" : status

/** Renders when the next run is due. A past slot is never shown as upcoming. */
export const nextRun = (integration: IntegrationState, timezone: string, now: number): Html => {
  const { enabled, next_run_at: at, schedule } = integration
  if (!enabled || at === null) {
    return html`<span class="soft">${enabled && schedule === null ? "no schedule" : "–"}</span>`
  }
  const distance = showDistance(at, now)
  return html`${bareMoment(at, timezone, now)}<span class="sub">${at <= now ? `was due ${distance}` : distance}</span>`
}

/** Renders a row. `strip` is null if the table has no strip column. */
export const integrationRow = (
  integration: IntegrationState,
  now: number,
  timezone: string,
  strip: Html | null
): Html => {
  const { integration_type, schedule, state, word } = integration
  return html`<tr id="i-${integration.integration_id}"><td>${stateMark(state, word)}</td><th scope="row"><a href="${orgPath(integration.org_id)}">${orgName(integration)}</a><span class="sub">${typeName(integration_type)} · <code class="cron">${clip(schedule ?? "", 60)}</code></span></th><td>${newestRun(integration, timezone, now)}</td><td>${nextRun(integration, timezone, now)}</td>${strip !== null && html`<td class="wide">${strip}</td>`}</tr>
`
}
