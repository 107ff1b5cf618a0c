import { Schema } from "effect"
import { Instant } from "./Instant.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)

/** What a tick came to, by any engine; `errors` holds the first ten. */
export const TickView = Schema.Struct({
  tick_id: Schema.String,
  engine_id: Schema.String,
  engine_version: Text,
  started_at: Instant,
  /** Null: it is under way, or its engine is gone. */
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
 * Whether anything ticks. `stopped`: no sign of life for `stopped_after_ms` (five minutes, or three times the usual gap
 * between ticks); then nothing that is shown can be taken for how things are now. *Source*: `sync_scheduler.pulse_view`.
 */
export const Pulse = Schema.Struct({
  verdict: Schema.Literal("never", "stopped", "ticking"),
  last_activity_at: Time,
  stopped_after_ms: Schema.NullOr(Schema.Number),
  last_tick: Schema.NullOr(TickView),
  /** Engines of the last hour, the newest first, at most 20. */
  engines: Schema.Array(
    Schema.Struct({
      engine_id: Schema.String,
      engine_version: Text,
      ticks: Schema.Int,
      last_tick_at: Instant
    })
  ),
  /** How many incidents are open, by kind. */
  open_incidents: Schema.Record({ key: Schema.String, value: Schema.Int })
})
export type Pulse = typeof Pulse.Type
