import { Clock, Effect, Option } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { StateName } from "../Domain/State.ts"
import { tickError } from "../Domain/Tally.ts"
import { type Activity, activityOf } from "../Operator/Activity.ts"
import { explain } from "../Operator/Explanation.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import { showRun } from "../Operator/Runs.ts"
import { assets } from "../Page/Assets.ts"
import { lastDay } from "../Page/DayStrip.ts"
import type { Frame } from "../Page/Document.ts"
import { doneNotice } from "../Page/Forms.ts"
import { type OrgMatter, orgPage } from "../Page/OrgPage.ts"
import { listed, MAX_STRIPS, overviewPage } from "../Page/OverviewPage.ts"
import { choicePage, type Fault, faultPage } from "../Page/PlainPage.ts"
import { runPage } from "../Page/RunPage.ts"
import { VERSION } from "../Version.ts"
import type { Access, Visitor } from "./Access.ts"
import type { Asked } from "./Asked.ts"
import { type DayWindow, dayWindow, type FoundOrg, findOrgs } from "./OrgQuestion.ts"
import { notFound, type Refusal } from "./Refusal.ts"
import type { Views } from "./Views.ts"

/** An open page fetches itself again this often. */
const REFRESH_SECONDS = 5
/** A page of more rows than that is heavier, and fetches itself three times less often. */
const MANY_ROWS = 300
const MAX_QUERY = 200
/** The most integrations of an organisation on its page, and how many of them have figures of their own. */
const MAX_EXPLAINED = 20
const MAX_FIGURES = 4
/** The most runs that a strip is drawn from: one every five minutes of a day. */
const RUNS_EACH = 300
/** What somebody may write for a run: its id, or the beginning of it. */
const RUN = /^[0-9a-f][0-9a-f-]{5,35}$/

/** The HTML of a page. *Fails with* Refusal when there is no such page, or the database does not give it. */
export const renderPage = (asked: Asked, views: Views): Effect.Effect<string, Refusal> => {
  const { pathname } = asked.url
  if (pathname === "/") return overview(asked, views)
  if (pathname.startsWith("/org/")) return org(asked, views)
  const id = pathname.replace(/^\/run\//, "")
  return RUN.test(id) ? run(id, asked, views) : Effect.fail(notFound)
}

const overview = (asked: Asked, views: Views): Effect.Effect<string, Refusal> =>
  Effect.gen(function* () {
    const query = (asked.url.searchParams.get("q") ?? "").slice(0, MAX_QUERY)
    const state = stateOf(asked.url.searchParams.get("state"))
    const [seen, figures, load] = yield* Effect.all(
      [views.overview({}), views.figures(undefined, undefined), views.load],
      { concurrency: 3 }
    )
    const shown = listed(seen, { query, state }).slice(0, MAX_STRIPS)
    const activity = yield* activityFor(shown, seen.now, views)
    const isHeavy = seen.integrations.length > MANY_ROWS
    const frame = {
      ...frameOf(asked, seen.now, zoneOf(seen.integrations), query),
      refreshSeconds: isHeavy ? 3 * REFRESH_SECONDS : REFRESH_SECONDS
    }
    return overviewPage(frame, { overview: seen, activity, figures, load, state })
  }).pipe(Effect.mapError(unavailable))

/** What integrations did on the axis of a page that is made now. */
const activityFor = (
  integrations: ReadonlyArray<IntegrationState>,
  now: number,
  views: Views
): Effect.Effect<Activity, SupabaseError> => {
  const ids = integrations.map(({ integration_id }) => integration_id)
  return views.read(activityOf(ids, { from: lastDay(now).from, runsEach: RUNS_EACH }))
}

const org = (asked: Asked, views: Views): Effect.Effect<string, Refusal> =>
  Effect.gen(function* () {
    const { integrations, now } = yield* Effect.mapError(views.overview({}), unavailable)
    const wanted = nameIn(asked.url)
    const [found, ...others] = findOrgs(integrations, wanted)
    if (found === undefined) return yield* Effect.fail(noOrg(wanted))
    const zone = found.integrations[0]?.timezone ?? zoneOf(integrations)
    const frame = frameOf(asked, now, zone, "")
    if (others.length > 0) return choicePage(frame, wanted, [found, ...others])
    const window = dayWindow(asked.url.searchParams.get("on"), zone, now)
    const matter = yield* Effect.mapError(explainOrg(found, window, now, views), unavailable)
    return orgPage(frame, matter)
  })

/** Everything that the page of an organisation shows. */
const explainOrg = (
  { integrations, org_id, org_name }: FoundOrg,
  window: DayWindow,
  now: number,
  views: Views
): Effect.Effect<OrgMatter, SupabaseError> => {
  const shown = integrations.slice(0, MAX_EXPLAINED)
  const { driftAlertMs } = views
  return Effect.all(
    {
      explanations: Effect.forEach(
        shown,
        ({ integration_id }) =>
          views.read(explain({ integrationId: integration_id, ...window, driftAlertMs })),
        { concurrency: 2 }
      ),
      activity: activityFor(shown, now, views),
      figures: Effect.forEach(shown.slice(0, MAX_FIGURES), ({ integration_id }) =>
        Effect.map(
          views.figures(integration_id, undefined),
          (known) => [integration_id, known] as const
        )
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

/** What stands behind `/org/`; nothing when it cannot be read. */
const nameIn = ({ pathname }: URL): string =>
  Option.getOrElse(
    Option.liftThrowable(decodeURIComponent)(pathname.slice("/org/".length)),
    () => ""
  ).trim()

const run = (id: string, asked: Asked, views: Views): Effect.Effect<string, Refusal> =>
  Effect.gen(function* () {
    const { events, integration, now, run } = yield* Effect.mapError(
      views.read(showRun(id)),
      unavailable
    )
    if (run === null) return yield* Effect.fail(noRun)
    const frame = frameOf(asked, now, integration?.timezone ?? "UTC", "")
    return runPage(frame, { now, events, integration, run })
  })

/** What every page is told. */
export const frameOf = (
  { access, url, visitor }: Pick<Asked, "access" | "visitor"> & Partial<Pick<Asked, "url">>,
  now: number,
  timezone: string,
  query: string
): Frame => ({
  now,
  timezone,
  refreshSeconds: REFRESH_SECONDS,
  version: VERSION,
  path: url?.pathname ?? "/",
  query,
  access: mayAct(access, visitor),
  notice: doneNotice(url?.searchParams.get("did") ?? null)
})

const mayAct = (access: Access, visitor: Visitor): Frame["access"] => {
  if (!access.allowActions || access.sessions === null) return { _tag: "ReadOnly" }
  return visitor._tag === "Operator" && visitor.session !== null
    ? { _tag: "SignedIn", ...visitor.session }
    : { _tag: "SignedOut" }
}

/** The page that says why there is no other. */
export const renderFault = (access: Access, refusal: Refusal): Effect.Effect<string> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    faultPage(frameOf({ access, visitor: { _tag: "Reader" } }, now, "UTC", ""), {
      title: TITLES[refusal.status] ?? "That did not work",
      message: `${refusal.message}.`,
      hint: refusal.hint,
      isPassing: refusal.status === 503
    } satisfies Fault)
  )

const TITLES: Readonly<Record<number, string>> = {
  401: "Sign in first",
  403: "Not allowed",
  404: "Not found",
  409: "Not possible now",
  503: "Not available"
}

/** A file that pages refer to. Its name changes with its content. */
export const assetAnswer = (path: string): Response | null => {
  const asset = assets.get(path)
  return asset === undefined
    ? null
    : new Response(asset.body, {
        headers: {
          "content-type": asset.type,
          "cache-control": "public, max-age=31536000, immutable"
        }
      })
}

/** The zone of times that belong to no integration: the one that most integrations have. */
const zoneOf = (integrations: ReadonlyArray<IntegrationState>): string => {
  const counts = new Map<string, number>()
  for (const { timezone } of integrations) counts.set(timezone, (counts.get(timezone) ?? 0) + 1)
  let most = "UTC"
  for (const [zone, count] of counts) if (count > (counts.get(most) ?? 0)) most = zone
  return most
}

const stateOf = (text: string | null): StateName | null =>
  StateName.literals.find((name) => name === text) ?? null

/** The database did not give what a page needs. */
export const unavailable = (error: SupabaseError): Refusal => {
  const { code, hint } = tickError(error)
  return {
    status: 503,
    code,
    message: "The database cannot be read",
    hint: `${error.message}. ${hint}`
  }
}

const noOrg = (wanted: string): Refusal => ({
  status: 404,
  code: "NOT_FOUND",
  message: `No organisation is called ${JSON.stringify(wanted.slice(0, 80))}, nor has that id`,
  hint: "Search for a part of its name on the overview."
})

const noRun: Refusal = {
  status: 404,
  code: "NOT_FOUND",
  message: "There is no run with this id",
  hint: "Old runs are deleted by retention."
}
