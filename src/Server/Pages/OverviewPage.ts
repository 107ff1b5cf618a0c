import type { readFigures } from "../../Database/OperatorRpc.ts"
import { needsAttention } from "../../Domain/State.ts"
import type { Overview } from "../../Operator/Overview.ts"
import { attention, incidents } from "./AlertsPanel.ts"
import { lastDay } from "./DayStrip.ts"
import { capital, countOf } from "./DisplayNames.ts"
import { type PageFrame, page } from "./Document.ts"
import { filterBar } from "./FilterBar.ts"
import { firstSteps } from "./FirstSteps.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { integrationTable, legend, rowMarks } from "./IntegrationTable.ts"
import { filterPath, isFiltered, type ListFilter, listed, NO_FILTER } from "./ListFilter.ts"
import { daysFigure, type HourLoad, loadFigure, outcomeFigure } from "./StatsPanel.ts"
import type { Activity } from "./TimelineMarks.ts"
import { vendors } from "./Vendors.ts"

export interface OverviewModel {
  readonly overview: Overview
  /** The activity of the integrations on this page of the list; null if unknown. */
  readonly activity: Activity | null
  readonly figures: typeof readFigures.result.Type | null
  /** The number of slots per hour, starting with the current hour. */
  readonly load: ReadonlyArray<HourLoad>
  readonly filter: ListFilter
}

export const PAGE_ROWS = 100

export const pageOf = (overview: Pick<Overview, "integrations">, filter: ListFilter) => {
  const found = listed(overview.integrations, filter)
  const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS))
  const number = Math.min(filter.page, pages)
  const first = (number - 1) * PAGE_ROWS
  return { found, pages, number, first, shown: found.slice(first, first + PAGE_ROWS) }
}

/** Renders only the list if a filter is set, and the first steps if no integrations exist. */
export const overviewPage = (frame: PageFrame, model: OverviewModel): string => {
  const { filter, overview } = model
  const isStopped = overview.verdict === "stopped" || overview.verdict === "never"
  const title = titleOf(overview)
  const head = heartbeat(frame, overview, title)
  return page(frame, {
    title: `${title} · Sync Scheduler`,
    tone: toneOf(overview),
    isStopped,
    main:
      overview.total === 0
        ? html`${head}${firstSteps(frame)}`
        : html`${head}
${overview.total > 1 && filterBar(overview, filter)}
${!isFiltered(filter) && summary(frame, model)}
${list(frame, model)}`
  })
}

const summary = (frame: PageFrame, { figures, load, overview }: OverviewModel): Html => {
  const cards = [
    figures === null ? empty : outcomeFigure(figures.days, figures.lag, overview.counts.overdue),
    loadFigure(load, frame.timezone),
    figures === null ? empty : daysFigure(figures.days)
  ].filter(({ markup }) => markup !== "")
  return html`${attention(frame, overview)}
${cards.length > 0 && html`<div class="figures" id="figures">${cards}</div>`}
<div class="pair" id="pair">${incidents(overview)}${vendors(overview.integrations, frame.timezone, overview.now)}</div>`
}

const titleOf = (overview: Overview): string => {
  const { causes, headline, integrations, total, unreadable, verdict } = overview
  if (verdict === "never") return "No engine has ticked yet"
  if (verdict === "stopped") return "The scheduler has stopped"
  if (total === 0) return "No integrations yet"
  const wanted =
    integrations.filter(({ state }) => needsAttention(state)).length + unreadable.length
  return wanted === 0 || (causes.length === 1 && unreadable.length === 0)
    ? capital(headline)
    : `${wanted.toLocaleString("en-US")} of ${countOf(total, "integration")} ${wanted === 1 ? "needs" : "need"} attention`
}

/** Returns the tone of the page. It is `good` only if every enabled integration has completed its newest run. */
const toneOf = ({ causes, total, verdict }: Overview): "good" | "bad" | "warn" | "idle" => {
  if (verdict === "ok") return "good"
  if (verdict === "waiting" || total === 0) return "idle"
  const isWarning =
    verdict === "attention" && causes.every(({ severity }) => severity === "warning")
  return isWarning ? "warn" : "bad"
}

const heartbeat = (frame: PageFrame, overview: Overview, title: string): Html => {
  const isStopped = overview.verdict === "stopped" || overview.verdict === "never"
  const tick = overview.scheduler.last_tick
  return html`<section class="page-head" id="heartbeat"><h1>${title}</h1>
<p class="sr" role="status">${overview.headline}</p>
<p${isStopped && html` class="dead"`}>${capital(overview.heartbeat)}${tick !== null && tick.engine_version !== null && `, version ${tick.engine_version}`}. Times are in ${frame.timezone}.</p>${
    isStopped &&
    html`<p>This page shows the state at the last tick. No run starts until an engine ticks again. Check the service that runs the engine, then its log.</p>`
  }${
    overview.unreadable.length > 0 &&
    html`<p class="notice bad">This version cannot read ${countOf(overview.unreadable.length, "integration")}: ${overview.unreadable
      .slice(0, 3)
      .map(({ integration_id, why }) => `${integration_id}: ${clip(why, 120)}`)
      .join("; ")}</p>`
  }</section>`
}

const list = (frame: PageFrame, { activity, filter, overview }: OverviewModel): Html => {
  const { first, found, number, pages, shown } = pageOf(overview, filter)
  const all = countOf(overview.integrations.length, "integration")
  const title = isFiltered(filter) ? `${found.length.toLocaleString("en-US")} of ${all}` : all
  const cause = overview.causes.find(({ key }) => key === filter.cause)
  const marks = rowMarks(shown, activity)
  const body =
    shown.length === 0
      ? html`<div class="sheet"><p class="nothing">No integration matches.</p></div>`
      : integrationTable(shown, {
          axis: lastDay(overview.now),
          timezone: frame.timezone,
          marks
        })
  return html`<section aria-labelledby="h-all" id="all"><div class="head"><h2 id="h-all">${title}${cause !== undefined && html`: <bdi>${cause.label}</bdi>`}${isFiltered(filter) && html` <a class="soft" href="${filterPath(NO_FILTER, {})}">Show all</a>`}</h2>${marks.size > 0 && legend}</div>${body}${pages > 1 && paging(filter, { first, last: first + shown.length, number, pages, found: found.length })}</section>`
}

interface Paging {
  readonly first: number
  readonly last: number
  readonly number: number
  readonly pages: number
  readonly found: number
}

const paging = (filter: ListFilter, { first, found, last, number, pages }: Paging): Html => {
  const to = (page: number): string => filterPath(filter, { page })
  return html`<nav class="paging" aria-label="Pages">${number > 1 && html`<a class="button" rel="prev" href="${to(number - 1)}">Previous</a>`}<span class="soft">${(first + 1).toLocaleString("en-US")} to ${last.toLocaleString("en-US")} of ${found.toLocaleString("en-US")}</span>${number < pages && html`<a class="button" rel="next" href="${to(number + 1)}">Next</a>`}</nav>`
}
