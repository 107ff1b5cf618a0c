import { Schema } from "effect"
import { Instant } from "./Instant.ts"

/**
 * How missed slots are handled: `latest` runs the newest slot, regardless of its age; `all` runs every slot within the window,
 * oldest first; `skip` runs none.
 */
export const CatchUp = Schema.Literal("latest", "all", "skip")
export type CatchUp = typeof CatchUp.Type

/**
 * An integration that is due. `next_run_at` is null if the first slot has not been computed yet. *Source*:
 * `read_due_integrations`.
 */
export const DueIntegration = Schema.Struct({
  integration_id: Schema.UUID,
  org_id: Schema.UUID,
  integration_type: Schema.String,
  sync_schedule: Schema.String,
  timezone: Schema.String,
  next_run_at: Schema.NullOr(Instant),
  schedule_version: Schema.Int,
  schedule_since: Instant,
  catch_up: CatchUp,
  catch_up_window_ms: Schema.NullOr(Schema.Number)
})
export type DueIntegration = typeof DueIntegration.Type

/** A range of skipped slots, both ends inclusive, stored as a row in `sync_skipped_range`. */
export const SkippedRange = Schema.Struct({
  from: Instant,
  to: Instant,
  count: Schema.Int,
  reason: Schema.Literal("superseded", "outside_window", "catch_up_skip")
})
export type SkippedRange = typeof SkippedRange.Type

/**
 * `cursor` is the cursor that the engine read. After the claim, all slots up to `next_cursor` have been processed. `done` means
 * that the claim completes the backfill.
 */
export const BackfillStep = Schema.Struct({
  id: Schema.UUID,
  cursor: Schema.NullOr(Instant),
  next_cursor: Instant,
  done: Schema.Boolean
})
export type BackfillStep = typeof BackfillStep.Type

/**
 * The decision about one due integration. Claims `scheduled_for`, or only advances to `next_run_at` if `scheduled_for` is null. A
 * `schedule_error` stops the integration. The claim has no effect (`lost_race`) if `expected_next_run_at` or `schedule_version`
 * has changed.
 */
export const Slot = Schema.Struct({
  integration_id: Schema.UUID,
  org_id: Schema.UUID,
  schedule_version: Schema.Int,
  expected_next_run_at: Schema.NullOr(Instant),
  scheduled_for: Schema.NullOr(Instant),
  trigger: Schema.Literal("schedule", "catch_up", "backfill"),
  next_run_at: Schema.NullOr(Instant),
  skipped_range: Schema.NullOr(SkippedRange),
  schedule_error: Schema.NullOr(Schema.String),
  backfill: Schema.optionalWith(BackfillStep, { exact: true })
})
export type Slot = typeof Slot.Type
