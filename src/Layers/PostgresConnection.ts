import { SQL } from "bun"
import { Effect, type Exit, Option, type Scope } from "effect"
import type { PostgresUrl } from "../Database/ConnectionUrl.ts"
import type { RpcStatement } from "../Database/RpcStatement.ts"
import { asyncWithDeadline } from "../Http/Deadline.ts"
import { type ConnectionState, makeSender } from "./PostgresStatement.ts"

/** A connection that runs one statement at a time. If the connection is closed, the next statement opens it. */
export interface PostgresConnection {
  readonly run: (
    statement: RpcStatement,
    timeoutMs: number
  ) => Effect.Effect<ReadonlyArray<unknown>, StatementFailure>
}

export interface StatementFailure {
  readonly error: unknown
  /** Whether the statement might have been sent. False if no connection could be made. */
  readonly sent: boolean
  /**
   * Whether the deadline passed. If so, `error` is the error of the cancelled statement, or undefined if the server did not
   * respond.
   */
  readonly timedOut: boolean
}

const CONNECT_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_S = 20
/** How long a cancelled statement can take to end, in milliseconds. */
const CANCEL_GRACE_MS = 2_000

/**
 * Creates a connection. When the scope closes, the connection is closed, even if a statement is running.
 *
 * Sets every option explicitly, because Bun reads missing options from environment variables such as `PGDATABASE`. Uses no named
 * statements and no startup parameter except application_name, because PgBouncer would reject them.
 */
export const openConnection = (
  url: PostgresUrl,
  onHung: (connection: PostgresConnection) => Effect.Effect<void>
): Effect.Effect<PostgresConnection, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: ConnectionState = { isOpen: false, opened: 0 }
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
            ...tlsOf(url),
            onconnect: () => {
              state.isOpen = true
              state.opened += 1
            },
            onclose: () => {
              state.isOpen = false
            }
          })
      ),
      (sql) => Effect.ignore(Effect.tryPromise(() => sql.close({ timeout: 0 })))
    )

    const send = makeSender(sql, state)

    const run: PostgresConnection["run"] = (statement, timeoutMs) =>
      Effect.gen(function* () {
        const { cancel: end, isSent, settled } = send(statement)
        const answer = Effect.promise(() => settled)
        const failure = (error: unknown, timedOut: boolean): StatementFailure => ({
          error,
          sent: isSent(),
          timedOut
        })
        const cancel = Effect.sync(end).pipe(
          Effect.zipRight(Effect.timeoutOption(Effect.interruptible(answer), CANCEL_GRACE_MS)),
          Effect.tap((last) => (Option.isNone(last) ? onHung(connection) : Effect.void))
        )
        const first = yield* asyncWithDeadline<
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
          return yield* Effect.mapError(first.value, (error) => failure(error, false))
        }
        const last = yield* Effect.uninterruptible(cancel)
        if (Option.isNone(last)) return yield* Effect.fail(failure(undefined, true))
        return yield* Effect.mapError(last.value, (error) => failure(error, true))
      })
    const connection: PostgresConnection = { run }
    return connection
  })

/** As in libpq, `prefer` and `require` do not verify the certificate. */
const tlsOf = ({ rootCertificate, sslMode }: PostgresUrl) =>
  sslMode === "verify-ca" || sslMode === "verify-full"
    ? {
        tls: {
          rejectUnauthorized: true,
          ...(rootCertificate === null ? {} : { ca: Bun.file(rootCertificate) })
        }
      }
    : {}
