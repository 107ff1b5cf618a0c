import { HttpServerRequest } from "@effect/platform"
import { Clock, Context, Effect } from "effect"
import type { Settings } from "../../Config.ts"
import { hostOf, isLoopback, parseAddress } from "./Address.ts"
import { formField, isForm } from "./Form.ts"
import type { Forbidden, HttpError } from "./HttpError.ts"
import { isFormOf, makeSessions, type Session, type Sessions } from "./Session.ts"

/**
 * The caller of a request. An operator sent the admin token with the request, or signed in with it. If there was no sign-in,
 * `session` is null.
 */
export type Principal =
  | { readonly _tag: "Reader" }
  | { readonly _tag: "Operator"; readonly session: Session | null }

export class CurrentPrincipal extends Context.Reference<CurrentPrincipal>()(
  "@sync-scheduler/CurrentPrincipal",
  { defaultValue: (): Principal => ({ _tag: "Reader" }) }
) {}

/** The access rules from the settings. */
export interface Access {
  /** The sign-in sessions; null if no admin token is set. */
  readonly sessions: Sessions | null
  readonly allowActions: boolean
  /** Whether other machines can reach this server. If so, all endpoints except the probes require the token. */
  readonly isPublic: boolean
  /** The accepted host names; null if every host name is accepted. */
  readonly hosts: ReadonlySet<string> | null
}

export const COOKIE = "sync_scheduler_session"

type AccessSettings = Pick<Settings, "adminToken" | "allowActions" | "allowedHosts" | "listen">

/** Returns null if the settings would open the pages to other machines without a token. */
export const makeAccess = (settings: AccessSettings): Access | null => {
  const isPublic = !isLoopback(parseAddress(settings.listen).hostname)
  if (isPublic && settings.adminToken === null) return null
  return {
    sessions: settings.adminToken === null ? null : makeSessions(settings.adminToken),
    allowActions: settings.allowActions === "true",
    isPublic,
    hosts: isPublic && settings.allowedHosts === null ? null : new Set(settings.allowedHosts ?? [])
  }
}

type Request = HttpServerRequest.HttpServerRequest

/**
 * Rejects unknown host names to prevent DNS rebinding, which would let another site read the pages through the user's browser.
 */
export const requireAllowedHost = (
  { headers }: Request,
  { hosts }: Access
): Effect.Effect<void, HttpError> => {
  const host = hostOf(headers.host ?? "")
  return hosts === null || isLoopback(host) || hosts.has(host) || hosts.has(`[${host}]`)
    ? Effect.void
    : Effect.fail({
        status: 421,
        code: "HOST_NOT_ALLOWED",
        message: "This host name is not allowed",
        hint: "Use localhost, or set SYNC_SCHEDULER_ALLOWED_HOSTS to the host name that a proxy forwards."
      })
}

/** Returns the principal of a request. *Fails with* HttpError if the request carries an invalid token. */
export const principalOf = (
  { cookies, headers }: Request,
  { sessions }: Access
): Effect.Effect<Principal, HttpError> => {
  const authorization = headers.authorization ?? ""
  // Ignores credentials with another scheme. They are meant for a reverse proxy, which might forward them.
  if (/^Bearer\b/i.test(authorization)) {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    return token !== undefined && sessions?.isToken(token) === true
      ? Effect.succeed({ _tag: "Operator", session: null })
      : Effect.fail(wrongToken)
  }
  return Effect.map(Clock.currentTimeMillis, (now) => {
    const session = sessions?.read(cookies[COOKIE] ?? "", now) ?? null
    return session === null ? { _tag: "Reader" } : { _tag: "Operator", session }
  })
}

const wrongToken: HttpError = {
  status: 401,
  code: "TOKEN_REFUSED",
  message: "The token in this request is not the admin token",
  hint: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or omit the header.",
  headers: { "www-authenticate": "Bearer" }
}

type Guard = Effect.Effect<void, Forbidden, Request>

/** Rejects an action unless the settings enable actions and the caller is an operator. */
export const requireOperator = ({ allowActions, sessions }: Access): Guard =>
  Effect.gen(function* () {
    if (!allowActions || sessions === null) {
      const missing = [
        ...(allowActions ? [] : ["--allow-actions (or SYNC_SCHEDULER_ALLOW_ACTIONS=true)"]),
        ...(sessions === null ? ["an admin token in SYNC_SCHEDULER_ADMIN_TOKEN"] : [])
      ]
      return yield* Effect.fail(actionsOff(missing))
    }
    if ((yield* CurrentPrincipal)._tag !== "Operator") return yield* Effect.fail(noToken)
  })

const actionsOff = (missing: ReadonlyArray<string>): Forbidden => ({
  status: 403,
  code: "ACTIONS_OFF",
  message: "Actions are disabled: this server is read-only",
  hint: `Start serve with ${missing.join(" and ")}, or use the command line.`
})

const noToken: Forbidden = {
  status: 403,
  code: "TOKEN_REQUIRED",
  message: "This action requires the admin token",
  hint: "Sign in at /sign-in, or send the header Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>."
}

/** Rejects cross-site requests. Older browsers send `Origin` instead of `Sec-Fetch-Site`. */
export const requireOwnOrigin: Guard = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ headers: { host, origin, "sec-fetch-site": site } }) => {
    const isOwn =
      site === undefined
        ? origin !== undefined && URL.parse(origin)?.host === host?.toLowerCase()
        : site === "same-origin"
    return isOwn ? Effect.void : Effect.fail(otherSite)
  }
)

const otherSite: Forbidden = {
  status: 403,
  code: "OTHER_SITE",
  message: "The request did not come from a page of this server",
  hint: "Open this server's page and repeat the action there. A program must send the admin token in the header Authorization: Bearer."
}

/** Rejects a request that uses a session but does not send its CSRF token. A request with the admin token needs no CSRF token. */
export const requireOwnForm: Guard = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const principal = yield* CurrentPrincipal
  if (principal._tag !== "Operator" || principal.session === null) return
  yield* requireOwnOrigin
  const csrf = isForm(request) ? yield* formField("csrf") : request.headers["x-csrf-token"]
  if (!isFormOf(principal.session, csrf ?? "")) return yield* Effect.fail(formExpired)
})

const formExpired: Forbidden = {
  status: 403,
  code: "FORM_EXPIRED",
  message: "The form does not belong to this session",
  hint: "Reload the page and repeat the action."
}
