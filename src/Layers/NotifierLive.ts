import { Clock, Effect, Layer, Redacted } from "effect"
import type { Settings } from "../Config.ts"
import type { AlertMessage } from "../Domain/Alert.ts"
import { NotifyError } from "../Domain/Errors.ts"
import { tidyMessage } from "../Domain/Message.ts"
import { readRetryAfter } from "../Domain/Retry.ts"
import { parseUrl } from "../Domain/Url.ts"
import { type BoundedAnswer, boundedFetch, type FetchFailure } from "../Http/BoundedFetch.ts"
import type { ProxyOf } from "../Http/Proxy.ts"
import { Notifier } from "../Services/Notifier.ts"
import { cloudEventOf } from "./AlertCloudEvent.ts"
import { slackMessageOf } from "./AlertSlack.ts"
import { signatureOf } from "./WebhookSignature.ts"

const MAX_ANSWER_BYTES = 16 * 1024
const TIMEOUT_MS = 10_000

export interface NotifierOptions {
  /** The receiver's URL; null to send no alerts. */
  readonly url: Redacted.Redacted<string> | null
  /** The secret that signs messages; null for unsigned messages. Slack does not support signatures. */
  readonly secret: Redacted.Redacted<string> | null
  readonly format: Settings["alertFormat"]
  /** The project's URL, which is the `source` attribute of a CloudEvent. */
  readonly source: string
  readonly version: string
  /** The time limit for sending a message, in milliseconds; 10 s by default. */
  readonly timeoutMs?: number
  readonly proxyOf?: ProxyOf
}

/** Sends alerts by POST. Does not follow redirects, because a redirect would send the alert to another server. */
export const layer = (options: NotifierOptions): Layer.Layer<Notifier> => {
  const { proxyOf, url } = options
  if (url === null) {
    return Layer.succeed(Notifier, { channel: null, send: () => Effect.void })
  }
  const channel = channelOf(Redacted.value(url), options.format)
  const encode = channel === "slack" ? encodeSlack : encodeCloudEvent
  return Layer.succeed(Notifier, {
    channel,
    send: Effect.fn("Notifier.send", { kind: "client" })(function* (message) {
      const { body, headers } = yield* encode(message, options)
      const answer = yield* boundedFetch(
        Redacted.value(url),
        { method: "POST", headers, body },
        {
          maxBytes: MAX_ANSWER_BYTES,
          timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
          userAgent: `sync-scheduler/${options.version}`,
          ...(proxyOf === undefined ? {} : { proxyOf })
        }
      ).pipe(Effect.mapError(toNotifyError))
      yield* requireTaken(answer)
    })
  })
}

const SLACK = /^hooks\.slack(?:-gov)?\.com$/

const channelOf = (url: string, format: Settings["alertFormat"]): "cloudevents" | "slack" => {
  if (format !== "auto") return format
  return SLACK.test(parseUrl(url)?.hostname ?? "") ? "slack" : "cloudevents"
}

interface Encoded {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const encodeSlack = (message: AlertMessage): Effect.Effect<Encoded> =>
  Effect.sync(() => ({
    body: JSON.stringify(slackMessageOf(message)),
    headers: { "content-type": "application/json; charset=utf-8" }
  }))

const encodeCloudEvent = (
  message: AlertMessage,
  { secret, source }: NotifierOptions
): Effect.Effect<Encoded> =>
  Effect.gen(function* () {
    const event = yield* Effect.promise(() => cloudEventOf(message, source))
    const body = JSON.stringify(event)
    const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
    const headers = {
      "content-type": "application/cloudevents+json; charset=utf-8",
      "webhook-id": event.id,
      "webhook-timestamp": String(timestamp)
    }
    if (secret === null) return { body, headers }
    const signature = yield* Effect.promise(() =>
      signatureOf(Redacted.value(secret), { id: event.id, timestamp, body })
    )
    return { body, headers: { ...headers, "webhook-signature": signature } }
  })

/** Omits the URL from the text, because the URL might contain a key. */
const toNotifyError = ({ detail, reason }: FetchFailure): NotifyError =>
  new NotifyError({
    reason: reason === "NotSent" || reason === "TimedOut" ? reason : "Refused",
    detail: tidyMessage(detail.replaceAll(/https?:\/\/\S+/g, "the receiver")),
    retryAfterMs: null
  })

const requireTaken = ({ body, headers, status }: BoundedAnswer): Effect.Effect<void, NotifyError> =>
  Effect.gen(function* () {
    if (status >= 200 && status < 300) return
    const now = yield* Clock.currentTimeMillis
    const said = tidyMessage(new TextDecoder().decode(body.slice(0, 300)))
    const isRedirect = status >= 300 && status < 400
    return yield* new NotifyError({
      reason: "Refused",
      detail: isRedirect
        ? `answered ${status}, a redirect, which is not followed`
        : `answered ${status}${said === "" ? "" : `: ${said}`}`,
      retryAfterMs: readRetryAfter(headers.get("retry-after"), headers.get("date"), now)
    })
  })
