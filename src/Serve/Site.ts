import { Cause, Clock, Effect } from "effect"
import { type Access, refuseHost, type Visitor, visitorOf } from "./Access.ts"
import { redirectAnswer, sealed } from "./Answer.ts"
import { livez, makeReadyz } from "./Probes.ts"
import { type Refusal, refusalResponse } from "./Refusal.ts"
import { makeScrape } from "./Scrape.ts"
import { noSignIn, signIn, signInPage, signOut } from "./SignIn.ts"
import type { Vitals } from "./Vitals.ts"

/** Requests that are answered at the same time; probes are always answered. */
const MAX_AT_ONCE = 64
/** The longest that an answer may take. */
const ANSWER_WITHIN_MS = 20_000
/** The longest path and query that is looked at. */
const MAX_URL = 2_048

/** Answers one request. Never fails, and never takes longer than 20 s. */
export type Site = (request: Request) => Effect.Effect<Response>

/** Everything that answers HTTP requests, with all that guards it. */
export const makeSite = ({
  access,
  vitals
}: {
  readonly vitals: Vitals
  readonly access: Access
}) =>
  Effect.gen(function* () {
    const readyz = yield* makeReadyz(vitals)
    const scrape = yield* makeScrape
    const probe = (url: URL): Effect.Effect<Response> | null => {
      if (url.pathname === "/livez") return livez(vitals)
      if (url.pathname === "/readyz") return readyz(url.searchParams.has("verbose"))
      return null
    }
    let atOnce = 0
    const counted = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Refusal> =>
      Effect.suspend((): Effect.Effect<A, E | Refusal> => {
        if (atOnce >= MAX_AT_ONCE) return Effect.fail(busy)
        atOnce += 1
        return Effect.ensuring(
          effect,
          Effect.sync(() => (atOnce -= 1))
        )
      })

    const answer = (request: Request): Effect.Effect<Response, Refusal> =>
      Effect.gen(function* () {
        const url = yield* urlOf(request)
        const probing = probe(url)
        if (probing !== null) return yield* probing
        return yield* counted(
          Effect.gen(function* () {
            const visitor = yield* admit(request, access)
            return yield* route({ request, url, visitor, access, scrape })
          })
        )
      })

    return (request: Request): Effect.Effect<Response> =>
      answer(request).pipe(
        Effect.timeoutFail({ duration: ANSWER_WITHIN_MS, onTimeout: () => slow }),
        Effect.catchAll((refusal) => Effect.succeed(refusalResponse(refusal, wantsJson(request)))),
        Effect.catchAllCause((cause) =>
          Effect.as(
            Effect.logError(`A bug in answering a request: ${Cause.pretty(cause)}`),
            refusalResponse(bug, wantsJson(request))
          )
        ),
        Effect.flatMap((response) => Effect.promise(() => sealed(response, request)))
      )
  })

/** One request on its way to its answer. */
interface Asked {
  readonly request: Request
  readonly url: URL
  readonly visitor: Visitor
  readonly access: Access
  readonly scrape: Effect.Effect<Response>
}

const route = (asked: Asked): Effect.Effect<Response, Refusal> => {
  const { access, request, scrape, url, visitor } = asked
  const isReading = request.method === "GET" || request.method === "HEAD"
  switch (url.pathname) {
    case "/sign-in": {
      const { sessions } = access
      const refused = noSignIn(access)
      if (sessions === null || refused !== null) return Effect.fail(refused ?? notFound)
      return isReading ? Effect.succeed(signInPage(url)) : signIn(request, sessions)
    }
    case "/sign-out":
      return isReading ? Effect.succeed(redirectAnswer("/")) : signOut(request, visitor)
  }
  if (access.isPublic && visitor._tag === "Reader") return strangerAnswer(asked)
  if (url.pathname === "/metrics" && isReading) return scrape
  return Effect.fail(notFound)
}

const urlOf = (request: Request): Effect.Effect<URL, Refusal> => {
  if (request.url.length > MAX_URL + 300) return Effect.fail(longUrl)
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

/** For whoever has to show the token first: people are led to the sign-in, programs are told. */
const strangerAnswer = ({ request, url }: Asked): Effect.Effect<Response, Refusal> =>
  request.method === "GET" && !wantsJson(request) && url.pathname !== "/metrics"
    ? Effect.succeed(
        redirectAnswer(`/sign-in?next=${encodeURIComponent(url.pathname + url.search)}`)
      )
    : Effect.fail(noToken)

const wantsJson = (request: Request): boolean =>
  /^[a-z]+:\/\/[^/]*\/api(?:\/|$)/i.test(request.url) ||
  /\bapplication\/json\b/.test(request.headers.get("accept") ?? "")

const notFound: Refusal = {
  status: 404,
  code: "NOT_FOUND",
  message: "There is nothing at this address",
  hint: "The page is at /, and what programs may ask is described in /api/openapi.json."
}

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

const noToken: Refusal = {
  status: 401,
  code: "TOKEN_REQUIRED",
  message: "This server is open to a network, and is shown only to who has the admin token",
  hint: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or sign in at /sign-in.",
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
