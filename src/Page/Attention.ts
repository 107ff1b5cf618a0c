import { needsAttention } from "../Domain/State.ts"
import type { IntegrationState, Overview } from "../Operator/Overview.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { moment } from "./Moment.ts"
import { capital, counted, orgName, orgPath, stateMark, typeName } from "./Naming.ts"

/** The most that the list of what needs somebody shows; the table below has them all. */
const MOST = 12

/** What needs somebody, the worst first, each with why; nothing when nothing does. */
export const attention = (integrations: ReadonlyArray<IntegrationState>, now: number): Html => {
  const wanted = integrations.filter(({ state }) => state !== "stale" && needsAttention(state))
  if (wanted.length === 0) return empty
  const more = wanted.length - MOST
  return html`<section aria-labelledby="h-attention"><div class="head"><h2 id="h-attention">Needs attention</h2><p class="soft">${counted(wanted.length, "integration")}</p></div>
<ul class="sheet attention">${wanted.slice(0, MOST).map((one) => item(one, now))}${more > 0 && html`<li class="more"><div></div><div class="soft">and ${counted(more, "more", "more")}, in the table below</div></li>`}</ul></section>`
}

const item = (one: IntegrationState, now: number): Html => {
  const { since, state, timezone, why, word } = one
  return html`<li id="a-${one.integration_id}"><div>${stateMark(state, word)}</div><div><a class="who" href="${orgPath(one.org_id)}">${orgName(one)}</a> <span class="soft">${typeName(one.integration_type)}</span><p class="soft">${capital(clip(why, 300))}</p></div><div class="soft num">${since !== null && html`since ${moment(since, timezone, now)}`}</div></li>`
}

const INCIDENTS: Readonly<Record<string, readonly [one: string, many: string]>> = {
  drift: ["late start", "late starts"],
  cold_start: ["cold start", "cold starts"],
  missed: ["slots passed over", "times slots passed over"],
  rescued: ["run taken over", "runs taken over"],
  unknown: ["unknown outcome", "unknown outcomes"],
  clock_skew: ["clock that is off", "clocks that are off"],
  health: ["provider in trouble", "providers in trouble"],
  schedule_error: ["invalid schedule", "invalid schedules"],
  breaker: ["open breaker", "open breakers"]
}

/** The incidents that are open, by kind; each was alerted on, and closes by itself when its cause is gone. */
export const incidents = ({ scheduler }: Overview): Html => {
  const open = Object.entries(scheduler.open_incidents).toSorted(([, a], [, b]) => b - a)
  if (open.length === 0) return empty
  return html`<section aria-labelledby="h-incidents"><div class="head"><h2 id="h-incidents">Open incidents</h2></div><ul class="sheet lines">${open.map(
    ([kind, count]) => {
      const [one, many] = INCIDENTS[kind] ?? [kind, kind]
      return html`<li><b>${count}</b> <span>${count === 1 ? one : many}</span></li>`
    }
  )}</ul></section>`
}
