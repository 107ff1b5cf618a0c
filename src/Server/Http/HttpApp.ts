import {
  HttpApiBuilder,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { Effect, Layer } from "effect"
import { RETRY_CAUSE } from "../Pages/Forms.ts"
import type { Watchdog } from "../Watchdog.ts"
import { requireOperator } from "./Access.ts"
import { actionHandlers, retryCause } from "./ActionHandlers.ts"
import { Api } from "./Api.ts"
import { answerErrors } from "./ErrorResponse.ts"
import { notFound } from "./HttpError.ts"
import { makeMetricsEndpoint } from "./MetricsEndpoint.ts"
import {
  finish,
  identify,
  limitConcurrency,
  limitRequest,
  limitTime,
  orElse,
  requireToken
} from "./Middleware.ts"
import { makeOpenApiDocument } from "./OpenApiDocument.ts"
import { assetRoutes, makePageRoutes } from "./PageHandlers.ts"
import { Site } from "./PageRequest.ts"
import { makeProbeRoutes } from "./Probes.ts"
import { makeQueryCache } from "./QueryCache.ts"
import { queryHandlers } from "./QueryHandlers.ts"
import { signInRoutes, signOut } from "./SignIn.ts"

/** The maximum number of concurrent requests, excluding probes. */
const MAX_CONCURRENT = 64

/** Responds to one request. Never fails, and takes at most 20 s. */
export type HttpApp = (request: Request) => Effect.Effect<Response>

export const makeHttpApp = ({
  access,
  logs = () => null,
  pasteable = (text) => text,
  watchdog
}: Pick<typeof Site.Service, "access"> &
  Partial<typeof Site.Service> & { readonly watchdog: Watchdog }) =>
  Effect.gen(function* () {
    const site = { access, logs, pasteable }
    const limit = yield* limitConcurrency(MAX_CONCURRENT)
    const probes = yield* makeProbeRoutes(watchdog)
    const guarded = HttpRouter.concat(assetRoutes, signInRoutes).pipe(
      orElse(requireToken(yield* makeRoutes(site))),
      identify,
      limit
    )
    const app = probes.pipe(
      orElse(guarded),
      limitRequest,
      limitTime,
      answerErrors,
      finish,
      HttpRouter.withRouterConfig({ caseSensitive: true, ignoreDuplicateSlashes: false }),
      Effect.provideService(Site, site),
      Effect.provide(yield* Layer.build(HttpServer.layerContext))
    )
    // The library's web handler is not used, because it creates a span for every request.
    const answer: HttpApp = (request) =>
      app.pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(request)
        ),
        Effect.scoped,
        Effect.map((response) =>
          HttpServerResponse.toWeb(response, { withoutBody: request.method === "HEAD" })
        )
      )
    return answer
  })

/** Returns the routes that require the token on a public server. */
const makeRoutes = (site: typeof Site.Service) =>
  Effect.gen(function* () {
    const views = yield* makeQueryCache
    const scrape = yield* makeMetricsEndpoint
    const pages = yield* makePageRoutes(views)
    const handlers = Layer.mergeAll(queryHandlers(views), actionHandlers(views, site.access))
    const api = yield* HttpApiBuilder.Router.router.pipe(
      Effect.provide(
        yield* Layer.build(
          HttpApiBuilder.api(Api).pipe(
            Layer.provide(handlers),
            Layer.provideMerge(HttpApiBuilder.Router.Live)
          )
        )
      )
    )
    return HttpRouter.concatAll(pages, api).pipe(
      HttpRouter.get("/metrics", scrape),
      HttpRouter.get("/api/openapi.json", Effect.sync(openApi)),
      HttpRouter.post(RETRY_CAUSE, retryCause(views)),
      HttpRouter.post("/sign-out", signOut),
      // A caller without permission gets 403 even if the path does not exist.
      HttpRouter.post(
        "/api/*",
        Effect.zipRight(requireOperator(site.access), Effect.fail(notFound))
      )
    )
  })

const openApi = () =>
  HttpServerResponse.text(makeOpenApiDocument(), { contentType: "application/json" })
