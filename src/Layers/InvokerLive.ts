import { Duration, Effect, Either, Layer, Redacted } from "effect"
import { InvokeError } from "../Domain/Errors.ts"
import { functionAt, refusalOf, refused } from "../Domain/FunctionAccess.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { format } from "../Domain/Instant.ts"
import { type Answer, judge } from "../Domain/Outcome.ts"
import type { Invocation } from "../Domain/Run.ts"
import { annotateTraced, traced, tracedSpan } from "../Domain/Tracing.ts"
import { parseUrl } from "../Domain/Url.ts"
import { type BoundedAnswer, boundedFetch, type FetchFailure } from "../Http/BoundedFetch.ts"
import type { ProxyOf } from "../Http/Proxy.ts"
import { Invoker, type WarmUp } from "../Services/Invoker.ts"

const MAX_ANSWER_BYTES = 64 * 1024
const WARM_UP_TIMEOUT_MS = 10_000
const MAX_URLS = 1_000

export interface InvokerOptions {
  /** The default function's URL: `https://<ref>.supabase.co/functions/v1/integration-sync`. */
  readonly functionUrl: string
  /** The names of other functions that runs can invoke; none by default. */
  readonly allowed?: ReadonlyArray<string> | undefined
  /** A secret key (`sb_secret_...`), or a legacy JWT. */
  readonly key: Redacted.Redacted
  readonly version: string
  readonly proxyOf?: ProxyOf
}

/**
 * Invokes the Integration Edge Functions with `fetch`, in Bun and Deno. An invocation is one POST request and is never repeated.
 * In Bun, each invocation uses its own connection, because a broken keep-alive connection would leave the outcome unknown.
 */
export const layer = (options: InvokerOptions): Layer.Layer<Invoker> => {
  const request = makeRequest(options)
  const access = { configured: functionAt(options.functionUrl), allowed: options.allowed ?? [] }
  return Layer.succeed(Invoker, {
    invoke: (invocation) => {
      const { functionName, run, timeoutMs } = invocation
      const refusal = refusalOf(functionName, access)
      if (refusal !== null) return Effect.succeed(refused(refusal))
      const answered = Effect.flatMap(traceparent, (parent) =>
        request(functionName, {
          method: "POST",
          body: JSON.stringify(toBody(invocation)),
          timeoutMs,
          headers: {
            "Content-Type": "application/json",
            "Idempotency-Key": run.idempotency_key,
            "x-sync-run-id": run.run_id,
            traceparent: parent
          }
        })
      )
      return Effect.clockWith((clock) =>
        Effect.flatMap(answered, (answer) => {
          const outcome = judge(toAnswer(answer), clock.unsafeCurrentTimeMillis())
          const came = annotateTraced(() => ({
            "http.response.status_code": outcome.httpStatus,
            ...("code" in outcome ? { "error.type": outcome.code } : {})
          }))
          return Effect.as(came, outcome)
        })
      ).pipe(
        traced("Invoker.invoke", () => ({
          kind: "client",
          attributes: {
            "http.request.method": "POST",
            "faas.invoked_name": functionName ?? access.configured,
            "sync.run_id": run.run_id,
            "sync.attempt": run.attempt
          }
        }))
      )
    },
    warmUp: Effect.fn("Invoker.warmUp", { kind: "client" })(function* (functionName) {
      const refusal = refusalOf(functionName, access)
      if (refusal !== null) {
        return { latencyMs: 0, ok: false, cold: null, detail: refusal, isRefused: true }
      }
      const contact = request(functionName, {
        method: "OPTIONS",
        body: null,
        timeoutMs: WARM_UP_TIMEOUT_MS,
        headers: { traceparent: yield* traceparent }
      })
      const [took, result] = yield* Effect.timed(Effect.either(contact))
      return toWarmUp(Duration.toMillis(took), result)
    })
  })
}

interface Request {
  readonly method: "POST" | "OPTIONS"
  readonly body: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

const makeRequest = ({ functionUrl, key, proxyOf, version }: InvokerOptions) => {
  const bounds = {
    maxBytes: MAX_ANSWER_BYTES,
    userAgent: `sync-scheduler/${version}`,
    ...(proxyOf === undefined ? {} : { proxyOf })
  }
  const urls = new Map<string | null, Effect.Effect<URL, InvokeError>>()
  const urlFor = (name: string | null) => {
    const known = urls.get(name)
    if (known !== undefined) return known
    const url = urlOf(functionUrl, name)
    if (urls.size < MAX_URLS) urls.set(name, url)
    return url
  }
  // Requests uncompressed responses, so that the byte limit also limits memory.
  const always = { ...keyHeaders(Redacted.value(key)), "Accept-Encoding": "identity" }
  return (
    functionName: string | null,
    { method, body, headers, timeoutMs }: Request
  ): Effect.Effect<BoundedAnswer, InvokeError> =>
    Effect.flatMap(urlFor(functionName), (url) =>
      Effect.mapError(
        boundedFetch(
          url,
          { method, body, headers: { ...headers, ...always }, keepalive: false },
          { ...bounds, timeoutMs }
        ),
        toInvokeError(`${method} ${url.origin}${url.pathname}`)
      )
    )
}

/**
 * Returns a function's URL. The function's name replaces the last path segment of `functionUrl`.
 * *Fails with* InvokeError `NotSent` if the URL or the name is invalid. A valid name cannot change the host or the other path
 * segments.
 */
export const urlOf = (
  functionUrl: string,
  functionName: string | null
): Effect.Effect<URL, InvokeError> => {
  const url = parseUrl(functionUrl)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const detail = "The function's URL is not an http(s) URL. Check SYNC_SCHEDULER_FUNCTION_URL."
    return Effect.fail(new InvokeError({ reason: "NotSent", detail }))
  }
  if (functionName === null) return Effect.succeed(url)
  if (!/^[A-Za-z0-9_-]+$/.test(functionName)) {
    const detail =
      "The integration's function_name is not a valid function name (letters, digits, - and _)."
    return Effect.fail(new InvokeError({ reason: "NotSent", detail }))
  }
  url.pathname = url.pathname.replace(/[^/]*\/*$/, functionName)
  return Effect.succeed(url)
}

/** Only a legacy JWT is sent as a Bearer token as well. The platform rejects any other Bearer token. */
const keyHeaders = (key: string): Record<string, string> =>
  key.startsWith("eyJ") ? { apikey: key, Authorization: `Bearer ${key}` } : { apikey: key }

const toBody = ({ deadline, isTrial, run }: Invocation) => ({
  run_id: run.run_id,
  org_id: run.org_id,
  integration_id: run.integration_id,
  integration_type: run.integration_type,
  scheduled_for: format(run.scheduled_for),
  attempt: run.attempt,
  idempotency_key: run.idempotency_key,
  trigger: isTrial ? "trial" : run.trigger,
  lease_token: run.lease_token,
  deadline: format(deadline),
  config: run.config
})

const toAnswer = ({ status, headers, body, truncated }: BoundedAnswer): Answer => ({
  status,
  headers,
  body: new TextDecoder().decode(body),
  truncated
})

const toInvokeError =
  (what: string) =>
  ({ reason, detail }: FetchFailure): InvokeError =>
    new InvokeError({
      reason: reason === "NotSent" || reason === "TimedOut" ? reason : "Disconnected",
      detail: `${detail} (${what})`
    })

const toWarmUp = (latencyMs: number, contact: Either.Either<BoundedAnswer, InvokeError>): WarmUp =>
  Either.match(contact, {
    onLeft: ({ detail }) => ({ latencyMs, ok: false, cold: null, detail }),
    onRight: ({ status, headers }) => {
      const platformCode = headers.get("sb-error-code")
      const cold = headers.get("x-sync-cold")
      return {
        latencyMs,
        ok: status < 500 && platformCode !== "BOOT_ERROR",
        cold: cold === "1" ? true : cold === "0" ? false : null,
        detail: status < 400 ? null : `HTTP ${status}${platformCode ? ` ${platformCode}` : ""}`,
        answer: { status, platformCode }
      }
    }
  })

/**
 * The current span in W3C format. Without a tracer, each request gets a new trace id, because the platform limits the number of
 * requests per trace id.
 * *Source*: W3C Trace Context, section 3.2.
 */
const traceparent: Effect.Effect<string> = Effect.flatMap(tracedSpan, (span) => {
  if (span !== null) {
    const { traceId, spanId, sampled } = span
    const text = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
    if (/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/.test(text)) return Effect.succeed(text)
  }
  return Effect.map(IdGenerator, (token) => {
    const hex = `${token.next()}${token.next()}`.replaceAll("-", "")
    return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-00`
  })
})
