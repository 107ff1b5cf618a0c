import { createClient } from "@supabase/supabase-js"
import { Effect, Layer, Predicate, Redacted } from "effect"
import type { Rpc } from "../Database/Rpc.ts"
import {
  callError,
  DEFAULT_CALL_TIMEOUT_MS,
  decodeAnswer,
  encodeArguments,
  MAX_ANSWER_BYTES,
  type RpcArguments
} from "../Database/RpcCall.ts"
import { explainVerdict, isKnownKind, judgeCode } from "../Database/SqlState.ts"
import { SupabaseError } from "../Domain/Errors.ts"
import { isBearer, keyKind, mayBeService } from "../Domain/SupabaseKey.ts"
import { traced } from "../Domain/Tracing.ts"
import { fetchWithin } from "../Http/BoundedFetch.ts"
import { Connections } from "../Http/Connections.ts"
import { asyncWithDeadline } from "../Http/Deadline.ts"
import { explainRejection, FetchFailure, isPermanent } from "../Http/FetchFailure.ts"
import type { ProxyOf } from "../Http/Proxy.ts"
import { Supabase } from "../Services/Supabase.ts"

export interface SupabaseSettings {
  /** `https://<project>.supabase.co`, without a path. */
  readonly url: string
  /** A secret key, or the legacy service_role key. */
  readonly key: Redacted.Redacted<string>
  readonly version: string
  /** The time limit for a call, in milliseconds; 30 s by default. */
  readonly timeoutMs?: number
  readonly proxyOf?: ProxyOf
}

/**
 * The part of a supabase-js client that this layer uses. If the result has an `abortSignal` method, the layer calls it. `args`
 * has the type `never`, so that clients with generated database types are accepted.
 */
export interface RpcClient {
  rpc(name: string, args: never): PromiseLike<unknown>
}

/**
 * Calls SQL functions with supabase-js, in Bun and Deno.
 *
 * *Fails with* SupabaseError (`Rejected`, `configuration`) if the URL or the key cannot be used.
 * *Guarantees*: never retries and never follows a redirect. Succeeds only with a decoded answer, because supabase-js does not
 * report an empty 404 or an empty 200 as an error. Interruption and the deadline close the connection, but a call that was
 * already sent might still commit.
 */
export const layer = (settings: SupabaseSettings): Layer.Layer<Supabase, SupabaseError> =>
  Layer.effect(
    Supabase,
    Effect.flatMap(Effect.clock, (clock) =>
      Effect.try({
        try: () => {
          const key = Redacted.value(settings.key)
          const connections = new Connections(() => clock.unsafeCurrentTimeMillis())
          const client = createClient(settings.url, key, {
            auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
            db: { retry: false },
            global: { fetch: apiFetch(key, settings, connections) }
          })
          return serve(client, settings.timeoutMs, adviceFor(key))
        },
        catch: (error) =>
          new SupabaseError({
            operation: "connect",
            reason: "Rejected",
            code: "configuration",
            detail: `the Supabase client could not be created: ${messageOf(error)}`
          })
      })
    )
  )

/** Uses the caller's own client, which can retry calls and follow redirects. The time limit for a call is 30 s by default. */
export const fromClient = (
  client: RpcClient,
  options: { readonly timeoutMs?: number } = {}
): Layer.Layer<Supabase> => Layer.succeed(Supabase, serve(client, options.timeoutMs, ""))

const serve = (
  client: RpcClient,
  timeoutMs = DEFAULT_CALL_TIMEOUT_MS,
  advice: string
): Supabase["Type"] => ({
  call: (rpc, args) =>
    Effect.flatMap(encodeArguments(rpc, args), (encoded) =>
      asyncWithDeadline<unknown, SupabaseError>({
        ms: timeoutMs,
        begin: (resume) => {
          const end = new AbortController()
          send(client, rpc.name, encoded, end.signal).then(
            (answer) => resume(Effect.succeed(answer)),
            // With throwOnError, a client throws the errors that it would otherwise return.
            (thrown) => resume(Effect.succeed({ data: null, error: thrown, status: 0 }))
          )
          return () => end.abort()
        },
        onTimeout: () =>
          Effect.fail(
            callError(rpc, "Ambiguous", "timeout", `no complete response within ${timeoutMs} ms`)
          )
      })
    ).pipe(
      Effect.flatMap((answer) => judge(rpc, answer, advice)),
      traced(rpc.name)
    )
})

const send = async (
  client: RpcClient,
  name: string,
  args: RpcArguments,
  signal: AbortSignal
): Promise<unknown> => {
  const builder: unknown = Reflect.apply(client.rpc, client, [name, args])
  if (Predicate.hasProperty(builder, "abortSignal") && Predicate.isFunction(builder.abortSignal)) {
    builder.abortSignal(signal)
  }
  return await builder
}

const judge = <A, R>(
  rpc: Rpc<A, R>,
  answer: unknown,
  advice: string
): Effect.Effect<R, SupabaseError> => {
  if (!Predicate.isRecord(answer)) return decodeAnswer(rpc, null)
  const { data, error } = answer
  const status = typeof answer.status === "number" ? answer.status : 0
  if (error === null || error === undefined) return decodeAnswer(rpc, data)
  const words = wordsOf(error)
  const failed =
    status === 0 && !isKnownKind(words.code) ? judgeTransport(words) : judgeAnswer(words, status)
  const detail = failed.reason === "Refused" ? `${failed.detail}${advice}` : failed.detail
  const { system } = failed
  const more =
    system === undefined || system === "" ? {} : { system, isPermanent: isPermanent(system) }
  return Effect.fail(callError(rpc, failed.reason, failed.code, detail, more))
}

interface Failed {
  readonly reason: SupabaseError["reason"]
  readonly code: string
  readonly detail: string
  readonly system?: string
}

/** Classifies an error response by its error code if PostgREST or PostgreSQL set the code, and otherwise by its HTTP status. */
const judgeAnswer = (words: Words, status: number): Failed => {
  const verdict = judgeCode(words.code, status, words.message)
  if (isKnownKind(words.code)) {
    return { reason: verdict.reason, code: words.code, detail: explainVerdict(verdict, words) }
  }
  const page = words.message
    .slice(0, 2000)
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ")
  const detail = explainVerdict(verdict, {
    message: `HTTP ${status} ${page.slice(0, 300)}`,
    hint: words.hint
  })
  return { reason: verdict.reason, code: String(status), detail }
}

/** Classifies a call without a response. supabase-js keeps only the name and the message of `fetchWithin`'s FetchFailure. */
const judgeTransport = (words: Words): Failed => {
  const ours = /^FetchFailure: (\w+): ([\s\S]*?)(?: \[([^\]]*)\])?$/.exec(words.message)
  const failure = ours
    ? { reason: ours[1], detail: ours[2] ?? "", system: ours[3] ?? "" }
    : explainForeign(words)
  const { detail, system } = failure
  switch (failure.reason) {
    case "NotSent":
      return {
        reason: "NotExecuted",
        code: "not_sent",
        detail: system === "" ? `nothing was sent: ${detail}` : detail,
        system
      }
    case "TooLarge":
      return { reason: "Malformed", code: "too_large", detail }
    case "Redirected":
      return {
        reason: "Malformed",
        code: "redirected",
        detail: `${detail}. SUPABASE_URL must be the project's own address`
      }
    default:
      return {
        reason: "Ambiguous",
        code: "no_answer",
        detail: system === "" ? `the connection was lost: ${detail}` : detail,
        system
      }
  }
}

/** Reassembles a runtime error from the fields that supabase-js keeps. */
const explainForeign = ({ code: own, message, detail }: Words) => {
  const text = message.replace(/^\w*(?:Error|Exception): /, "")
  const cause = /^Caused by: \w+: (.*)$/m.exec(detail)?.[1] ?? ""
  const code = /\bE[A-Z_]{4,}\b/.exec(`${own} ${text} ${cause}`)?.[0]
  return explainRejection(Object.assign(new Error(text, { cause: new Error(cause) }), { code }))
}

interface Words {
  readonly code: string
  readonly message: string
  readonly detail: string
  readonly hint: string
}

const wordsOf = (error: unknown): Words => {
  const text = (name: string) =>
    Predicate.hasProperty(error, name) && typeof error[name] === "string" ? error[name] : ""
  return {
    code: text("code"),
    message: messageOf(error),
    detail: text("details"),
    hint: text("hint")
  }
}

const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string"
    ? error.message
    : String(error)

const adviceFor = (key: string): string =>
  mayBeService(key)
    ? ""
    : `. SUPABASE_SECRET_KEY is ${keyKind(key) === "anon" ? "the anon" : "a publishable"} key`

/**
 * Returns the `fetch` for supabase-js. Removes secret and publishable keys from `Authorization`. Changes responses that
 * supabase-js would not recognise as failures.
 */
const apiFetch = (
  key: string,
  { proxyOf, version }: SupabaseSettings,
  connections: Connections
): typeof fetch => {
  const inner = fetchWithin({
    maxBytes: MAX_ANSWER_BYTES,
    userAgent: `sync-scheduler/${version}`,
    ...(proxyOf === undefined ? {} : { proxyOf })
  })
  const send = async (input: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    if (!isBearer(key)) headers.delete("authorization")
    const connection = connections.next()
    try {
      const response = await inner(input, { ...init, ...connection.init, headers })
      connection.answered()
      return response.ok ? response : asError(response)
    } catch (error) {
      if (isUnanswered(error)) connection.lost()
      throw error
    }
  }
  return Object.assign(send, { preconnect: inner.preconnect })
}

/** Returns true unless the error proves that the server still answers. An abort proves nothing. */
const isUnanswered = (error: unknown): boolean =>
  !(error instanceof FetchFailure) || error.reason === "Disconnected" || error.reason === "TimedOut"

/**
 * Wraps a body in a JSON object unless it already is one, because supabase-js treats a 404 with an empty body or an array as a
 * success.
 */
const asError = async (response: Response): Promise<Response> => {
  const body = await response.text()
  const { status, statusText, headers } = response
  const text = body.trimStart().startsWith("{") ? body : JSON.stringify({ message: body })
  return new Response(text, { status, statusText, headers })
}
