import { Either, ParseResult, Schema } from "effect"
import { HealthSignal } from "../Domain/Health/HealthSignal.ts"
import { Instant } from "../Domain/Instant.ts"
import { Slot } from "../Domain/Integration.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import { RunStatus } from "../Domain/Run.ts"

export type ArgumentType =
  | "uuid"
  | "uuid[]"
  | "text"
  | "text[]"
  | "jsonb"
  | "boolean"
  | "integer"
  | "bigint"
  | "numeric"
  | "timestamptz"

/**
 * A SQL function in schema `public`, with arguments (`p_...`) and a jsonb result. An omitted argument takes the default value
 * from the SQL function. Only the Rpc files in src/Database contain names of SQL functions.
 */
export interface Rpc<A, R> {
  readonly name: string
  readonly types: Readonly<Record<string, ArgumentType>>
  /** Returns the arguments as JSON, or an error that names the invalid argument. */
  readonly encode: (args: A) => Either.Either<unknown, string>
  /** Returns the decoded answer, or the path of an unexpected value. Omits the value, because a config can contain secrets. */
  readonly decode: (answer: unknown) => Either.Either<R, string>
  /** Whether the call can be repeated safely because the function only reads. */
  readonly readOnly: boolean
  /** The SQL expression that a direct connection evaluates instead of calling the function. It can refer to the arguments. */
  readonly body?: string
}

export interface SchemaRpc<A, AI, R, RI> extends Rpc<A, R> {
  readonly types: { readonly [K in keyof AI]-?: ArgumentType }
  readonly args: Schema.Schema<A, AI>
  readonly result: Schema.Schema<R, RI>
}

/** Makes an Rpc that builds its schemas on the first call. A tick calls few functions and spends most of its time on start-up. */
export const make = <A, AI, R, RI>(
  rpc: Omit<SchemaRpc<A, AI, R, RI>, "args" | "result" | "encode" | "decode"> & {
    readonly args: () => Schema.Schema<A, AI>
    readonly result: () => Schema.Schema<R, RI>
  }
): SchemaRpc<A, AI, R, RI> => {
  let args: Schema.Schema<A, AI> | undefined
  let result: Schema.Schema<R, RI> | undefined
  const made: SchemaRpc<A, AI, R, RI> = {
    ...rpc,
    get args() {
      args ??= rpc.args()
      return args
    },
    get result() {
      result ??= rpc.result()
      return result
    },
    encode: (given) => Either.mapLeft(Schema.encodeEither(made.args)(given), explain),
    decode: (answer) => Either.mapLeft(Schema.decodeUnknownEither(made.result)(answer), explain)
  }
  return made
}

const explain = (error: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(error)
    .slice(0, 3)
    .map(({ path, message }) => `at ${path.join(".") || "the top"}: ${message.replace(actual, "")}`)
    .join("; ")

const actual = /,? (?:but )?(?:actual|got|received) [\s\S]*$/

/** Rows that the caller decodes one by one (./ReadRows.ts). */
export const Rows = Schema.Array(Schema.Unknown)

export const RejectedRows = Schema.optionalWith(
  Schema.Array(Schema.Struct({ integration_id: Schema.UUID, detail: Schema.String })),
  { default: () => [] }
)

/** Restricts a call to part of the project. By default, a call covers the whole project. */
export const scopeArgument = {
  p_org_id: Schema.optional(Schema.UUID),
  p_integration_ids: Schema.optional(Schema.Array(Schema.UUID))
}

/** Reads a page of due integrations, oldest slot first. The last page has a null `cursor`. */
export const readDue = make({
  name: "read_due_integrations",
  readOnly: true,
  types: { p_limit: "integer", p_cursor: "text", p_org_id: "uuid", p_integration_ids: "uuid[]" },
  args: () =>
    Schema.Struct({
      p_limit: Schema.Int,
      p_cursor: Schema.optional(Schema.String),
      ...scopeArgument
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      integrations: Rows,
      rejected: RejectedRows,
      cursor: Schema.NullOr(Schema.String)
    })
})

/** Reads the runs that any engine can start now: due retries, and claims that were never started. */
export const readPending = make({
  name: "read_pending_runs",
  readOnly: true,
  types: {
    p_engine_id: "text",
    p_limit: "integer",
    p_adopt_after_seconds: "numeric",
    p_org_id: "uuid",
    p_integration_ids: "uuid[]"
  },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_limit: Schema.Int,
      p_adopt_after_seconds: Schema.Number,
      ...scopeArgument
    }),
  result: () => Rows
})

/** Claims at most 100 slots. A repeated call with the same token returns the same claims. */
export const claimRuns = make({
  name: "claim_sync_runs",
  readOnly: false,
  types: { p_engine_id: "text", p_claim_token: "uuid", p_slots: "jsonb" },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_claim_token: Schema.UUID,
      p_slots: Schema.Array(Slot)
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      claimed: Rows,
      skipped: Schema.Array(
        Schema.Struct({
          integration_id: Schema.UUID,
          scheduled_for: Schema.NullOr(Instant),
          reason: Schema.String,
          detail: Schema.optionalWith(Schema.String, { exact: true })
        })
      ),
      advanced: Schema.Int
    })
})

/** The fields that `startRuns` returns for each started run. */
export const RunStart = Schema.Struct({
  run_id: Schema.UUID,
  attempt: Schema.Int,
  drift_ms: Schema.NullOr(Schema.Number),
  config: Schema.Unknown
})

/** Starts at most 100 runs (pending -> running). A repeated call with the same lease token returns the same answer. */
export const startRuns = make({
  name: "start_sync_runs",
  readOnly: false,
  types: {
    p_engine_id: "text",
    p_starts: "jsonb",
    p_adopt_after_seconds: "numeric",
    p_drift_alert_seconds: "numeric"
  },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_starts: Schema.Array(
        Schema.Struct({
          run_id: Schema.UUID,
          lease_token: Schema.UUID,
          lease_seconds: Schema.Number,
          /** Whether the tick's first request to the function was made for this run and was a cold start. */
          cold_start: Schema.optionalWith(Schema.Boolean, { exact: true }),
          warm_up_ms: Schema.optionalWith(Schema.Int, { exact: true }),
          /** The run's accounting API, if known. */
          api_provider: Schema.optionalWith(Schema.String, { exact: true }),
          api_host: Schema.optionalWith(Schema.String, { exact: true })
        })
      ),
      p_adopt_after_seconds: Schema.Number,
      p_drift_alert_seconds: Schema.Number
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      started: Rows,
      skipped: Schema.Array(
        Schema.Struct({
          run_id: Schema.UUID,
          reason: Schema.String,
          detail: Schema.optionalWith(Schema.String, { exact: true }),
          status: Schema.NullOr(RunStatus),
          /** When the start can be retried, if known. */
          retry_at: Schema.optionalWith(Instant, { exact: true })
        })
      )
    })
})

export const Settlement = Schema.Struct({
  run_id: Schema.UUID,
  lease_token: Schema.UUID,
  outcome: Schema.Literal("completed", "failed", "not_executed", "unknown", "accepted"),
  http_status: Schema.optionalWith(Schema.Int, { exact: true }),
  error_code: Schema.optionalWith(Schema.String, { exact: true }),
  error_message: Schema.optionalWith(Schema.String, { exact: true }),
  response: Schema.optionalWith(Schema.Unknown, { exact: true }),
  /** For `not_executed`: the wait before the next attempt, in milliseconds. */
  retry_in_ms: Schema.optionalWith(Schema.Number, { exact: true }),
  /** For `accepted`: the function's time limit, in seconds from the start of the attempt. */
  lease_seconds: Schema.optionalWith(Schema.Number, { exact: true }),
  health: Schema.optionalWith(HealthSignal, { exact: true })
})
export type Settlement = typeof Settlement.Type

export const outcomeName: Record<Outcome["_tag"], Settlement["outcome"]> = {
  Completed: "completed",
  Accepted: "accepted",
  Failed: "failed",
  NotExecuted: "not_executed",
  Unknown: "unknown"
}

/** `accepted` is false if the run's lease token had changed, or if the settlement was too late. */
export const Settled = Schema.Struct({
  run_id: Schema.UUID,
  accepted: Schema.Boolean,
  status: Schema.optional(Schema.NullOr(RunStatus)),
  reason: Schema.optional(Schema.NullOr(Schema.String)),
  /** Why the database rejected the settlement. */
  detail: Schema.optional(Schema.NullOr(Schema.String)),
  retry_at: Schema.optional(Schema.NullOr(Instant))
})
export type Settled = typeof Settled.Type

/** Records the outcomes of at most 100 attempts. A repeated settlement is accepted and changes nothing. */
export const settleRuns = make({
  name: "settle_sync_runs",
  readOnly: false,
  types: { p_engine_id: "text", p_settlements: "jsonb", p_quiescence_seconds: "numeric" },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_settlements: Schema.Array(Settlement),
      p_quiescence_seconds: Schema.Number
    }),
  result: () => Schema.Struct({ now: Instant, settled: Schema.Array(Settled) })
})

/** Releases runs that were not started, so that any engine can start them immediately. */
export const releaseClaims = make({
  name: "release_sync_claims",
  readOnly: false,
  types: { p_engine_id: "text", p_run_ids: "uuid[]" },
  args: () => Schema.Struct({ p_engine_id: Schema.String, p_run_ids: Schema.Array(Schema.UUID) }),
  result: () => Schema.Struct({ released: Schema.Int })
})

/**
 * Reverts starts whose invocation was not sent (running -> pending), unless the function has begun. The attempts do not count. A
 * repeated call with the same lease token returns the same answer.
 */
export const revertStarts = make({
  name: "revert_sync_starts",
  readOnly: false,
  types: { p_engine_id: "text", p_starts: "jsonb" },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_starts: Schema.Array(Schema.Struct({ run_id: Schema.UUID, lease_token: Schema.UUID }))
    }),
  result: () => Schema.Struct({ now: Schema.String, returned: Schema.Array(Schema.UUID) })
})
