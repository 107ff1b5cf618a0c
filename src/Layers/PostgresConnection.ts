import { SQL } from "bun"
import { Effect, Exit, Option, type Scope } from "effect"
import type { PostgresUrl } from "../Domain/PostgresUrl.ts"
import type { RpcStatement } from "../Domain/RpcStatement.ts"
import { asyncWithin } from "../Http/Deadline.ts"

/** One connection, opened by the first statement and again after it was lost. Runs one statement at a time. */
export interface PostgresConnection {
  readonly run: (
    statement: RpcStatement,
    timeoutMs: number
  ) => Effect.Effect<ReadonlyArray<unknown>, StatementFailure>
}

/** A statement that gave no rows. */
export interface StatementFailure {
  readonly error: unknown
  /** False: the connection was never made, so the statement never left. */
  readonly sent: boolean
  /** The deadline passed; `error` is what came of the cancellation, undefined when nothing did. */
  readonly timedOut: boolean
  /** The server does not answer any more: the connection is of no use. */
  readonly hung: boolean
}

const CONNECT_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_S = 20
/** How long a cancelled statement may take to end. */
const CANCEL_GRACE_MS = 2_000

/**
 * A connection that is closed with its scope, its running statement with it.
 *
 * Everything is said explicitly, because Bun lets `PGDATABASE` and other variables of the environment change what a URL
 * leaves out. Startup parameters but application_name are refused by PgBouncer; named statements fail behind it.
 */
export const openConnection = (
  url: PostgresUrl,
  onHung: (connection: PostgresConnection) => Effect.Effect<void>
): Effect.Effect<PostgresConnection, never, Scope.Scope> =>
  Effect.gen(function* () {
    let isOpen = false
    let opened = 0
    const sql = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new SQL({
            url: `postgres://localhost/?sslmode=${url.sslMode}`,
            hostname: url.hostname,
            port: url.port,
            username: url.username,
            password: url.password,
            database: url.database,
            max: 1,
            prepare: false,
            connectionTimeout: (url.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1000,
            idleTimeout: IDLE_TIMEOUT_S,
            connection: { application_name: "sync-scheduler" },
            ...(url.rootCertificate === null ? {} : { tls: { ca: Bun.file(url.rootCertificate) } }),
            onconnect: () => {
              isOpen = true
              opened += 1
            },
            onclose: () => {
              isOpen = false
            }
          })
      ),
      (sql) => Effect.ignore(Effect.tryPromise(() => sql.close({ timeout: 0 })))
    )

    const run: PostgresConnection["run"] = (statement, timeoutMs) =>
      Effect.gen(function* () {
        const before = opened
        const wasOpen = isOpen
        const query = sql.unsafe<ReadonlyArray<unknown>>(statement.text, [...statement.parameters])
        const settled: Promise<Exit.Exit<ReadonlyArray<unknown>, unknown>> = query.then(
          Exit.succeed,
          Exit.fail
        )
        const answer = Effect.promise(() => settled)
        const failure = (error: unknown, timedOut: boolean, hung: boolean): StatementFailure => ({
          error,
          sent: wasOpen || opened > before,
          timedOut,
          hung
        })
        const cancel = Effect.sync(() => query.cancel()).pipe(
          Effect.zipRight(Effect.timeoutOption(Effect.interruptible(answer), CANCEL_GRACE_MS)),
          Effect.tap((last) => (Option.isNone(last) ? onHung(connection) : Effect.void))
        )
        const first = yield* asyncWithin<
          Option.Option<Exit.Exit<ReadonlyArray<unknown>, unknown>>,
          never
        >({
          ms: timeoutMs,
          begin: (resume) => {
            void settled.then((exit) => resume(Effect.succeed(Option.some(exit))))
            return () => {}
          },
          onTimeout: () => Effect.succeed(Option.none())
        }).pipe(Effect.onInterrupt(() => cancel))
        if (Option.isSome(first)) {
          return yield* Effect.mapError(first.value, (error) => failure(error, false, false))
        }
        const last = yield* Effect.uninterruptible(cancel)
        if (Option.isNone(last)) return yield* Effect.fail(failure(undefined, true, true))
        return yield* Effect.mapError(last.value, (error) => failure(error, true, false))
      })
    const connection: PostgresConnection = { run }
    return connection
  })
