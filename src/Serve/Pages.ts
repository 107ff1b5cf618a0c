import { Clock, Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { StateName } from "../Domain/State.ts"
import { tickError } from "../Domain/Tally.ts"
import { activityOf, upcomingLoad } from "../Operator/Activity.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import { showRun } from "../Operator/Runs.ts"
import { assets } from "../Page/Assets.ts"
import type { Frame } from "../Page/Document.ts"
import { listed, MAX_STRIPS, overviewPage } from "../Page/OverviewPage.ts"
import { type Fault, faultPage } from "../Page/PlainPage.ts"
import { runPage } from "../Page/RunPage.ts"
import { VERSION } from "../Version.ts"
import type { Access, Visitor } from "./Access.ts"
import type { Asked } from "./Asked.ts"
import { notFound, type Refusal } from "./Refusal.ts"
import type { Views } from "./Views.ts"

/** An open page fetches itself again this often. */
const REFRESH_SECONDS = 10
const MAX_QUERY = 200
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The HTML of a page. *Fails with* Refusal when there is no such page, or the database does not give it. */
export const renderPage = (asked: Asked, views: Views): Effect.Effect<string, Refusal> => {
  const { pathname } = asked.url
  const [, kind = "", id = "", ...rest] = pathname.split("/")
  if (pathname === "/") return overview(asked, views)
  if (rest.length > 0 || !UUID.test(id)) return Effect.fail(notFound)
  return kind === "run" ? run(id, asked, views) : Effect.fail(notFound)
}

const overview = (asked: Asked, views: Views): Effect.Effect<string, Refusal> =>
  Effect.gen(function* () {
    const query = (asked.url.searchParams.get("q") ?? "").slice(0, MAX_QUERY)
    const state = stateOf(asked.url.searchParams.get("state"))
    const [seen, figures] = yield* Effect.all(
      [views.overview({}), views.figures(undefined, undefined)],
      { concurrency: 2 }
    )
    const shown = listed(seen, { query, state }).slice(0, MAX_STRIPS)
    const activity = yield* views.read(activityOf(shown.map((one) => one.integration_id)))
    const frame = frameOf(asked, seen.now, zoneOf(seen.integrations), query)
    const load = upcomingLoad(seen.integrations, seen.now)
    return overviewPage(frame, { overview: seen, activity, figures, load, state })
  }).pipe(Effect.mapError(unavailable))

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
  { access, visitor }: Pick<Asked, "access" | "visitor">,
  now: number,
  timezone: string,
  query: string
): Frame => ({
  now,
  timezone,
  refreshSeconds: REFRESH_SECONDS,
  version: VERSION,
  query,
  access: mayAct(access, visitor)
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
      hint: refusal.hint
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

const noRun: Refusal = {
  status: 404,
  code: "NOT_FOUND",
  message: "There is no run with this id",
  hint: "Old runs are deleted by retention."
}
