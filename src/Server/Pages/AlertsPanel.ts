import type { CauseGroup } from "../../Operator/CauseGroup.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import type { Overview } from "../../Operator/Overview.ts"
import { capital, countOf, orgName, orgPath, stateMark, typeName } from "./DisplayNames.ts"
import type { PageFrame } from "./Document.ts"
import { causeForm } from "./Forms.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { filterPath, NO_FILTER } from "./ListFilter.ts"
import { bareMoment } from "./TimeFormat.ts"

/** The maximum number of causes to show. The table on the page shows the rest. */
const MOST = 12

/** Renders a line for each cause that needs attention, worst cause first. */
export const attention = (frame: PageFrame, { causes, integrations, now }: Overview): Html => {
  const shown = causes.filter(({ state }) => state !== "stale")
  if (shown.length === 0) return empty
  const count = shown.reduce((sum, cause) => sum + cause.count, 0)
  const more = shown.length - MOST
  const named = new Map(integrations.map((one) => [one.integration_id, one]))
  return html`<section id="attention" aria-labelledby="h-attention"><div class="head"><h2 id="h-attention">Needs attention</h2><p class="soft">${countOf(count, "integration")}${shown.length < count && html`, ${countOf(shown.length, "cause")}`}</p></div>
<ul class="sheet attention">${shown.slice(0, MOST).map((cause) => {
    const one = cause.integration_id === null ? undefined : named.get(cause.integration_id)
    return one === undefined ? shared(frame, cause, now) : single(frame, cause, one, now)
  })}${more > 0 && html`<li class="more"><div></div><div class="soft">and ${countOf(more, "more cause")}, in the table below</div></li>`}</ul></section>`
}

const since = (at: number | null, zone: string, now: number): Html =>
  html`<div class="soft num">${at !== null && html`since ${bareMoment(at, zone, now)}`}</div>`

const single = (frame: PageFrame, cause: CauseGroup, one: IntegrationState, now: number): Html =>
  html`<li id="a-${one.integration_id}"><div>${stateMark(one.state, one.word)}</div><div><a class="who" href="${orgPath(one.org_id)}">${orgName(one)}</a> <span class="soft">${typeName(one.integration_type)}</span><p class="soft">${capital(clip(one.why, 300))}</p>${causeForm(cause, frame)}</div>${since(one.since, frame.timezone, now)}</li>`

const shared = (frame: PageFrame, cause: CauseGroup, now: number): Html => {
  const { code, count, integration_type, key, message, state, word } = cause
  const href = filterPath(NO_FILTER, { cause: key })
  const times = html`${typeName(integration_type)}: ${count.toLocaleString("en-US")} × ${code === null ? word : html`<span class="code">${clip(code, 80)}</span>`}`
  return html`<li id="c-${key}"><div>${stateMark(state, word)}</div><div><a class="who" href="${href}">${times}</a>${message !== null && html`<p class="soft"><bdi>${clip(message, 300)}</bdi></p>`}${causeForm(cause, frame)}</div>${since(cause.since, frame.timezone, now)}</li>`
}

/** The kinds of incidents that are not visible as the state of an integration. */
const INCIDENTS: Readonly<Record<string, readonly [one: string, many: string]>> = {
  cold_start: ["cold start", "cold starts"],
  missed: ["skipped-slots incident", "skipped-slots incidents"],
  rescued: ["run taken over from another engine", "runs taken over from other engines"],
  clock_skew: ["engine with a wrong clock", "engines with a wrong clock"]
}

export const incidents = ({ scheduler }: Overview): Html => {
  const open = Object.entries(scheduler.open_incidents).flatMap(([kind, count]) => {
    const words = INCIDENTS[kind]
    return words === undefined ? [] : [[count, words[count === 1 ? 0 : 1]] as const]
  })
  if (open.length === 0) return empty
  return html`<section id="incidents" aria-labelledby="h-incidents"><div class="head"><h2 id="h-incidents">Other open incidents</h2></div><ul class="sheet lines">${open.map(([count, words]) => html`<li><b>${count}</b> <span>${words}</span></li>`)}</ul></section>`
}
