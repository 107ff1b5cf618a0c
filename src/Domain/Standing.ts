import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { RunView } from "./RunView.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)

/** What is known of the provider behind an integration, from real syncs first, from probes after silence. */
export const ProviderHealth = Schema.Struct({
  provider: Schema.String,
  host: Schema.String,
  status: Schema.Literal("unknown", "healthy", "unhealthy", "throttled"),
  throttled_until: Time,
  http_status: Schema.NullOr(Schema.Int),
  error_code: Text,
  latency_ms: Schema.NullOr(Schema.Number),
  checked_at: Time,
  /** passive: it throttled, and is known from syncs alone until `passive_until`. */
  mode: Schema.optionalWith(Schema.Literal("active", "passive"), { exact: true }),
  passive_until: Schema.optionalWith(Time, { exact: true }),
  /** How many of its syncs may run at once; null: no limit but the engine's. */
  start_limit: Schema.optionalWith(Schema.NullOr(Schema.Int), { exact: true }),
  message: Schema.optionalWith(Text, { exact: true })
})
export type ProviderHealth = typeof ProviderHealth.Type

/**
 * How one integration stands, as the database has it; Domain/State decides what that means. `last_run` is the newest
 * slot's run that is over, `live_run` the one that is not. `org_name` is free text of the project: whoever shows it
 * escapes it. *Source*: `sync_scheduler.standings`.
 */
export const Standing = Schema.Struct({
  integration_id: Schema.String,
  org_id: Schema.String,
  org_name: Text,
  integration_type: Schema.String,
  schedule: Text,
  timezone: Schema.String,
  enabled: Schema.Boolean,
  paused_reason: Text,
  next_run_at: Time,
  schedule_since: Time,
  schedule_error: Text,
  breaker_until: Time,
  consecutive_failures: Schema.Int,
  on_unknown: Schema.String,
  fenced: Schema.Boolean,
  catch_up: Schema.String,
  max_attempts: Schema.Int,
  function_name: Text,
  last_run: Schema.NullOr(RunView),
  live_run: Schema.NullOr(RunView),
  last_completed_slot: Time,
  /** The first slot after the last completed one, while the last run failed or is unknown. */
  failing_since: Time,
  health: Schema.NullOr(ProviderHealth)
})
export type Standing = typeof Standing.Type
