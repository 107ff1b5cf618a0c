import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { RunStatus, Trigger } from "./Run.ts"

/** One run in a tick's summary and in the `-o jsonl` output. */
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

/** A due slot that the tick did not run, and why. */
export const SkipReport = Schema.Struct({
  org_id: Schema.String,
  integration_id: Schema.String,
  scheduled_for: Schema.NullOr(Instant),
  reason: Schema.String,
  /** The database's reason for rejecting the row. */
  detail: Schema.optionalWith(Schema.String, { exact: true })
})
export type SkipReport = typeof SkipReport.Type

/** An error that stopped part of a tick. `detail` contains the failed call, the error class and the error code. */
export const TickError = Schema.Struct({
  code: Schema.String,
  message: Schema.String,
  hint: Schema.String,
  detail: Schema.optionalWith(Schema.String, { exact: true })
})
export type TickError = typeof TickError.Type

/**
 * The result of one tick: the output of `run -o json`, the return value of `runScheduledJobs`, and the row in `sync_tick`.
 * *Guarantees*: `due = triggered + skipped`, and `triggered = completed + failed + unresolved`.
 */
export const Summary = Schema.Struct({
  /** False if the tick could not do its work or could not record an outcome. Does not depend on the runs' outcomes. */
  ok: Schema.Boolean,
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
  /** Different errors only: an error that affects many runs is listed once. */
  errors: Schema.Array(TickError)
})
export type Summary = typeof Summary.Type
/** The summary as JSON. Instants are ISO 8601 text. */
export type SummaryJson = typeof Summary.Encoded

/** With `throwOnError`, `runScheduledJobs` throws this error if the tick is not `ok`. `code` is the code of the first error. */
export class TickFailed extends Schema.TaggedError<TickFailed>()("TickFailed", {
  code: Schema.String,
  summary: Schema.encodedSchema(Summary)
}) {
  override get message(): string {
    return this.summary.errors.map(({ hint, message }) => `${message}. ${hint}`).join("; ")
  }
}
