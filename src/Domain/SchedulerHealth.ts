import { Schema } from "effect"
import { Instant } from "./Instant.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)

/** A tick by any engine. `errors` contains the first ten errors. */
export const TickView = Schema.Struct({
  tick_id: Schema.String,
  engine_id: Schema.String,
  engine_version: Text,
  started_at: Instant,
  /** Null while the tick is in progress, or if its engine died. */
  finished_at: Time,
  clock_skew_ms: Schema.NullOr(Schema.Number),
  due: Schema.Int,
  triggered: Schema.Int,
  completed: Schema.Int,
  failed: Schema.Int,
  skipped: Schema.Int,
  unresolved: Schema.Int,
  rescued: Schema.Int,
  missed: Schema.Int,
  cold_starts: Schema.Int,
  errors: Schema.Array(Schema.Unknown)
})
export type TickView = typeof TickView.Type

/**
 * Whether any engine is ticking. `stopped` means that there has been no heartbeat for `stopped_after_ms` (five minutes, or three
 * times the usual interval between ticks), so the integrations' status is out of date. *Source*: `sync_scheduler.scheduler_health`.
 */
export const SchedulerHealth = Schema.Struct({
  verdict: Schema.Literal("never", "stopped", "ticking"),
  last_activity_at: Time,
  stopped_after_ms: Schema.NullOr(Schema.Number),
  last_tick: Schema.NullOr(TickView),
  /** The engines that ticked in the last hour (at most 20), most recent tick first. */
  engines: Schema.Array(
    Schema.Struct({
      engine_id: Schema.String,
      engine_version: Text,
      ticks: Schema.Int,
      last_tick_at: Instant
    })
  ),
  /** The number of open incidents of each kind. */
  open_incidents: Schema.Record({ key: Schema.String, value: Schema.Int })
})
export type SchedulerHealth = typeof SchedulerHealth.Type
