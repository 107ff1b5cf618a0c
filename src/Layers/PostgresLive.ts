import { SQL } from "bun"
import { Effect, Either, Layer, Redacted } from "effect"
import { type PostgresUrl, parsePostgresUrl } from "../Database/ConnectionUrl.ts"
import { judgeDirect } from "../Database/DirectFailure.ts"
import type { Rpc } from "../Database/Rpc.ts"
import { callError, DEFAULT_CALL_TIMEOUT_MS, encodeArguments } from "../Database/RpcCall.ts"
import { decodeRowsOf, statementOf } from "../Database/RpcStatement.ts"
import { explainVerdict } from "../Database/SqlState.ts"
import { SupabaseError } from "../Domain/Errors.ts"
import { traced } from "../Domain/Tracing.ts"
import { Supabase } from "../Services/Supabase.ts"
import { openConnection, type StatementFailure } from "./PostgresConnection.ts"
import { makePool } from "./PostgresPool.ts"

/** The time limit for the DNS look-up that helps to explain a failed connection, in milliseconds. */
const LOOK_UP_MS = 2_000

export interface PostgresSettings {
  /** The value of `SUPABASE_DB_URL`. */
  readonly url: Redacted.Redacted<string>
  /** The time limit for a call, in milliseconds; 30 s by default. The wait for a connection has the same limit. */
  readonly timeoutMs?: number
  /**
   * The maximum number of connections; 4 by default, because a tick starts runs and records outcomes concurrently. Connections
   * open when needed and close after 20 s without use.
   */
  readonly connections?: number
}

/**
 * Calls SQL functions over PostgreSQL's own protocol, with Bun's client.
 *
 * *Fails with* SupabaseError (`Rejected`, `configuration`) if the URL cannot be used.
 * *Guarantees*: sends a call as one statement in one message, so that transaction poolers work. Asks the server to cancel the
 * statement if the deadline passes or the call is interrupted. Replaces a connection whose server no longer responds.
 */
export const layer = (settings: PostgresSettings): Layer.Layer<Supabase, SupabaseError> =>
  Layer.scoped(
    Supabase,
    Effect.gen(function* () {
      const url = yield* Either.mapLeft(parsePostgresUrl(Redacted.value(settings.url)), unusable)
      const timeoutMs = settings.timeoutMs ?? DEFAULT_CALL_TIMEOUT_MS
      const pool = yield* makePool(settings.connections ?? 4, (onHung) =>
        openConnection(url, onHung)
      )
      return Supabase.of({
        call: (rpc, args) =>
          Effect.flatMap(encodeArguments(rpc, args), (encoded) => {
            const statement = statementOf(rpc, encoded)
            return pool.use({
              kind: rpc.name,
              withinMs: timeoutMs,
              onTimeout: () =>
                callError(rpc, "NotExecuted", "no_connection", "all connections were in use"),
              call: (connection) =>
                Effect.catchAll(connection.run(statement, timeoutMs), (failure) =>
                  Effect.flip(explain(rpc, failure, url))
                )
            })
          }).pipe(
            Effect.flatMap((rows) => decodeRowsOf(rpc, rows)),
            traced(rpc.name)
          )
      })
    })
  )

const unusable = (why: string): SupabaseError =>
  new SupabaseError({
    operation: "connect",
    reason: "Rejected",
    code: "configuration",
    detail: `SUPABASE_DB_URL cannot be used: ${why}`
  })

const explain = (
  rpc: Pick<Rpc<never, never>, "name" | "readOnly">,
  { error, sent, timedOut }: StatementFailure,
  url: PostgresUrl
): Effect.Effect<SupabaseError> =>
  Effect.gen(function* () {
    if (error === undefined) {
      const detail = `${url.hostname}:${url.port} did not answer in time`
      return callError(rpc, "Ambiguous", "timeout", detail)
    }
    const words = error instanceof Error ? error : { message: String(error) }
    const code = codeOf(error)
    const addresses = sent ? null : yield* addressesOf(url.hostname)
    const verdict = judgeDirect({ code, message: words.message, sent, addresses }, url)
    // A message from the server states the cause. The verdict replaces the driver's own messages, because it is more precise.
    const isOfDriver = /^ERR_POSTGRES|^unknown$/.test(code)
    const detail = isOfDriver
      ? verdict.why
      : explainVerdict(verdict, {
          message: words.message,
          ...(error instanceof SQL.PostgresError ? { detail: error.detail, hint: error.hint } : {})
        })
    const whole = timedOut ? `the server did not answer in time; ${detail}` : detail
    return callError(rpc, verdict.reason, code, whole, {
      ...(verdict.hint === null ? {} : { hint: verdict.hint }),
      ...(isOfDriver ? { system: words.message } : {}),
      isPermanent: verdict.isPermanent
    })
  })

/** Returns the addresses of a host; empty if it has none, and null if the look-up fails or takes too long. */
const addressesOf = (hostname: string): Effect.Effect<ReadonlyArray<string> | null> =>
  hostname.startsWith("/")
    ? Effect.succeed(null)
    : Effect.tryPromise(async () => {
        const { lookup } = await import("node:dns/promises")
        return lookup(hostname, { all: true })
      }).pipe(
        Effect.map((found) => found.map(({ address }) => address)),
        Effect.catchAll(({ error }) => Effect.succeed(isUnknownHost(error) ? [] : null)),
        Effect.timeoutTo({ duration: LOOK_UP_MS, onSuccess: (all) => all, onTimeout: () => null })
      )

const isUnknownHost = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOTFOUND"

/** Returns the SQLSTATE in `errno` or, if there is none, the code of Bun's client. */
const codeOf = (error: unknown): string => {
  if (error instanceof SQL.PostgresError) return error.errno ?? error.code
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "unknown"
}
