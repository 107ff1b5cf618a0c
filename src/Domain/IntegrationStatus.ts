import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { RunView } from "./RunView.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)

/** The health of an integration's provider, as determined by syncs and probes. */
export const ProviderHealth = Schema.Struct({
  provider: Schema.String,
  host: Schema.String,
  status: Schema.Literal("unknown", "healthy", "unhealthy", "throttled"),
  throttled_until: Time,
  http_status: Schema.NullOr(Schema.Int),
  error_code: Text,
  latency_ms: Schema.NullOr(Schema.Number),
  /** When a sync with the API last completed. */
  synced_at: Time,
  probed_at: Time,
  /** `passive`: the API has throttled a sync, so only syncs determine its health until `passive_until`. */
  mode: Schema.optionalWith(Schema.Literal("active", "passive"), { exact: true }),
  passive_until: Schema.optionalWith(Time, { exact: true }),
  /** The organisation's syncs wait until this instant, because the vendor throttles them. */
  hold_until: Schema.optionalWith(Time, { exact: true }),
  /** The maximum number of concurrent syncs of the organisation; null if only the engine's limit applies. */
  start_limit: Schema.optionalWith(Schema.NullOr(Schema.Int), { exact: true }),
  message: Schema.optionalWith(Text, { exact: true })
})
export type ProviderHealth = typeof ProviderHealth.Type

/** Returns whether the provider itself responded. A completed sync does not prove that the provider responded. */
export const isHeard = ({ http_status, status }: Pick<ProviderHealth, "http_status" | "status">) =>
  status !== "unknown" && (status !== "healthy" || http_status !== null)

/**
 * `last_run` is the ended run with the newest slot, among runs that were attempted. `live_run` is the run that has not ended.
 * `org_name` is unescaped text. *Source*: `sync_scheduler.integration_statuses`.
 */
export const IntegrationStatus = Schema.Struct({
  integration_id: Schema.String,
  org_id: Schema.String,
  org_name: Text,
  integration_type: Schema.String,
  schedule: Text,
  timezone: Schema.String,
  /** False if the row has no time zone. UTC then applies. */
  timezone_is_set: Schema.optionalWith(Schema.Boolean, { exact: true }),
  enabled: Schema.Boolean,
  paused_reason: Text,
  next_run_at: Time,
  schedule_since: Time,
  schedule_error: Text,
  /** Why the database last rejected the row. Kept until a claim succeeds. */
  rejection: Schema.optionalWith(Text, { exact: true }),
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
  /** The first slot after the last completed slot; set only while the last run is failed or unknown. */
  failing_since: Time,
  health: Schema.NullOr(ProviderHealth)
})
export type IntegrationStatus = typeof IntegrationStatus.Type
