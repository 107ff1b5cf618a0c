import type { readFigures } from "../Domain/OperatorRpc.ts"
import { APPEARANCE, needsAttention, StateName } from "../Domain/State.ts"
import type { IntegrationState, Overview } from "../Operator/Overview.ts"
import { attention, incidents } from "./Attention.ts"
import { lastDay } from "./DayStrip.ts"
import { type Frame, page } from "./Document.ts"
import { daysFigure, type HourLoad, loadFigure, outcomeFigure } from "./Figures.ts"
import { clip, type Html, html } from "./Html.ts"
import { integrationTable, legend } from "./IntegrationTable.ts"
import { type Activity, marksOf } from "./Marks.ts"
import { capital, counted } from "./Naming.ts"
import { shape } from "./StateMark.ts"
import { vendors } from "./Vendors.ts"

/** What the first page shows: how everything stands, and what the last days were like. `activity`: of the first rows listed. */
export interface OverviewMatter {
  readonly overview: Overview
  readonly activity: Activity
  readonly figures: typeof readFigures.result.Type
  /** Slots to come, by hour, from the present hour on. */
  readonly load: ReadonlyArray<HourLoad>
  /** Only integrations in this state are listed; null: all. */
  readonly state: StateName | null
}

/** The most rows on one page, and how many of them have a strip: together they keep it under a megabyte. */
export const MAX_ROWS = 1000
export const MAX_STRIPS = 150

/** The first page, the worst first. */
export const overviewPage = (frame: Frame, matter: OverviewMatter): string => {
  const { overview } = matter
  const isStopped = overview.verdict === "stopped" || overview.verdict === "never"
  const isFine = overview.verdict === "ok"
  const title = verdictOf(overview)
  return page(frame, {
    title: `${title} · Sync Scheduler`,
    tone: overview.total === 0 ? "idle" : isFine ? "good" : "bad",
    isStopped,
    main: html`${pulse(overview, title)}
${states(overview, matter.state)}
${attention(overview.integrations, overview.now)}
${figures(frame, matter)}
<div class="pair">${incidents(overview)}${vendors(overview.integrations, frame.timezone, overview.now)}</div>
${list(frame, matter)}`
  })
}

/** How it is, in a few words: the heading and the tab's title. */
const verdictOf = ({ integrations, total, unreadable, verdict }: Overview): string => {
  if (verdict === "never") return "No engine has ticked yet"
  if (verdict === "stopped") return "The scheduler has stopped"
  if (total === 0) return "No integrations yet"
  const wanted =
    integrations.filter(({ state }) => needsAttention(state)).length + unreadable.length
  return wanted === 0
    ? "Everything is on time"
    : `${wanted.toLocaleString("en-US")} of ${counted(total, "integration")} ${wanted === 1 ? "needs" : "need"} attention`
}

const pulse = (overview: Overview, title: string): Html => {
  const isStopped = overview.verdict === "stopped" || overview.verdict === "never"
  const tick = overview.scheduler.last_tick
  return html`<section class="pulse" id="pulse"><h1>${title}</h1>
<p class="sr" role="status">${overview.headline}</p>
<p${isStopped && html` class="dead"`}>${capital(overview.pulse)}${tick !== null && tick.engine_version !== null && `, version ${tick.engine_version}`}</p>${
    isStopped &&
    html`<p>What is below is how things were when it last ticked. Nothing is started until an engine ticks again: look at the service that runs it, then at its log.</p>`
  }${
    overview.unreadable.length > 0 &&
    html`<p class="notice bad">${counted(overview.unreadable.length, "integration")} cannot be read by this version: ${overview.unreadable
      .slice(0, 3)
      .map(({ integration_id, why }) => `${integration_id}: ${clip(why, 120)}`)
      .join("; ")}</p>`
  }</section>`
}

const states = ({ counts }: Overview, chosen: StateName | null): Html =>
  html`<nav aria-label="By state"><ul class="counts">${StateName.literals
    .filter(
      (name) => counts[name] > 0 || name === "on_time" || name === "overdue" || name === "failing"
    )
    .map((name) => {
      const isChosen = name === chosen
      const href = isChosen ? "/" : `/?state=${name}`
      return html`<li><a class="${counts[name] === 0 ? "none" : name}" href="${href}"${isChosen && html` aria-current="true"`}>${shape(name)}<b>${counts[name].toLocaleString("en-US")}</b><span>${capital(APPEARANCE[name].word)}</span></a></li>`
    })}</ul></nav>`

const figures = (frame: Frame, { figures: { days, lag }, load }: OverviewMatter): Html =>
  html`<div class="figures">${outcomeFigure(days, lag)}${loadFigure(load, frame.timezone)}${daysFigure(days)}</div>`

/** Whether an integration is what somebody searched for: part of a name or type, or the beginning of an id. */
const matches = (one: IntegrationState, query: string): boolean => {
  const wanted = query.trim().toLowerCase()
  return (
    wanted === "" ||
    (one.org_name ?? "").toLowerCase().includes(wanted) ||
    one.integration_type.toLowerCase().includes(wanted) ||
    one.integration_id.startsWith(wanted) ||
    one.org_id.startsWith(wanted)
  )
}

/** What is listed of an overview, the worst first: everything, or what is in a state or was searched for. */
export const listed = (
  { integrations }: Overview,
  { query, state }: { readonly query: string; readonly state: StateName | null }
): ReadonlyArray<IntegrationState> =>
  integrations.filter((one) => (state === null || one.state === state) && matches(one, query))

const list = (frame: Frame, { activity, overview, state }: OverviewMatter): Html => {
  const found = listed(overview, { query: frame.query, state })
  const shown = found.slice(0, MAX_ROWS)
  const isFiltered = state !== null || frame.query.trim() !== ""
  const title = isFiltered
    ? `${found.length.toLocaleString("en-US")} of ${counted(overview.integrations.length, "integration")}`
    : "All integrations"
  const body =
    shown.length === 0
      ? html`<div class="sheet"><p class="nothing">${isFiltered ? "No integration matches." : "There is no integration yet: insert a row into organization_integrations."}</p></div>`
      : integrationTable(shown, {
          axis: lastDay(overview.now),
          timezone: frame.timezone,
          marks: marksOf(activity),
          strips: MAX_STRIPS
        })
  const rest = found.length - shown.length
  return html`<section aria-labelledby="h-all" id="all"><div class="head"><h2 id="h-all">${title}${isFiltered && html` <a class="soft" href="/">Show all</a>`}</h2>${legend}</div>${body}${rest > 0 && html`<p class="nothing">${counted(rest, "more", "more")}: search for an organisation to see them.</p>`}</section>`
}
