import * as Duration from "../Domain/Duration.ts"
import type { RunView } from "../Domain/RunView.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import { type Axis, dayStrip, type Mark } from "./DayStrip.ts"
import { clip, type Html, html } from "./Html.ts"
import { moment, showDistance } from "./Moment.ts"
import { orgName, orgPath, runPath, stateMark, typeName } from "./Naming.ts"
import { shape } from "./StateMark.ts"

/** The last run that is over: what became of it, when it was due, how late it started and how long it took. */
export const lastRun = (run: RunView | null, timezone: string, now: number): Html => {
  if (run === null) return html`<span class="soft">never</span>`
  const facts = [
    ...(run.drift_ms === null ? [] : [`+${Duration.format(run.drift_ms)}`]),
    ...(run.duration_ms === null ? [] : [`took ${Duration.format(run.duration_ms)}`])
  ]
  return html`<a href="${runPath(run.run_id)}"><span class="${run.status}">${shape(run.status)}</span> <span class="sr">${run.status} </span>${moment(run.scheduled_for, timezone, now)}</a><span class="sub">${facts.join(", ")}</span>`
}

/** When it is due next, and how far that is; a slot of the past is never shown as one to come. */
export const nextRun = (integration: IntegrationState, now: number): Html => {
  const { enabled, next_run_at: at, schedule, timezone } = integration
  if (!enabled || at === null) {
    return html`<span class="soft">${enabled && schedule === null ? "no schedule" : "–"}</span>`
  }
  const distance = showDistance(at, now)
  return html`${moment(at, timezone, now)}<span class="sub">${at <= now ? `was due ${distance}` : distance}</span>`
}

/** A row of the list of integrations; without marks it has no strip. */
export const integrationRow = (
  integration: IntegrationState,
  axis: Axis,
  marks: ReadonlyArray<Mark> | null
): Html => {
  const { integration_type, last_run, schedule, state, timezone, word } = integration
  return html`<tr id="i-${integration.integration_id}"><td>${stateMark(state, word)}</td><th scope="row"><a href="${orgPath(integration.org_id)}">${orgName(integration)}</a><span class="sub">${typeName(integration_type)} · <code>${clip(schedule ?? "", 60)}</code></span></th><td>${lastRun(last_run, timezone, axis.now)}</td><td>${nextRun(integration, axis.now)}</td><td class="wide">${marks !== null && dayStrip(axis, marks)}</td></tr>
`
}
