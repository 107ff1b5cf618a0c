import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import { Effect, Layer } from "effect"
import { fetchWithin } from "../Http/BoundedFetch.ts"
import type { ProxyOf } from "../Http/Proxy.ts"

const SEND_WITHIN_MS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024
/** The maximum number of concurrent exports, each with up to a thousand spans in memory. Further exports are dropped. */
const MAX_CONCURRENT = 8

/**
 * The HTTP client for a telemetry collector. *Guarantees*: limits the time and memory of exports. Does not follow redirects,
 * because the headers might contain a secret. Logs only the first failure.
 */
export const layer = (collector: {
  readonly endpoint: string
  readonly version: string
  readonly proxyOf?: ProxyOf
}): Layer.Layer<HttpClient.HttpClient> => {
  const { proxyOf } = collector
  const fetching = fetchWithin({
    maxBytes: MAX_ANSWER_BYTES,
    timeoutMs: SEND_WITHIN_MS,
    userAgent: `sync-scheduler/${collector.version}`,
    ...(proxyOf === undefined ? {} : { proxyOf })
  })
  const guarded = Effect.map(HttpClient.HttpClient, guard(collector.endpoint))
  return Layer.effect(HttpClient.HttpClient, guarded).pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetching))
  )
}

const guard =
  (endpoint: string) =>
  (client: HttpClient.HttpClient): HttpClient.HttpClient => {
    let isReported = false
    let inFlight = 0
    const tell = (why: string) =>
      Effect.suspend(() => {
        if (isReported) return Effect.void
        isReported = true
        return Effect.logWarning(
          `Telemetry could not be sent to ${endpoint}: ${why}. Ticks are not affected. Sending is retried; further failures are not logged.`
        )
      })
    return HttpClient.transform(client, (sending, request) =>
      Effect.suspend(() => {
        // The exporter does not retry after an error with this reason.
        const full = new RequestError({
          request,
          reason: "Encode",
          description: "too many concurrent exports"
        })
        if (inFlight >= MAX_CONCURRENT) return Effect.fail(full)
        inFlight += 1
        return Effect.ensuring(
          sending,
          Effect.sync(() => (inFlight -= 1))
        )
      }).pipe(
        Effect.tap(({ status }) => (status < 400 ? Effect.void : tell(`HTTP ${status}`))),
        Effect.tapError((error) => tell(error.message))
      )
    )
  }
