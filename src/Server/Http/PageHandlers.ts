import { HttpRouter, HttpServerResponse } from "@effect/platform"
import { Effect, Option } from "effect"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { readingAt, showTime } from "../../Domain/Schedule/WallClock.ts"
import { tickError } from "../../Engine/SummaryBuilder.ts"
import { explain } from "../../Operator/Explanation.ts"
import { assets } from "../Pages/Assets.ts"
import { lastDay } from "../Pages/DayStrip.ts"
import type { PageFrame } from "../Pages/Document.ts"
import { readFilter } from "../Pages/ListFilter.ts"
import { type OrgModel, orgPage } from "../Pages/OrgPage.ts"
import { overviewPage, pageOf } from "../Pages/OverviewPage.ts"
import { choicePage } from "../Pages/PlainPage.ts"
import { runPage } from "../Pages/RunPage.ts"
import { clockOf, zoneName } from "../Pages/TimeFormat.ts"
import { type HttpError, notFound } from "./HttpError.ts"
import { type Known, type LastKnown, makeLastKnown } from "./LastKnown.ts"
import { type DayWindow, dayWindow, findOrgs, type OrgMatch } from "./OrgLookup.ts"
import { frameOf, type RequestContext, requestContext, zoneOf } from "./PageRequest.ts"
import type { QueryCache } from "./QueryCache.ts"
import { htmlResponse } from "./Responses.ts"

/** The maximum number of integrations on an organisation's page. */
const MAX_EXPLAINED = 20
/** The maximum number of integrations whose figures are shown. */
const MAX_FIGURES = 4
const ORGS_KEPT = 32
/** Matches a run's id or an id prefix. */
const RUN = /^[0-9a-f][0-9a-f-]{5,35}$/

interface Rendered {
  readonly html: string
  /** Whether the page shows the last known data. Such a page says so. */
  readonly isOutdated: boolean
}

interface Parts {
  readonly views: QueryCache
  readonly orgs: LastKnown<OrgModel>
}

/** Returns the page routes. A page *fails with* HttpError if it does not exist or its data is unavailable. */
export const makePageRoutes = (views: QueryCache) =>
  Effect.map(makeLastKnown<OrgModel>({ capacity: ORGS_KEPT, freshMs: 0 }), (orgs) =>
    HttpRouter.empty.pipe(
      HttpRouter.get(
        "/",
        page((context) => Effect.mapError(overview(context, views), unavailable))
      ),
      HttpRouter.get(
        "/org/*",
        page((context, params) => org(params["*"] ?? "", context, { views, orgs }))
      ),
      HttpRouter.get(
        "/run/:id",
        page((context, params) => run(params.id ?? "", context, views))
      )
    )
  )

type Params = Readonly<Record<string, string | undefined>>

const page = (
  render: (context: RequestContext, params: Params) => Effect.Effect<Rendered, HttpError>
) =>
  Effect.zip(requestContext, HttpRouter.params).pipe(
    Effect.flatMap(([context, params]) => render(context, params)),
    Effect.map(({ html, isOutdated }) => htmlResponse(html, isOutdated ? 503 : 200))
  )

const dated = (frame: PageFrame, isOutdated: boolean): PageFrame => {
  if (!isOutdated) return frame
  const clock = clockOf(frame.timezone)
  const time = showTime(readingAt(clock, Math.floor(frame.now / 1000) * 1000))
  const asOf = `${time} ${zoneName(clock, frame.now)}`
  return {
    ...frame,
    outdated: `Data as of ${asOf}: the database does not answer. This page keeps retrying.`
  }
}

const overview = (
  context: RequestContext,
  views: QueryCache
): Effect.Effect<Rendered, SupabaseError> =>
  Effect.gen(function* () {
    const filter = readFilter(context.url.searchParams)
    const seen = yield* views.known.overview
    const { integrations, now } = seen.value
    const ids = pageOf(seen.value, filter).shown.map(({ integration_id }) => integration_id)
    const isAway = seen.isOutdated
    const [activity, figures, load] = yield* Effect.all(
      [
        Effect.option(views.known.activity(ids, lastDay(now).from, isAway)),
        Effect.option(views.known.figures(isAway)),
        Effect.option(views.known.load(isAway))
      ],
      { concurrency: 3 }
    )
    const { state, type } = filter
    const frame: PageFrame = {
      ...frameOf(context, now, zoneOf(context, integrations)),
      query: filter.query,
      kept: [
        ...(state === null ? [] : [["state", state] as const]),
        ...(type === null ? [] : [["type", type] as const])
      ]
    }
    // Outdated figures are not shown next to a current overview.
    const shown = <A>(one: Option.Option<Known<A>>): A | null =>
      Option.isSome(one) && (isAway || !one.value.isOutdated) ? one.value.value : null
    const html = overviewPage(dated(frame, seen.isOutdated), {
      overview: seen.value,
      activity: shown(activity),
      figures: shown(figures),
      load: shown(load) ?? [],
      filter
    })
    return { html, isOutdated: isAway }
  })

const org = (
  name: string,
  context: RequestContext,
  { orgs, views }: Parts
): Effect.Effect<Rendered, HttpError> =>
  Effect.gen(function* () {
    const seen = yield* Effect.mapError(views.known.overview, unavailable)
    const { integrations, now } = seen.value
    const wanted = name.trim()
    const [found, ...others] = findOrgs(integrations, wanted)
    if (found === undefined) {
      return yield* Effect.fail(seen.isOutdated ? unknownNow : noOrg(wanted))
    }
    const zone = found.integrations[0]?.timezone ?? zoneOf(context, integrations)
    const frame = frameOf(context, now, zone)
    if (others.length > 0) {
      const html = choicePage(dated(frame, seen.isOutdated), wanted, [found, ...others])
      return { html, isOutdated: seen.isOutdated }
    }
    const window = dayWindow(context.url.searchParams.get("on"), zone, now)
    const key = `${found.org_id} ${window.day}`
    const known = yield* Effect.mapError(
      orgs.get(key, explainOrg(found, window, now, views), seen.isOutdated),
      unavailable
    )
    const isOutdated = seen.isOutdated || known.isOutdated
    const own = { ...frame, now: known.value.now }
    return { html: orgPage(dated(own, isOutdated), known.value), isOutdated }
  })

const explainOrg = (
  { integrations, org_id, org_name }: OrgMatch,
  window: DayWindow,
  now: number,
  views: QueryCache
): Effect.Effect<OrgModel, SupabaseError> => {
  const shown = integrations.slice(0, MAX_EXPLAINED)
  const ids = shown.map(({ integration_id }) => integration_id)
  const { driftAlertMs } = views
  return Effect.all(
    {
      explanations: Effect.forEach(
        ids,
        (integrationId) => views.read(explain({ integrationId, ...window, driftAlertMs })),
        { concurrency: 2 }
      ),
      activity: views.activity(ids, lastDay(now).from),
      figures: Effect.forEach(ids.slice(0, MAX_FIGURES), (id) =>
        Effect.map(views.figures(id, undefined), (known) => [id, known] as const)
      )
    },
    { concurrency: 2 }
  ).pipe(
    Effect.map(({ activity, explanations, figures }) => ({
      org_id,
      org_name,
      now,
      ...window,
      explanations,
      left: integrations.length - shown.length,
      activity,
      figures: new Map(figures)
    }))
  )
}

const run = (
  id: string,
  context: RequestContext,
  views: QueryCache
): Effect.Effect<Rendered, HttpError> =>
  Effect.gen(function* () {
    if (!RUN.test(id)) return yield* Effect.fail(notFound)
    const { isOutdated, value } = yield* Effect.mapError(views.known.run(id), unavailable)
    const { events, integration, now, run } = value
    if (run === null) return yield* Effect.fail(isOutdated ? unknownNow : noRun)
    const frame = dated(frameOf(context, now, integration?.timezone ?? "UTC"), isOutdated)
    const logsUrl = context.site.logs(integration?.function_name ?? null)
    return { html: runPage(frame, { now, events, integration, run, logsUrl }), isOutdated }
  })

/** Files can be cached forever, because their names change with their content. */
export const assetRoutes = HttpRouter.fromIterable(
  Array.from(assets.values(), ({ body, path, type }) =>
    HttpRouter.makeRoute(
      "GET",
      path,
      HttpServerResponse.text(body, {
        contentType: type,
        headers: { "cache-control": "public, max-age=31536000, immutable" }
      })
    )
  )
)

const UNAVAILABLE = "The database does not answer, and no earlier data for this page is available"

/** The database is unavailable, and the last known data does not contain the requested item. */
const unknownNow: HttpError = {
  status: 503,
  code: "SUPABASE_UNREACHABLE",
  message: UNAVAILABLE,
  hint: "This page keeps retrying."
}

export const unavailable = (error: SupabaseError): HttpError => {
  const { code, hint, message } = tickError(error)
  return {
    status: 503,
    code,
    message: UNAVAILABLE,
    hint: `This page keeps retrying. ${message}. ${hint}`
  }
}

const noOrg = (wanted: string): HttpError => ({
  status: 404,
  code: "NOT_FOUND",
  message: `No organisation has the name or id ${JSON.stringify(wanted.slice(0, 80))}`,
  hint: "Search for a part of its name on the overview."
})

const noRun: HttpError = {
  status: 404,
  code: "NOT_FOUND",
  message: "No run has this id",
  hint: "Retention deletes old runs."
}
