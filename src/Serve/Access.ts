import type { Settings } from "../Config.ts"
import { hostOf, isLoopback, parseAddress } from "./Address.ts"
import type { Refusal } from "./Refusal.ts"
import { isFormOf, makeSessions, type Session, type Sessions } from "./Session.ts"

/** Who asks. An operator showed the admin token: with this very request, or at the sign-in (then there is a session). */
export type Visitor =
  | { readonly _tag: "Reader" }
  | { readonly _tag: "Operator"; readonly session: Session | null }

/** Who may do what, by the settings. */
export interface Access {
  /** Null when there is no admin token: then nobody can sign in. */
  readonly sessions: Sessions | null
  readonly allowActions: boolean
  /** Everything but the probes needs the token, because others than this machine's users reach the address. */
  readonly isPublic: boolean
  /** Names under which this server may be asked for; null: any. */
  readonly hosts: ReadonlySet<string> | null
}

export const COOKIE = "sync_scheduler_session"

type AccessSettings = Pick<Settings, "adminToken" | "allowActions" | "allowedHosts" | "listen">

/** What the settings allow; null when they would show the page to a network without a token. */
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

/**
 * Refuses a request for a name that is not ours. A page of some other site could otherwise have its own name lead to this
 * machine, and read what is shown here through a browser of somebody who may.
 */
export const refuseHost = (request: Request, { hosts }: Access): Refusal | null => {
  const header = request.headers.get("host") ?? ""
  const host = hostOf(header)
  if (hosts === null || isLoopback(host) || hosts.has(host) || hosts.has(`[${host}]`)) return null
  return {
    status: 421,
    code: "HOST_NOT_ALLOWED",
    message: "This server is not known by the name that it was asked for",
    hint: "Ask for it as localhost, or set SYNC_SCHEDULER_ALLOWED_HOSTS to the name under which a proxy shows it."
  }
}

/** Who asks; `refused`: somebody with a token that is not ours. `now` in epoch milliseconds. */
export const visitorOf = (
  request: Request,
  { sessions }: Access,
  now: number
): Visitor | "refused" => {
  const authorization = request.headers.get("authorization") ?? ""
  // Other schemes are between a browser and the proxy in front of us, which may pass them on.
  if (/^Bearer\b/i.test(authorization)) {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    return token !== undefined && sessions?.isToken(token) === true
      ? { _tag: "Operator", session: null }
      : "refused"
  }
  const cookie = cookieOf(request)
  const session = cookie === null ? null : (sessions?.read(cookie, now) ?? null)
  return session === null ? { _tag: "Reader" } : { _tag: "Operator", session }
}

const cookieOf = (request: Request): string | null =>
  (request.headers.get("cookie") ?? "")
    .split(/; */)
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1) ?? null

/** Refuses an action that the settings do not allow, or not to this visitor. */
export const refuseAction = (visitor: Visitor, access: Access): Refusal | null => {
  if (!access.allowActions || access.sessions === null) {
    const missing = [
      ...(access.allowActions ? [] : ["--allow-actions (or SYNC_SCHEDULER_ALLOW_ACTIONS=true)"]),
      ...(access.sessions === null ? ["an admin token in SYNC_SCHEDULER_ADMIN_TOKEN"] : [])
    ]
    return {
      status: 403,
      code: "ACTIONS_OFF",
      message: "Nobody may act here: this scheduler only shows how things are",
      hint: `Start serve with ${missing.join(" and ")}, or use the command line.`
    }
  }
  if (visitor._tag === "Operator") return null
  return {
    status: 403,
    code: "TOKEN_REQUIRED",
    message: "Only who has the admin token may act, and this request does not have it",
    hint: "Sign in at /sign-in, or send the header Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>."
  }
}

/**
 * Refuses what another site made a browser send. A browser says where a request comes from in `Sec-Fetch-Site`, older
 * ones in `Origin`; without either, it was no page that sent it, and no cookie of ours counts.
 */
export const refuseOrigin = (request: Request): Refusal | null => {
  const site = request.headers.get("sec-fetch-site")
  const origin = request.headers.get("origin")
  const host = request.headers.get("host")
  const isOwn =
    site === null
      ? origin !== null && URL.parse(origin)?.host === host?.toLowerCase()
      : site === "same-origin"
  return isOwn
    ? null
    : {
        status: 403,
        code: "OTHER_SITE",
        message: "The request was not made by a page of this server",
        hint: "Open the page here and act there; programs send the admin token as Authorization: Bearer."
      }
}

/** Refuses a form that was not made for this session. Requests with the token itself need none. */
export const refuseForm = (
  request: Request,
  visitor: Visitor,
  csrf: string | null
): Refusal | null => {
  if (visitor._tag !== "Operator" || visitor.session === null) return null
  const refused = refuseOrigin(request)
  if (refused !== null) return refused
  if (csrf !== null && isFormOf(visitor.session, csrf)) return null
  return {
    status: 403,
    code: "FORM_EXPIRED",
    message: "The form does not belong to this sign-in",
    hint: "Load the page again and repeat what you wanted to do."
  }
}
