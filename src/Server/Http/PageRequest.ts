import { HttpServerRequest } from "@effect/platform"
import { Context, Effect, Option } from "effect"
import { wallClock } from "../../Domain/Schedule/WallClock.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { VERSION } from "../../Version.ts"
import type { PageFrame } from "../Pages/Document.ts"
import { doneNotice } from "../Pages/Forms.ts"
import { type Access, CurrentPrincipal, type Principal } from "./Access.ts"

/** The server's configuration. */
export class Site extends Context.Tag("@sync-scheduler/Site")<
  Site,
  {
    readonly access: Access
    /** Returns the URL of a function's logs; null if unknown. */
    readonly logs: (functionName: string | null) => string | null
    /** Makes the commands in a message ready to paste. In a demo, this adds `--demo` to each command. */
    readonly pasteable: (text: string) => string
  }
>() {}

export interface RequestContext {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly url: URL
  readonly principal: Principal
  readonly site: typeof Site.Service
}

export const requestContext: Effect.Effect<
  RequestContext,
  never,
  HttpServerRequest.HttpServerRequest | Site
> = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const url = new URL(request.originalUrl)
  return { request, url, principal: yield* CurrentPrincipal, site: yield* Site }
})

/** How often an open page reloads, in seconds. */
const REFRESH_SECONDS = 5

export const frameOf = (
  {
    principal,
    site: { access, pasteable },
    url
  }: Pick<RequestContext, "principal" | "site"> & Partial<Pick<RequestContext, "url">>,
  now: number,
  timezone: string
): PageFrame => ({
  now,
  timezone,
  refreshSeconds: REFRESH_SECONDS,
  version: VERSION,
  path: url?.pathname ?? "/",
  query: "",
  kept: [],
  outdated: null,
  access: mayAct(access, principal),
  pasteable,
  answers:
    principal._tag === "Operator" ? "shown" : access.sessions === null ? "command" : "sign-in",
  notice: doneNotice(url?.searchParams.get("did") ?? null)
})

const mayAct = (access: Access, principal: Principal): PageFrame["access"] => {
  if (!access.allowActions || access.sessions === null) return { _tag: "ReadOnly" }
  return principal._tag === "Operator" && principal.session !== null
    ? { _tag: "SignedIn", ...principal.session }
    : { _tag: "SignedOut" }
}

/** The cookie in which the page's script stores the browser's time zone. */
const ZONE_COOKIE = "sync_scheduler_zone"
const MAX_ZONE = 64

/** Returns the zone in the URL, otherwise the browser's zone, otherwise the most common zone of the integrations. */
export const zoneOf = (
  { request, url }: Pick<RequestContext, "request" | "url">,
  integrations: ReadonlyArray<Pick<IntegrationState, "timezone">>
): string =>
  known(url.searchParams.get("tz")) ??
  known(request.cookies[ZONE_COOKIE]) ??
  commonest(integrations)

const known = (zone: string | null | undefined): string | null =>
  typeof zone === "string" && zone.length <= MAX_ZONE && Option.isSome(wallClock(zone))
    ? zone
    : null

const commonest = (integrations: ReadonlyArray<Pick<IntegrationState, "timezone">>): string => {
  const counts = new Map<string, number>()
  for (const { timezone } of integrations) counts.set(timezone, (counts.get(timezone) ?? 0) + 1)
  let most = "UTC"
  for (const [zone, count] of counts) if (count > (counts.get(most) ?? 0)) most = zone
  return most
}
