import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { Clock, Effect } from "effect"
import { signInPage } from "../Pages/PlainPage.ts"
import { COOKIE, requireOwnForm, requireOwnOrigin } from "./Access.ts"
import { negotiate } from "./ErrorResponse.ts"
import { formField, requireForm } from "./Form.ts"
import type { HttpError } from "./HttpError.ts"
import { frameOf, type RequestContext, requestContext } from "./PageRequest.ts"
import { htmlResponse, localPath, redirectResponse } from "./Responses.ts"
import type { Sessions } from "./Session.ts"

type Request = HttpServerRequest.HttpServerRequest
type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, HttpError, Request>

/** Provides the sessions. *Fails with* HttpError if no admin token is set. */
const withSessions = (answer: (context: RequestContext, sessions: Sessions) => Answer) =>
  Effect.flatMap(requestContext, (context) => {
    const { sessions } = context.site.access
    return sessions === null ? Effect.fail(noSignIn) : answer(context, sessions)
  })

const showForm = (context: RequestContext, refused: HttpError | null = null) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const why = refused === null ? null : `${refused.message}. ${refused.hint}`
    const { principal, site } = context
    const html = signInPage(frameOf({ principal, site }, now, "UTC"), nextOf(context), why)
    return htmlResponse(html, refused?.status)
  })

const nextOf = ({ url }: RequestContext): string => localPath(url.searchParams.get("next") ?? "")

const signIn = (sessions: Sessions): Answer =>
  Effect.gen(function* () {
    yield* requireOwnOrigin
    yield* requireForm
    const name = (yield* formField("name")).trim()
    if (!sessions.isToken((yield* formField("token")).trim())) {
      yield* Effect.logWarning("A sign-in with a wrong token was rejected.")
      return yield* Effect.fail(wrongToken)
    }
    if (name === "") return yield* Effect.fail(noName)
    const { seconds, value } = sessions.issue(name, yield* Clock.currentTimeMillis)
    yield* Effect.logInfo("Sign-in").pipe(Effect.annotateLogs({ name }))
    const path = localPath(yield* formField("next"))
    return redirectResponse(path, yield* setCookie(value, seconds))
  })

/** The sign-in routes. They require no token. */
export const signInRoutes = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/sign-in",
    withSessions((context) =>
      context.principal._tag === "Operator"
        ? Effect.succeed(redirectResponse(nextOf(context)))
        : showForm(context)
    )
  ),
  HttpRouter.post(
    "/sign-in",
    withSessions((context, sessions) =>
      negotiate(context.request) === "html"
        ? Effect.catchAll(signIn(sessions), (refused) => showForm(context, refused))
        : signIn(sessions)
    )
  )
)

export const signOut: Answer = Effect.gen(function* () {
  yield* requireForm
  yield* requireOwnForm
  return redirectResponse("/", yield* setCookie("", 0))
})

const setCookie = (value: string, seconds: number) =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const isEncrypted =
      headers["x-forwarded-proto"] === "https" || (headers.origin ?? "").startsWith("https:")
    return {
      "set-cookie": `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isEncrypted ? "; Secure" : ""}`
    }
  })

const noSignIn: HttpError = {
  status: 404,
  code: "NO_SIGN_IN",
  message: "Sign-in is disabled, because no admin token is set",
  hint: "Start serve with SYNC_SCHEDULER_ADMIN_TOKEN and --allow-actions."
}

const wrongToken: HttpError = {
  status: 403,
  code: "TOKEN_REFUSED",
  message: "The token is not the admin token",
  hint: "Use the value of SYNC_SCHEDULER_ADMIN_TOKEN that serve was started with."
}

const noName: HttpError = {
  status: 400,
  code: "USAGE",
  message: "The name is missing",
  hint: "Enter your name. It is recorded with your actions."
}
