import {
  HttpApiBuilder,
  HttpApiError,
  type HttpApp,
  HttpServer,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { Cause, Effect, Layer, type Scope } from "effect"
import { Supabase } from "../Services/Supabase.ts"
import type { Visitor } from "./Access.ts"
import { CurrentVisitor } from "./Acting.ts"
import { Api } from "./Api.ts"
import { actingLayer } from "./ApiActing.ts"
import { readingLayer } from "./ApiReading.ts"
import { errorsOf, notFound, type Refusal } from "./Refusal.ts"
import type { Views } from "./Views.ts"

/** Answers a request under `/api`. *Fails with* Refusal when there is nothing there, or the request cannot be read. */
export type ApiServer = (request: Request, visitor: Visitor) => Effect.Effect<Response, Refusal>

/** The API over one database, as Api describes it. */
export const makeApiServer = (
  views: Views
): Effect.Effect<ApiServer, never, Supabase | Scope.Scope> =>
  Effect.gen(function* () {
    const supabase = Layer.succeed(Supabase, yield* Supabase)
    const groups = Layer.mergeAll(readingLayer(views), actingLayer).pipe(Layer.provide(supabase))
    const context = yield* Layer.build(
      Layer.mergeAll(
        HttpApiBuilder.api(Api).pipe(Layer.provide(groups)),
        HttpApiBuilder.middleware(inOwnWords),
        HttpApiBuilder.Router.Live,
        HttpApiBuilder.Middleware.layer,
        HttpServer.layerContext
      )
    )
    const app = Effect.provide(yield* Effect.provide(HttpApiBuilder.httpApp, context), context)
    // Run in the fiber of the request, not by the library's own web handler: that one logs and traces for itself.
    return (request, visitor) =>
      app.pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(request)
        ),
        Effect.provideService(CurrentVisitor, visitor),
        Effect.scoped,
        Effect.map((response) => HttpServerResponse.toWeb(response)),
        Effect.catchAllCause(explain)
      )
  })

/** A request that is not what Api describes is answered in our own words. */
const inOwnWords = (app: HttpApp.Default): HttpApp.Default =>
  Effect.catchAllCause(app, (cause) => {
    const error = Cause.squash(cause)
    if (!(error instanceof HttpApiError.HttpApiDecodeError)) return Effect.failCause(cause)
    const faults = error.issues
      .slice(0, 3)
      .map(({ message, path }) => `${path.join(".") || "the body"}: ${message.slice(0, 200)}`)
    return Effect.succeed(
      HttpServerResponse.unsafeJson(errorsOf(badRequest(faults.join("; "))), { status: 400 })
    )
  })

const explain = (cause: Cause.Cause<never>): Effect.Effect<never, Refusal> => {
  const error = Cause.squash(cause)
  if (error instanceof HttpServerError.RouteNotFound) return Effect.fail(notFound)
  if (error instanceof HttpServerError.RequestError) {
    return Effect.fail(badRequest("the body cannot be read as JSON"))
  }
  return Effect.failCause(cause)
}

const badRequest = (why: string): Refusal => ({
  status: 400,
  code: "USAGE",
  message: `The request cannot be used: ${why}`,
  hint: "What it has to look like is described in /api/openapi.json."
})
