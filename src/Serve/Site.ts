import { Cause, Clock, Effect } from "effect"
import { type Access, refuseHost, type Visitor, visitorOf } from "./Access.ts"
import { sealed } from "./Answer.ts"
import { wantedBy } from "./Asked.ts"
import { renderFault } from "./Pages.ts"
import { livez, makeReadyz } from "./Probes.ts"
import { htmlRefusal, jsonRefusal, notFound, type Refusal, textRefusal } from "./Refusal.ts"
import { makeRoutes } from "./Routes.ts"
import type { Vitals } from "./Vitals.ts"

/** Requests that are answered at the same time; probes are always answered. */
const MAX_AT_ONCE = 64
/** The longest that an answer may take. */
const ANSWER_WITHIN_MS = 20_000
/** The longest address that is looked at. */
const MAX_URL = 2_048

/** Answers one request. Never fails, and never takes longer than 20 s. */
export type Site = (request: Request) => Effect.Effect<Response>

/** Everything that answers HTTP requests, with all that guards it. */
export const makeSite = (parts: { readonly vitals: Vitals; readonly access: Access }) =>
  Effect.gen(function* () {
    const { access, vitals } = parts
    const route = yield* makeRoutes
    const readyz = yield* makeReadyz(vitals)
    const places = yield* Effect.makeSemaphore(MAX_AT_ONCE)
    const answer = (request: Request): Effect.Effect<Response, Refusal> =>
      Effect.gen(function* () {
        const url = yield* urlOf(request)
        if (url.pathname === "/livez") return yield* livez(vitals)
        if (url.pathname === "/readyz") return yield* readyz(url.searchParams.has("verbose"))
        const routed = Effect.flatMap(admit(request, access), (visitor) =>
          route({ request, url, visitor, access })
        )
        const answered = yield* places.withPermitsIfAvailable(1)(routed)
        return answered._tag === "Some" ? answered.value : yield* Effect.fail(busy)
      })
    const site: Site = (request) =>
      answer(request).pipe(
        Effect.timeoutFail({ duration: ANSWER_WITHIN_MS, onTimeout: () => slow }),
        Effect.catchAll((refusal) => refuse(refusal, request, access)),
        Effect.catchAllCause((cause) =>
          Effect.zipRight(
            Effect.logError(`A bug in answering a request: ${Cause.pretty(cause)}`),
            refuse(bug, request, access)
          )
        ),
        Effect.flatMap((response) => Effect.promise(() => sealed(response, request)))
      )
    return site
  })

const refuse = (refusal: Refusal, request: Request, access: Access): Effect.Effect<Response> => {
  const wanted = wantedBy(request)
  if (wanted === "json") return Effect.sync(() => jsonRefusal(refusal))
  return wanted === "text"
    ? Effect.sync(() => textRefusal(refusal))
    : Effect.map(renderFault(access, refusal), (page) => htmlRefusal(refusal, page))
}

const urlOf = (request: Request): Effect.Effect<URL, Refusal> => {
  if (request.url.length > MAX_URL) return Effect.fail(longUrl)
  const url = URL.parse(request.url)
  if (url === null) return Effect.fail(notFound)
  if (!/^(?:GET|HEAD|POST)$/.test(request.method)) return Effect.fail(badMethod)
  return Effect.succeed(url)
}

/** Who asks, when the request may be looked at at all. */
const admit = (request: Request, access: Access): Effect.Effect<Visitor, Refusal> =>
  Effect.gen(function* () {
    const wrongHost = refuseHost(request, access)
    if (wrongHost !== null) return yield* Effect.fail(wrongHost)
    const visitor = visitorOf(request, access, yield* Clock.currentTimeMillis)
    return visitor === "refused" ? yield* Effect.fail(wrongToken) : visitor
  })

const badMethod: Refusal = {
  status: 405,
  code: "USAGE",
  message: "Only GET, HEAD and POST are answered",
  hint: "See /api/openapi.json.",
  headers: { allow: "GET, HEAD, POST" }
}

const longUrl: Refusal = {
  status: 414,
  code: "USAGE",
  message: `The address is longer than ${MAX_URL} characters`,
  hint: "Ask for less at a time."
}

const wrongToken: Refusal = {
  status: 401,
  code: "TOKEN_REFUSED",
  message: "The request has a token, and it is not the admin token",
  hint: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or no such header at all.",
  headers: { "www-authenticate": "Bearer" }
}

const busy: Refusal = {
  status: 503,
  code: "BUSY",
  message: `More than ${MAX_AT_ONCE} requests at once`,
  hint: "Ask again in a moment.",
  headers: { "retry-after": "1" }
}

const slow: Refusal = {
  status: 503,
  code: "TOO_SLOW",
  message: `There was no answer within ${ANSWER_WITHIN_MS / 1_000} s`,
  hint: "The database may be slow or away: see /readyz?verbose."
}

const bug: Refusal = {
  status: 500,
  code: "BUG",
  message: "A bug in sync-scheduler",
  hint: "The log has its details."
}
