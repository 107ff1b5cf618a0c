import { Effect, Layer, Redacted } from "effect"
import { NotifyError } from "../Domain/Errors.ts"
import { boundedFetch } from "../Http/BoundedFetch.ts"
import type { ProxyOf } from "../Http/Proxy.ts"
import { Ping, type PingSignal } from "../Services/Ping.ts"

const MAX_ANSWER_BYTES = 16 * 1024
/** The time limit for a ping, in milliseconds. A late ping is useless. */
const TIMEOUT_MS = 5_000
/** The maximum length of a ping's body, in characters. Healthchecks keeps the first 100 kB. */
const MAX_BODY_CHARACTERS = 10_000

/** Settings of the dead man's switch. If the switch is not configured, `url` is null. */
export interface PingOptions {
  readonly url: Redacted.Redacted<string> | null
  readonly version: string
  readonly timeoutMs?: number
  readonly proxyOf?: ProxyOf
}

/**
 * Sends each signal as a POST request, in the Healthchecks protocol. Appends `/start` or `/fail` to the URL for the signal of
 * that name. The parameter `rid` is the tick's id.
 * *Source*: https://healthchecks.io/docs/http_api/.
 */
export const layer = ({ proxyOf, timeoutMs, url, version }: PingOptions): Layer.Layer<Ping> =>
  Layer.succeed(Ping, {
    isConfigured: url !== null,
    send: Effect.fn("Ping.send", { kind: "client" })(function* (signal, tickId, body) {
      if (url === null) return
      const answer = yield* boundedFetch(
        urlOf(Redacted.value(url), signal, tickId),
        {
          method: "POST",
          headers: { "content-type": "text/plain; charset=utf-8" },
          body: body.slice(0, MAX_BODY_CHARACTERS)
        },
        {
          maxBytes: MAX_ANSWER_BYTES,
          timeoutMs: timeoutMs ?? TIMEOUT_MS,
          userAgent: `sync-scheduler/${version}`,
          ...(proxyOf === undefined ? {} : { proxyOf })
        }
      ).pipe(
        Effect.mapError(({ detail, reason }) =>
          refusal(
            reason === "NotSent" || reason === "TimedOut" ? reason : "Refused",
            detail.replaceAll(/https?:\/\/\S+/g, "the receiver")
          )
        )
      )
      if (answer.status >= 200 && answer.status < 300) return
      return yield* refusal("Refused", `answered ${answer.status}`)
    })
  })

const urlOf = (base: string, signal: PingSignal, tickId: string): URL => {
  const url = new URL(base)
  if (signal !== "ok") url.pathname = `${url.pathname.replace(/\/+$/, "")}/${signal}`
  url.searchParams.set("rid", tickId)
  return url
}

const refusal = (reason: NotifyError["reason"], detail: string): NotifyError =>
  new NotifyError({ reason, detail, retryAfterMs: null })
