import {
  type HttpApp,
  HttpBody,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { Effect } from "effect"
import { CurrentPrincipal, principalOf, requireAllowedHost } from "./Access.ts"
import { negotiate } from "./ErrorResponse.ts"
import { type HttpError, notFound } from "./HttpError.ts"
import { Site } from "./PageRequest.ts"
import { htmlResponse, redirectResponse } from "./Responses.ts"

/** Responds to a request. *Fails with* errors that `answerErrors` converts to responses. */
type App<R> = HttpApp.Default<unknown, R>

const ANSWER_WITHIN_MS = 20_000
/** The maximum length of a URL, in characters. */
const MAX_URL = 2_048

/** Runs `next` if the app has no route for the request. */
export const orElse =
  <R2>(next: App<R2>) =>
  <R>(app: App<R>): App<R | R2> =>
    Effect.catchIf(
      app,
      (error) => error instanceof HttpServerError.RouteNotFound,
      () => next
    )

/** Rejects requests with an invalid URL or an unsupported method. */
export const limitRequest = <R>(app: App<R>): App<R> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, originalUrl }) => {
    if (originalUrl.length > MAX_URL) return Effect.fail(longUrl)
    if (URL.parse(originalUrl) === null) return Effect.fail(notFound)
    return /^(?:GET|HEAD|POST)$/.test(method) ? app : Effect.fail(badMethod)
  })

export const limitTime = <R>(app: App<R>): App<R> =>
  Effect.timeoutFail(app, { duration: ANSWER_WITHIN_MS, onTimeout: () => slow })

export const limitConcurrency = (most: number) =>
  Effect.map(
    Effect.makeSemaphore(most),
    (semaphore) =>
      <R>(app: App<R>): App<R> =>
        Effect.flatMap(semaphore.withPermitsIfAvailable(1)(app), (answer) =>
          Effect.mapError(answer, () => busy(most))
        )
  )

/** Checks the host name and the credentials of a request, and provides the principal. */
export const identify = <R>(app: App<R>): App<R | Site> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { access } = yield* Site
    yield* requireAllowedHost(request, access)
    const principal = yield* principalOf(request, access)
    return yield* Effect.provideService(app, CurrentPrincipal, principal)
  })

/** Requires the token or a session on a public server. Redirects browsers to the sign-in page. */
export const requireToken = <R>(app: App<R>): App<R | Site> =>
  Effect.gen(function* () {
    const { access } = yield* Site
    if (!access.isPublic || (yield* CurrentPrincipal)._tag === "Operator") return yield* app
    const request = yield* HttpServerRequest.HttpServerRequest
    const { headers, method, url } = request
    const isPage = method === "GET" && negotiate(request) === "html" && !url.startsWith("/api/")
    if (!isPage) return yield* Effect.fail(noToken)
    const signIn = `/sign-in?next=${encodeURIComponent(url)}`
    return headers["sec-fetch-site"] === "cross-site"
      ? htmlResponse(redirectPage(signIn))
      : redirectResponse(signIn)
  })

/**
 * Returns a page that redirects to a path on this server. If the user follows a link from another site, the browser withholds the
 * SameSite session cookie. It sends the cookie when a page of this server redirects.
 */
const redirectPage = (path: string): string =>
  `<!doctype html><html lang="en"><title>Sync Scheduler</title><meta http-equiv="refresh" content="0;url=${path}"><p><a href="${path}">Continue</a></p></html>\n`

const SECURITY: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  vary: "accept-encoding, cookie, authorization"
}

/** The minimum body size for compression, in bytes. */
const MIN_BYTES = 1_024

/** Adds the common headers, and compresses large bodies. */
export const finish = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
  Effect.zipWith(HttpServerRequest.HttpServerRequest, app, ({ headers, method }, answer) => {
    const common = { "cache-control": "no-store", ...answer.headers, ...SECURITY }
    const response = HttpServerResponse.setHeaders(answer, common)
    const { body } = response
    const mayZip = /\bgzip\b(?!;q=0(?:\.0+)?\b)/.test(headers["accept-encoding"] ?? "")
    if (method === "HEAD" || !mayZip) return response
    if (body._tag !== "Uint8Array" || body.body.length < MIN_BYTES) return response
    const zipped = Bun.gzipSync(new Uint8Array(body.body), { level: 5 })
    return HttpServerResponse.setHeader(response, "content-encoding", "gzip").pipe(
      HttpServerResponse.setBody(HttpBody.uint8Array(zipped, body.contentType))
    )
  })

const badMethod: HttpError = {
  status: 405,
  code: "USAGE",
  message: "This method is not supported; use GET, HEAD or POST",
  hint: "See /api/openapi.json.",
  headers: { allow: "GET, HEAD, POST" }
}

const longUrl: HttpError = {
  status: 414,
  code: "USAGE",
  message: `The URL is longer than ${MAX_URL} characters`,
  hint: "Shorten the query, for example with fewer ids."
}

const noToken: HttpError = {
  status: 401,
  code: "TOKEN_REQUIRED",
  message: "This server requires the admin token",
  hint: "Send Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>, or sign in at /sign-in.",
  headers: { "www-authenticate": "Bearer" }
}

const busy = (most: number): HttpError => ({
  status: 503,
  code: "BUSY",
  message: `The server already has ${most} concurrent requests`,
  hint: "Try again in a moment.",
  headers: { "retry-after": "1" }
})

const slow: HttpError = {
  status: 503,
  code: "TOO_SLOW",
  message: `The response took longer than ${ANSWER_WITHIN_MS / 1_000} s`,
  hint: "The database may be slow or unreachable: check /readyz?verbose."
}
