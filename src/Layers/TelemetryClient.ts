import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import { Effect, Layer } from "effect"
import { fetchWithin } from "../Http/BoundedFetch.ts"

/** One request to the collector, at most. */
const SEND_WITHIN_MS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024
/** Requests under way; each holds up to a thousand spans in memory. What is beyond is dropped. */
const MAX_AT_ONCE = 8

/**
 * The way to a collector. *Guarantees*: bounded in time and memory; redirects are not followed, because the headers may be
 * secret; the first failure is told, and no other.
 */
export const layer = (collector: {
  readonly endpoint: string
  readonly version: string
}): Layer.Layer<HttpClient.HttpClient> => {
  const fetching = fetchWithin({
    maxBytes: MAX_ANSWER_BYTES,
    timeoutMs: SEND_WITHIN_MS,
    userAgent: `sync-scheduler/${collector.version}`
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
    let isTold = false
    let atOnce = 0
    const tell = (why: string) =>
      Effect.suspend(() => {
        if (isTold) return Effect.void
        isTold = true
        return Effect.logWarning(
          `Telemetry could not be sent to ${endpoint}: ${why}. Ticks are not affected; it is tried again, without another word.`
        )
      })
    return HttpClient.transform(client, (sending, request) =>
      Effect.suspend(() => {
        // Of this reason none is tried again.
        const full = new RequestError({
          request,
          reason: "Encode",
          description: "too much at once"
        })
        if (atOnce >= MAX_AT_ONCE) return Effect.fail(full)
        atOnce += 1
        return Effect.ensuring(
          sending,
          Effect.sync(() => (atOnce -= 1))
        )
      }).pipe(
        Effect.tap(({ status }) => (status < 400 ? Effect.void : tell(`HTTP ${status}`))),
        Effect.tapError((error) => tell(error.message))
      )
    )
  }
