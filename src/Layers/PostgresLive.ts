import { SQL } from "bun"
import { Effect, Either, Layer, Redacted } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"
import { explainVerdict, isKnownKind, judgeCode } from "../Domain/PostgresCode.ts"
import { parsePostgresUrl } from "../Domain/PostgresUrl.ts"
import type { Rpc } from "../Domain/Rpc.ts"
import { callError, DEFAULT_CALL_TIMEOUT_MS, encodeArguments } from "../Domain/RpcCall.ts"
import { decodeRowsOf, statementOf } from "../Domain/RpcStatement.ts"
import { traced } from "../Domain/Tracing.ts"
import { Supabase } from "../Services/Supabase.ts"
import { openConnection, type StatementFailure } from "./PostgresConnection.ts"
import { makePool } from "./PostgresPool.ts"

/** A direct connection to the database, or one through a pooler in transaction or session mode. */
export interface PostgresSettings {
  /** `SUPABASE_DB_URL`; what it may say, see Domain/PostgresUrl. */
  readonly url: Redacted.Redacted<string>
  /** From having a connection to the whole answer, in milliseconds (30 s); as long again to get a connection. */
  readonly timeoutMs?: number
  /** Connections at most (4): a tick overlaps starts and settlements. Opened when needed, closed after 20 s idle. */
  readonly connections?: number
}

/**
 * Calls SQL functions over PostgreSQL's own protocol, with Bun's client. Nothing is connected before the first call.
 *
 * *Fails with* SupabaseError (`Rejected`, `configuration`) when the URL cannot be used. *Guarantees*: a call is one
 * statement in one message, which a transaction pooler can carry; at the deadline and on interruption the server is
 * told to cancel it; a connection whose server does not answer any more is replaced.
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
      const server = `${url.hostname}:${url.port}`
      return Supabase.of({
        call: (rpc, args) =>
          Effect.flatMap(encodeArguments(rpc, args), (encoded) => {
            const statement = statementOf(rpc, encoded)
            return pool.use({
              withinMs: timeoutMs,
              onTimeout: () =>
                callError(rpc, "NotExecuted", "no_connection", "all connections were in use"),
              call: (connection) =>
                Effect.mapError(connection.run(statement, timeoutMs), (failure) =>
                  explain(rpc, failure, server)
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
  rpc: Pick<Rpc<never, never, never, never>, "name" | "readOnly">,
  failure: StatementFailure,
  server: string
): SupabaseError => {
  const { error, sent, timedOut } = failure
  if (error === undefined) {
    return callError(rpc, "Ambiguous", "timeout", `${server} gave no answer in time`)
  }
  const words = error instanceof Error ? error : { message: String(error) }
  const code = codeOf(error)
  const verdict = isKnownKind(code) ? judgeCode(code, 0) : judgeDriver(code, server, sent)
  const reason = verdict.reason === "Ambiguous" && !sent ? "NotExecuted" : verdict.reason
  const detail = explainVerdict(verdict, {
    message: words.message,
    ...(error instanceof SQL.PostgresError ? { detail: error.detail, hint: error.hint } : {})
  })
  return callError(rpc, reason, code, timedOut ? `no answer in time; ${detail}` : detail)
}

/** Errors of Bun's own: the SQLSTATE is in `errno`, where there is one. */
const codeOf = (error: unknown): string => {
  if (error instanceof SQL.PostgresError) return error.errno ?? error.code
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "unknown"
}

const judgeDriver = (code: string, server: string, sent: boolean) =>
  /AUTHENTICATION|SASL|CHANNEL_BINDING/.test(code)
    ? { reason: "Refused" as const, why: `${server} did not accept the password` }
    : {
        reason: "Ambiguous" as const,
        why: sent ? `the connection to ${server} was lost` : `could not connect to ${server}`
      }
