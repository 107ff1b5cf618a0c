import { Schema } from "effect"
import { Instant } from "./Instant.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)

/** A tick of any engine. `errors` has at most ten entries. */
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

/** `stopped`: no heartbeat for `stopped_after_ms`, which is three times the usual interval but at least five minutes. */
export const SchedulerHealth = Schema.Struct({
  verdict: Schema.Literal("never", "stopped", "ticking"),
  last_activity_at: Time,
  stopped_after_ms: Schema.NullOr(Schema.Number),
  last_tick: Schema.NullOr(TickView),
  /** The engines that ticked in the last hour, at most 20. The engine with the most recent tick comes first. */
  engines: Schema.Array(
    Schema.Struct({
      engine_id: Schema.String,
      engine_version: Text,
      ticks: Schema.Int,
      last_tick_at: Instant
    })
  ),
  /** The number of open incidents by kind. */
  open_incidents: Schema.Record({ key: Schema.String, value: Schema.Int })
})
export type SchedulerHealth = typeof SchedulerHealth.Type
