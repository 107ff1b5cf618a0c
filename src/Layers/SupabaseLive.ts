import { createClient } from "@supabase/supabase-js"
import { Effect, Layer, Predicate, Redacted } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"
import { explainVerdict, isKnownKind, judgeCode } from "../Domain/PostgresCode.ts"
import type { Rpc } from "../Domain/Rpc.ts"
import {
  callError,
  DEFAULT_CALL_TIMEOUT_MS,
  decodeAnswer,
  encodeArguments,
  MAX_ANSWER_BYTES,
  type RpcArguments
} from "../Domain/RpcCall.ts"
import { isBearer, keyKind, mayBeService } from "../Domain/SupabaseKey.ts"
import { traced } from "../Domain/Tracing.ts"
import { fetchWithin } from "../Http/BoundedFetch.ts"
import { asyncWithin } from "../Http/Deadline.ts"
import { explainRejection } from "../Http/FetchFailure.ts"
import { Supabase } from "../Services/Supabase.ts"

/** A Supabase project, over its Data API. */
export interface SupabaseSettings {
  /** `https://<project>.supabase.co`, without a path. */
  readonly url: string
  /** A secret key, or the legacy service_role key. */
  readonly key: Redacted.Redacted<string>
  /** Of Sync Scheduler, for the User-Agent. */
  readonly version: string
  /** From the call to the last byte of the answer, in milliseconds (30 s). */
  readonly timeoutMs?: number
}

/**
 * What is needed of a supabase-js client: `rpc`, whose answer is awaited. `abortSignal` is used where it is there. The
 * arguments are `never` so that a client fits whose types know only its owner's functions (`supabase gen types`).
 */
export interface RpcClient {
  rpc(name: string, args: never): PromiseLike<unknown>
}

/**
 * Calls SQL functions with supabase-js. Runs in Bun and in Deno.
 *
 * *Fails with* SupabaseError (`Rejected`, `configuration`) when the URL or the key cannot be used. *Guarantees*: no
 * retry and no redirect; interruption and the deadline close the connection, though what was sent may still commit;
 * success is a decoded answer, because supabase-js reports an empty 404 and an empty 200 without an error.
 */
export const layer = (settings: SupabaseSettings): Layer.Layer<Supabase, SupabaseError> =>
  Layer.effect(
    Supabase,
    Effect.try({
      try: () => {
        const key = Redacted.value(settings.key)
        const client = createClient(settings.url, key, {
          auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
          db: { retry: false },
          global: { fetch: apiFetch(key, settings.version) }
        })
        return serve(client, settings.timeoutMs, adviceFor(key))
      },
      catch: (error) =>
        new SupabaseError({
          operation: "connect",
          reason: "Rejected",
          code: "configuration",
          detail: `the Supabase client cannot be made: ${messageOf(error)}`
        })
    })
  )

/**
 * The same over somebody's own client, as it is configured: its retries, redirects and limits are its owner's matter.
 * A call is bounded in time all the same (30 s).
 */
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
      asyncWithin<unknown, SupabaseError>({
        ms: timeoutMs,
        begin: (resume) => {
          const end = new AbortController()
          send(client, rpc.name, encoded, end.signal).then(
            (answer) => resume(Effect.succeed(answer)),
            // A client with throwOnError throws what others return.
            (thrown) => resume(Effect.succeed({ data: null, error: thrown, status: 0 }))
          )
          return () => end.abort()
        },
        onTimeout: () =>
          Effect.fail(
            callError(rpc, "Ambiguous", "timeout", `no whole answer within ${timeoutMs} ms`)
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

const judge = <A, AI, R, RI>(
  rpc: Rpc<A, AI, R, RI>,
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
  return Effect.fail(callError(rpc, failed.reason, failed.code, detail))
}

interface Failed {
  readonly reason: SupabaseError["reason"]
  readonly code: string
  readonly detail: string
}

/** An answer came. Its code counts, where it is PostgREST's or PostgreSQL's; else its status. */
const judgeAnswer = (words: Words, status: number): Failed => {
  const verdict = judgeCode(words.code, status)
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

/** No answer came. Ours says so in the form of FetchFailure, of which supabase-js keeps name and message. */
const judgeTransport = (words: Words): Failed => {
  const ours = /^FetchFailure: (\w+): ([\s\S]*)$/.exec(words.message)
  const failure = ours ? { reason: ours[1], detail: ours[2] ?? "" } : explainForeign(words)
  switch (failure.reason) {
    case "NotSent":
      return {
        reason: "NotExecuted",
        code: "not_sent",
        detail: `nothing was sent: ${failure.detail}`
      }
    case "TooLarge":
      return { reason: "Malformed", code: "too_large", detail: failure.detail }
    case "Redirected":
      return {
        reason: "Malformed",
        code: "redirected",
        detail: `${failure.detail}. SUPABASE_URL must be the project's own address`
      }
    default:
      return {
        reason: "Ambiguous",
        code: "no_answer",
        detail: `the connection was lost: ${failure.detail}`
      }
  }
}

/** The text of a runtime's own rejection, put together again from what supabase-js keeps of it. */
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

/** Keeps the new kinds of keys out of `Authorization`, and makes every failure look like one to supabase-js. */
const apiFetch = (key: string, version: string): typeof fetch => {
  const inner = fetchWithin({
    maxBytes: MAX_ANSWER_BYTES,
    userAgent: `sync-scheduler/${version}`
  })
  const send = async (input: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    if (!isBearer(key)) headers.delete("authorization")
    const response = await inner(input, { ...init, headers })
    return response.ok ? response : asError(response)
  }
  return Object.assign(send, { preconnect: inner.preconnect })
}

/** supabase-js takes a 404 with an empty body, or with an array, for a success. */
const asError = async (response: Response): Promise<Response> => {
  const body = await response.text()
  const { status, statusText, headers } = response
  const text = body.trimStart().startsWith("{") ? body : JSON.stringify({ message: body })
  return new Response(text, { status, statusText, headers })
}
