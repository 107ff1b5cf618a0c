import { reasonOf } from "../../Domain/RunReason.ts"
import type { RunView } from "../../Domain/RunView.ts"
import { readingAt, showDate } from "../../Domain/Schedule/WallClock.ts"
import { causingRun, retryableRun } from "../../Domain/StateCause.ts"
import type { DailyStats, Figures } from "../../Operator/DailyStats.ts"
import type { Explanation } from "../../Operator/Explanation.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { type Axis, dayStrip, lastDay, type Mark } from "./DayStrip.ts"
import { capital, countOf, orgName, orgPath, orgText, stateMark, typeName } from "./DisplayNames.ts"
import { type PageFrame, page } from "./Document.ts"
import { copyable } from "./FirstSteps.ts"
import { acts, integrationForms, runForms } from "./Forms.ts"
import { clip, type Html, html } from "./Html.ts"
import { hours, legend } from "./IntegrationTable.ts"
import { slotTable } from "./SlotTable.ts"
import { daysFigure } from "./StatsPanel.ts"
import { clockOf, showDateTime, showDayAndTime } from "./TimeFormat.ts"
import { timelineMarks } from "./TimelineMarks.ts"

export interface OrgModel {
  readonly org_id: string
  readonly org_name: string | null
  /** The current time, in epoch milliseconds. `from` and `to` limit the period; `to` is exclusive. */
  readonly now: number
  readonly from: number
  readonly to: number
  /** The requested day, such as `2026-11-24`; null if the period is yesterday and today. */
  readonly day: string | null
  readonly explanations: ReadonlyArray<Explanation>
  /** The number of integrations that are not shown. */
  readonly left: number
  readonly activity: DailyStats
  /** The figures by integration id. */
  readonly figures: ReadonlyMap<string, Figures>
}

const DAY = 86_400_000

const TONES: Readonly<Record<Explanation["answer"], string>> = {
  yes: "completed",
  partly: "failed",
  no: "failed",
  unknown: "unknown",
  not_yet: "running",
  nothing_due: "never_ran"
}

const BAD: ReadonlyArray<Explanation["answer"]> = ["no", "unknown", "partly"]

/** Returns the tone of the page. It is `good` only if every answer is yes. */
const toneOf = (explanations: ReadonlyArray<Explanation>): "good" | "bad" | "warn" | "idle" => {
  const severities = explanations.map(({ integration }) => integration?.severity ?? "idle")
  if (explanations.some(({ answer }) => BAD.includes(answer)) || severities.includes("critical")) {
    return "bad"
  }
  if (severities.includes("warning")) return "warn"
  const isGood = explanations.length > 0 && explanations.every(({ answer }) => answer === "yes")
  return isGood ? "good" : "idle"
}

/** Whether a due run did not complete or the integration cannot run at all. */
const isBad = ({ answer, integration }: Explanation): boolean =>
  BAD.includes(answer) || (answer === "nothing_due" && integration?.severity === "critical")

/** Returns the state whose symbol represents the answer. This is `retrying` while a failed run is being retried. */
const lookOf = (explanation: Explanation): string => {
  const { answer, integration } = explanation
  if (answer === "nothing_due" && isBad(explanation)) return "failed"
  return answer === "not_yet" && integration?.state === "retrying" ? "retrying" : TONES[answer]
}

export const orgPage = (frame: PageFrame, model: OrgModel): string => {
  const { explanations, left, now } = model
  const marks = timelineMarks(model.activity)
  const axis = lastDay(now)
  return page(frame, {
    title: `${orgText(model)} · Sync Scheduler`,
    tone: toneOf(explanations),
    isStopped: false,
    main: html`<section class="page-head"><p class="crumbs"><a href="/">Overview</a> / <span class="code">${model.org_id}</span></p>
<h1>${orgName(model)}</h1>${explanations.length > 1 && html`<p>${together(explanations)}</p>`}</section>
${dayForm(model, frame.timezone)}
${explanations.map((one) => integrationSection(frame, one, model, axis, marks))}
${left > 0 && html`<p class="nothing">${countOf(left, "more integration")} of this organisation: <a href="/?q=${model.org_id}">all of them</a>.</p>`}`
  })
}

const together = (explanations: ReadonlyArray<Explanation>): string => {
  const count = (...answers: ReadonlyArray<Explanation["answer"]>): number =>
    explanations.filter(({ answer }) => answers.includes(answer)).length
  const bad = explanations.filter(isBad).length
  const [open, none] = [count("not_yet"), count("nothing_due")]
  const all = countOf(explanations.length, "integration")
  if (bad === 0 && none === explanations.length) return `None of ${all} had a due slot.`
  if (bad > 0) return `${bad} of ${all} had missed or failed runs.`
  return open > 0
    ? `${open} of ${all} ${open === 1 ? "is" : "are"} still in progress; nothing failed.`
    : `All ${all} completed every due run.`
}

const dayForm = ({ day, from, now, org_id, to }: OrgModel, timezone: string): Html => {
  const since = showDayAndTime(from, timezone, now)
  const asked =
    day === null ? `since ${since}` : `from ${since} to ${showDateTime(to, timezone, now)}`
  const today = readingAt(clockOf(timezone), now)
  const shown = day === null ? today : Date.parse(`${day}T00:00:00Z`)
  const link = (reading: number, words: string): Html =>
    html`<a class="button" href="${orgPath(org_id)}?on=${showDate(reading)}">${words}</a>`
  const isPast = day !== null && showDate(shown) < showDate(today)
  return html`<form class="ask-day" action="${orgPath(org_id)}"><h2>Did it run ${asked}?</h2>${link(shown - DAY, day === null ? "Yesterday" : "Day before")}${day === null ? link(today, "Today") : isPast && link(shown + DAY, "Day after")}<label class="sr" for="on">Another day</label><input id="on" name="on" type="date" value="${day}"><button>Show day</button>${day !== null && html`<a class="button" href="${orgPath(org_id)}">Since yesterday</a>`}</form>`
}

/** Returns the reason for the state, without the parts that `sentence` contains. */
const whyNow = (integration: IntegrationState, sentence: string): string => {
  const { paused_reason, schedule_error, why } = integration
  const run = causingRun(integration)
  const reason = run === null ? "" : reasonOf(run)
  const said = [reason, paused_reason ?? "", schedule_error ?? ""].filter(
    (text) => text !== "" && sentence.includes(text)
  )
  const rest = said.reduce((text, one) => text.replace(`: ${one}`, "").replace(one, ""), why)
  return rest === "" ? "" : `, ${clip(rest, 300)}`
}

/** Returns the run that needs a decision. */
const openRun = (integration: IntegrationState): RunView | null =>
  integration.live_run?.status === "unknown" ? integration.live_run : retryableRun(integration)

const integrationSection = (
  frame: PageFrame,
  explanation: Explanation,
  model: OrgModel,
  axis: Axis,
  marks: ReadonlyMap<string, ReadonlyArray<Mark>>
): Html => {
  const { activity, explanations, figures } = model
  const { integration, integration_id: id, notes, now, sentence, slots } = explanation
  const timezone = integration?.timezone ?? frame.timezone
  const known = figures.get(id)
  const isOneOfSeveral =
    explanations.filter(
      (one) => one.integration?.integration_type === integration?.integration_type
    ).length > 1
  const marked = activity.integrations.some(({ integration_id }) => integration_id === id)
    ? (marks.get(id) ?? [])
    : []
  return html`<section class="integration" id="i-${id}" aria-labelledby="h-${id}">
<div class="head"><h2 id="h-${id}">${integration === null ? "Deleted integration" : typeName(integration.integration_type)}${isOneOfSeveral && html` <span class="code">${id.slice(0, 8)}</span>`}</h2>${integration !== null && html`<p class="soft"><code>${clip(integration.schedule ?? "no schedule", 100)}</code> ${timezone}</p>`}</div>
<div class="sheet"><div class="verdict"><div class="answer ${lookOf(explanation)}"><p>${clip(sentence, 700)}</p><p>Next: ${frame.pasteable(explanation.next)}.${integration !== null && html` Now: ${stateMark(integration.state, integration.word)}${whyNow(integration, sentence)}.`}</p>
${notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li>${frame.pasteable(clip(note, 500))}</li>`)}</ul>`}
${frame.access._tag !== "SignedIn" && explanation.actions.length > 0 && html`<ul class="helps">${explanation.actions.map(({ command, what }) => html`<li><span class="soft">${capital(what)}</span>${copyable(frame, command)}</li>`)}</ul>`}
${integration !== null && acts(runForms(openRun(integration), frame.access, orgPath(model.org_id)), integrationForms(integration, frame.access))}</div>${known !== undefined && daysFigure(known.days, { heading: `h-${id}`, href: (day) => `${orgPath(model.org_id)}?on=${day}` })}</div>
${marked.length > 1 && html`<div class="day"><div class="head">${hours(axis, timezone)}${legend}</div>${dayStrip(axis, marked)}</div>`}
${slotTable(slots, { timezone, now, isTruncated: explanation.truncated })}</div></section>`
}
