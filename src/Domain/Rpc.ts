import { Schema } from "effect"
import { HealthSign } from "./HealthSign.ts"
import { Instant } from "./Instant.ts"
import { Slot } from "./Integration.ts"
import type { Outcome } from "./Outcome.ts"
import { RunStatus } from "./Run.ts"

/** The SQL type of an argument. Every mechanism sends exactly this type. */
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
 * One SQL function of schema `public`: its arguments (`p_...`) and the one jsonb value it returns. Arguments left out
 * take the default of the SQL function. Only this file and its siblings
 * (HistoryRpc, DiagnosisRpc, ...) name SQL functions.
 */
export interface Rpc<A, AI, R, RI> {
  readonly name: string
  readonly types: { readonly [K in keyof AI]-?: ArgumentType }
  readonly args: Schema.Schema<A, AI>
  readonly result: Schema.Schema<R, RI>
  /** Whether it only reads: repeating it can never do harm. */
  readonly readOnly: boolean
  /** One SQL expression over the arguments, which a direct connection sends in place of the call. */
  readonly body?: string
}

/** Infers the types of a function from its schemas. */
export const make = <A, AI, R, RI>(rpc: Rpc<A, AI, R, RI>): Rpc<A, AI, R, RI> => rpc

/** Rows are decoded one by one by whoever uses them, so that one unreadable row never hides the others. */
export const Rows = Schema.Array(Schema.Unknown)

/** Which part of the project: everything when left out. */
export const scope = {
  p_org_id: Schema.optionalWith(Schema.UUID, { exact: true }),
  p_integration_ids: Schema.optionalWith(Schema.Array(Schema.UUID), { exact: true })
}

/** The first call of a tick: sweep, waiting runs, first page of what is due. An idle tick needs no other call. */
export const openTick = make({
  name: "open_sync_tick",
  readOnly: false,
  types: { p_tick_id: "uuid", p_engine_id: "text", p_options: "jsonb" },
  args: Schema.Struct({
    p_tick_id: Schema.UUID,
    p_engine_id: Schema.String,
    p_options: Schema.Struct({
      engine_version: Schema.String,
      adopt_after_seconds: Schema.Number,
      quiescence_seconds: Schema.Number,
      running_guard_seconds: Schema.Number,
      limit: Schema.Int,
      org_id: Schema.optional(Schema.UUID),
      integration_ids: Schema.optional(Schema.Array(Schema.UUID)),
      /** How far ahead functions are woken for slots to come; 60 when left out. */
      warm_up_within_seconds: Schema.optional(Schema.Number)
    })
  }),
  result: Schema.Struct({
    now: Instant,
    schema_version: Schema.String,
    idle: Schema.Boolean,
    swept: Schema.Struct({
      expired: Schema.Int,
      proven: Schema.Int,
      requeued: Schema.Int,
      released: Schema.Int,
      skipped: Schema.Int
    }),
    pending: Rows,
    integrations: Rows,
    cursor: Schema.NullOr(Schema.String),
    /** Whether a request for past slots can go on. */
    backfills: Schema.optionalWith(Schema.Boolean, { default: () => false }),
    /** Functions to wake for slots that come within the next minute; null is the default function. */
    warm_ups: Schema.optionalWith(
      Schema.Array(
        Schema.Struct({ function_name: Schema.NullOr(Schema.String), next_run_at: Instant })
      ),
      { default: () => [] }
    )
  })
})

/** A page of due integrations, oldest slot first. `cursor` null in the answer: that was the last page. */
export const readDue = make({
  name: "read_due_integrations",
  readOnly: true,
  types: { p_limit: "integer", p_cursor: "text", p_org_id: "uuid", p_integration_ids: "uuid[]" },
  args: Schema.Struct({
    p_limit: Schema.Int,
    p_cursor: Schema.optionalWith(Schema.String, { exact: true }),
    ...scope
  }),
  result: Schema.Struct({
    now: Instant,
    integrations: Rows,
    cursor: Schema.NullOr(Schema.String)
  })
})

/** Runs that any engine may start now: retries whose time has come, and claims that were never started. */
export const readPending = make({
  name: "read_pending_runs",
  readOnly: true,
  types: {
    p_engine_id: "text",
    p_limit: "integer",
    p_adopt_after_seconds: "numeric",
    p_org_id: "uuid",
    p_integration_ids: "uuid[]",
    p_exclude: "uuid[]"
  },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_limit: Schema.Int,
    p_adopt_after_seconds: Schema.Number,
    p_exclude: Schema.optionalWith(Schema.Array(Schema.UUID), { exact: true }),
    ...scope
  }),
  result: Rows
})

/** Claims at most 100 slots under the advisory lock. Repeating with the same claim token gives the same claims. */
export const claimRuns = make({
  name: "claim_sync_runs",
  readOnly: false,
  types: { p_engine_id: "text", p_claim_token: "uuid", p_slots: "jsonb" },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_claim_token: Schema.UUID,
    p_slots: Schema.Array(Slot)
  }),
  result: Schema.Struct({
    now: Instant,
    claimed: Rows,
    skipped: Schema.Array(
      Schema.Struct({
        integration_id: Schema.UUID,
        scheduled_for: Schema.NullOr(Instant),
        reason: Schema.String
      })
    ),
    advanced: Schema.Int
  })
})

/** pending -> running for at most 100 runs. Repeating with the same lease token gives the same answer. */
export const startRuns = make({
  name: "start_sync_runs",
  readOnly: false,
  types: {
    p_engine_id: "text",
    p_starts: "jsonb",
    p_adopt_after_seconds: "numeric",
    p_drift_alert_seconds: "numeric"
  },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_starts: Schema.Array(
      Schema.Struct({
        run_id: Schema.UUID,
        lease_token: Schema.UUID,
        lease_seconds: Schema.Number,
        /** How the function's first contact went, where this run's start came after it. */
        cold_start: Schema.Boolean,
        warm_up_ms: Schema.NullOr(Schema.Int),
        /** The accounting API that the run uses, where it is known. */
        api_provider: Schema.optionalWith(Schema.String, { exact: true }),
        api_host: Schema.optionalWith(Schema.String, { exact: true })
      })
    ),
    p_adopt_after_seconds: Schema.Number,
    p_drift_alert_seconds: Schema.Number
  }),
  result: Schema.Struct({
    now: Instant,
    started: Rows,
    skipped: Schema.Array(
      Schema.Struct({
        run_id: Schema.UUID,
        reason: Schema.String,
        status: Schema.NullOr(RunStatus),
        /** When it may be asked for again, where that is known. */
        retry_at: Schema.optionalWith(Instant, { exact: true })
      })
    )
  })
})

/** What one attempt came to, on its way to `settle_sync_runs`. */
export const Settlement = Schema.Struct({
  run_id: Schema.UUID,
  lease_token: Schema.UUID,
  outcome: Schema.Literal("completed", "failed", "not_executed", "unknown", "accepted"),
  http_status: Schema.NullOr(Schema.Int),
  error_code: Schema.NullOr(Schema.String),
  error_message: Schema.NullOr(Schema.String),
  response: Schema.Unknown,
  /** not_executed: how long to wait before the next attempt, in milliseconds. */
  retry_in_ms: Schema.NullOr(Schema.Number),
  /** accepted: how long the function may work, in seconds since the attempt's start. */
  lease_seconds: Schema.NullOr(Schema.Number),
  /** What the vendor's answer means for the health of its API, where there is something to tell. */
  health: Schema.optionalWith(HealthSign, { exact: true })
})
export type Settlement = typeof Settlement.Type

/** How the ledger names what an invocation came to. */
export const outcomeName: Record<Outcome["_tag"], Settlement["outcome"]> = {
  Completed: "completed",
  Accepted: "accepted",
  Failed: "failed",
  NotExecuted: "not_executed",
  Unknown: "unknown"
}

/** How the ledger stands after a settlement; `accepted` false: the token was no longer the run's, or it came too late. */
export const Settled = Schema.Struct({
  run_id: Schema.UUID,
  accepted: Schema.Boolean,
  status: Schema.optional(Schema.NullOr(RunStatus)),
  reason: Schema.optional(Schema.NullOr(Schema.String)),
  retry_at: Schema.optional(Schema.NullOr(Instant))
})
export type Settled = typeof Settled.Type

/** Records what came of at most 100 attempts, by lease token. Repeating is accepted and changes nothing. */
export const settleRuns = make({
  name: "settle_sync_runs",
  readOnly: false,
  types: { p_engine_id: "text", p_settlements: "jsonb", p_quiescence_seconds: "numeric" },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_settlements: Schema.Array(Settlement),
    p_quiescence_seconds: Schema.Number
  }),
  result: Schema.Struct({ now: Instant, settled: Schema.Array(Settled) })
})

/** Gives back runs that were claimed but not started, so that any engine may start them at once. */
export const releaseClaims = make({
  name: "release_sync_claims",
  readOnly: false,
  types: { p_engine_id: "text", p_run_ids: "uuid[]" },
  args: Schema.Struct({ p_engine_id: Schema.String, p_run_ids: Schema.Array(Schema.UUID) }),
  result: Schema.Struct({ released: Schema.Int })
})

/** The last call of a tick that found something: its summary becomes the row in `sync_tick`. */
export const finishTick = make({
  name: "finish_sync_tick",
  readOnly: false,
  types: {
    p_tick_id: "uuid",
    p_engine_id: "text",
    p_summary: "jsonb",
    p_clock_skew_ms: "bigint"
  },
  args: Schema.Struct({
    p_tick_id: Schema.UUID,
    p_engine_id: Schema.String,
    p_summary: Schema.Unknown,
    p_clock_skew_ms: Schema.Int
  }),
  result: Schema.Struct({ finished: Schema.Boolean })
})
