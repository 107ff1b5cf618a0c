import { Schema } from "effect"
import { Instant } from "./Instant.ts"

/** A run is live if it is pending, running, or unknown and not released. Completed, failed and skipped runs are finished. */
export const RunStatus = Schema.Literal(
  "pending",
  "running",
  "completed",
  "failed",
  "unknown",
  "skipped"
)
export type RunStatus = typeof RunStatus.Type

export const Trigger = Schema.Literal("schedule", "catch_up", "manual", "backfill")
export type Trigger = typeof Trigger.Type

/**
 * A row in `sync_run_log`, with the integration's fields that an invocation needs. `attempt` is the number of starts so far. If
 * `function_name` or `invoke_timeout_ms` is null, the engine's setting applies. *Source*: `sync_scheduler.run_json`.
 */
export const Run = Schema.Struct({
  run_id: Schema.UUID,
  org_id: Schema.UUID,
  integration_id: Schema.UUID,
  integration_type: Schema.String,
  scheduled_for: Instant,
  trigger: Trigger,
  status: RunStatus,
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  idempotency_key: Schema.String,
  claimed_by: Schema.NullOr(Schema.String),
  drift_ms: Schema.NullOr(Schema.Number),
  function_name: Schema.NullOr(Schema.String),
  invoke_timeout_ms: Schema.NullOr(Schema.Number),
  warm_up: Schema.Boolean,
  /** The health check URL of the accounting API, if the integration sets one. */
  health_url: Schema.optionalWith(Schema.NullOr(Schema.String), { exact: true }),
  /** The integration's configuration for its function; present only on a started run. */
  config: Schema.optionalWith(Schema.Unknown, { exact: true })
})
export type Run = typeof Run.Type

export const timeoutOf = (run: Run, defaultMs: number): number => run.invoke_timeout_ms ?? defaultMs

/** A run that this engine started, with the only token that can settle it. */
export interface StartedRun extends Run {
  readonly lease_token: string
}

export interface Invocation {
  readonly run: StartedRun
  /** The integration's function name; null for the default function. */
  readonly functionName: string | null
  /** When the engine stops waiting, in epoch milliseconds by the database's clock. */
  readonly deadline: number
  /** How long to wait for the complete response, in milliseconds. */
  readonly timeoutMs: number
  /** True for a developer's trial of the function. A trial has no run in the database. */
  readonly isTrial?: boolean
}
