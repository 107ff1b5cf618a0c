import type { Activity, Figures } from "../Operator/Activity.ts"
import type { Explanation } from "../Operator/Explanation.ts"
import { type Axis, dayStrip, lastDay, type Mark } from "./DayStrip.ts"
import { type Frame, page } from "./Document.ts"
import { daysFigure } from "./Figures.ts"
import { integrationForms } from "./Forms.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { hours, legend } from "./IntegrationTable.ts"
import { marksOf } from "./Marks.ts"
import { showDayAndTime, showMoment } from "./Moment.ts"
import { counted, orgName, orgPath, orgText, stateMark, typeName } from "./Naming.ts"
import { slotTable } from "./SlotTable.ts"

/** What the page of an organisation shows: whether each of its integrations ran in a stretch of time, and why (not). */
export interface OrgMatter {
  readonly org_id: string
  readonly org_name: string | null
  /** When it is, and the stretch that is asked about; `to` exclusive. Epoch milliseconds. */
  readonly now: number
  readonly from: number
  readonly to: number
  /** The day asked about, `2026-11-24`; null: since yesterday. */
  readonly day: string | null
  readonly explanations: ReadonlyArray<Explanation>
  /** Integrations that are not on the page, because there are too many. */
  readonly left: number
  /** Of all its integrations on the page. */
  readonly activity: Activity
  /** By the integration's id. */
  readonly figures: ReadonlyMap<string, Figures>
}

const TONES: Readonly<Record<Explanation["answer"], string>> = {
  yes: "completed",
  partly: "failed",
  no: "failed",
  not_yet: "running",
  nothing_due: "no_data"
}

/** The page of an organisation: did it run, in a sentence, and everything behind the sentence. */
export const orgPage = (frame: Frame, matter: OrgMatter): string => {
  const { explanations, left, now } = matter
  const isBad = explanations.some(({ answer }) => answer === "no" || answer === "partly")
  const marks = marksOf(matter.activity)
  const axis = lastDay(now)
  return page(frame, {
    title: `${orgText(matter)} · Sync Scheduler`,
    tone: isBad ? "bad" : "good",
    isStopped: false,
    main: html`<section class="pulse"><p class="crumbs"><a href="/">Overview</a> / <span class="code">${matter.org_id}</span></p>
<h1>${orgName(matter)}</h1>${explanations.length > 1 && html`<p>${together(explanations)}</p>`}</section>
${question(matter, frame.timezone)}
${explanations.map((one) => integrationSection(frame, one, matter, axis, marks))}
${left > 0 && html`<p class="nothing">${counted(left, "more integration")} of this organisation: <a href="/?q=${matter.org_id}">all of them</a>.</p>`}`
  })
}

/** The answers of several integrations as one. */
const together = (explanations: ReadonlyArray<Explanation>): string => {
  const count = (...answers: ReadonlyArray<Explanation["answer"]>): number =>
    explanations.filter(({ answer }) => answers.includes(answer)).length
  const [bad, open, none] = [count("no", "partly"), count("not_yet"), count("nothing_due")]
  const all = counted(explanations.length, "integration")
  if (none === explanations.length) return `None of ${all} had anything to run.`
  if (bad > 0) return `${bad} of ${all} did not run everything that was due.`
  return open > 0
    ? `${open} of ${all} ${open === 1 ? "is" : "are"} still at it; nothing failed.`
    : `All of ${all} ran everything that was due.`
}

/** What is asked, and the way to ask about another day. */
const question = ({ day, from, now, org_id, to }: OrgMatter, timezone: string): Html => {
  const since = showDayAndTime(from, timezone, now)
  const asked =
    day === null ? `since ${since}` : `from ${since} to ${showMoment(to, timezone, now)}`
  return html`<form class="ask-day" action="${orgPath(org_id)}"><h2>Did it run ${asked}?</h2><label class="sr" for="on">Another day</label><input id="on" name="on" type="date" value="${day}"><button>Show day</button>${day !== null && html`<a class="button" href="${orgPath(org_id)}">Since yesterday</a>`}</form>`
}

const integrationSection = (
  frame: Frame,
  explanation: Explanation,
  { activity, explanations, figures }: OrgMatter,
  axis: Axis,
  marks: ReadonlyMap<string, ReadonlyArray<Mark>>
): Html => {
  const { answer, integration, integration_id: id, notes, now, sentence, slots } = explanation
  const timezone = integration?.timezone ?? frame.timezone
  const known = figures.get(id)
  const isOneOfSeveral =
    explanations.filter(
      (one) => one.integration?.integration_type === integration?.integration_type
    ).length > 1
  const isDrawn = activity.integrations.some(({ integration_id }) => integration_id === id)
  return html`<section class="integration" id="i-${id}" aria-labelledby="h-${id}">
<div class="head"><h2 id="h-${id}">${integration === null ? "Deleted integration" : typeName(integration.integration_type)}${isOneOfSeveral && html` <span class="code">${id.slice(0, 8)}</span>`}</h2>${integration !== null && html`<p class="soft"><code>${clip(integration.schedule ?? "no schedule", 100)}</code> ${timezone}</p>`}</div>
<div class="sheet"><div class="verdict"><div class="answer ${TONES[answer]}"><p>${clip(sentence, 700)}</p><p>Next: ${explanation.next}.${integration !== null && html` Now: ${stateMark(integration.state, integration.word)}, ${clip(integration.why, 300)}.`}</p>
${notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li>${clip(note, 500)}</li>`)}</ul>`}
${integration === null ? empty : integrationForms(integration, frame.access)}</div>${known !== undefined && daysFigure(known.days, `h-${id}`)}</div>
${isDrawn && html`<div class="day"><div class="head">${hours(axis, timezone)}${legend}</div>${dayStrip(axis, marks.get(id) ?? [])}</div>`}
${slotTable(slots, { timezone, now, isTruncated: explanation.truncated })}</div></section>`
}
