import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { RunStatus, Trigger } from "./Run.ts"

/** The most runs and skips that a summary holds; more are counted, and `runs_truncated` says so. */
export const MAX_LISTED = 1000

/** One run of a tick, as the summary and `-o jsonl` show it. */
export const RunReport = Schema.Struct({
  run_id: Schema.String,
  org_id: Schema.String,
  integration_id: Schema.String,
  integration_type: Schema.String,
  scheduled_for: Instant,
  trigger: Trigger,
  attempt: Schema.Int,
  status: RunStatus,
  drift_ms: Schema.NullOr(Schema.Number),
  duration_ms: Schema.NullOr(Schema.Number),
  cold_start: Schema.Boolean,
  http_status: Schema.NullOr(Schema.Int),
  error: Schema.optionalWith(
    Schema.Struct({
      code: Schema.String,
      message: Schema.String,
      retry_at: Schema.optionalWith(Instant, { exact: true })
    }),
    { exact: true }
  )
})
export type RunReport = typeof RunReport.Type

/** A due slot that this tick did not run, and why. */
export const SkipReport = Schema.Struct({
  org_id: Schema.String,
  integration_id: Schema.String,
  scheduled_for: Schema.NullOr(Instant),
  reason: Schema.String
})
export type SkipReport = typeof SkipReport.Type

/** What stopped part of a tick: what failed and why (`message`), and how to fix it (`hint`). */
export const TickError = Schema.Struct({
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String
})
export type TickError = typeof TickError.Type

/**
 * What one tick did (DESIGN.md section 6): stdout of `run -o json`, the value of `runScheduledJobs`, the row in
 * `sync_tick`. `due = triggered + skipped` and `triggered = completed + failed + unresolved`, always.
 */
export const Summary = Schema.Struct({
  tick_id: Schema.String,
  engine_id: Schema.String,
  started_at: Instant,
  finished_at: Instant,
  duration_ms: Schema.Number,
  due: Schema.Int,
  triggered: Schema.Int,
  completed: Schema.Int,
  failed: Schema.Int,
  skipped: Schema.Int,
  unresolved: Schema.Int,
  rescued: Schema.Int,
  missed: Schema.Int,
  cold_starts: Schema.Int,
  drift: Schema.Struct({ max_ms: Schema.Number, over_threshold: Schema.Int }),
  runs: Schema.Array(RunReport),
  runs_truncated: Schema.Boolean,
  skips: Schema.Array(SkipReport),
  errors: Schema.Array(TickError)
})
export type Summary = typeof Summary.Type
/** The summary as JSON: instants are ISO 8601 text. */
export type SummaryJson = typeof Summary.Encoded
