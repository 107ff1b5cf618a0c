import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { openTickFunction } from "./OpenTick.ts"
import { make, RejectedRows, Rows } from "./Rpc.ts"

const work = {
  now: Instant,
  pending: Rows,
  integrations: Rows,
  rejected: RejectedRows,
  more: Schema.Boolean
}

/** Sweeps the runs of dead engines, and fetches the first batch of work. An idle tick needs no other call. */
export const openTick = make({
  ...openTickFunction,
  args: () =>
    Schema.Struct({
      p_tick_id: Schema.UUID,
      p_engine_id: Schema.String,
      p_options: Schema.Struct({
        engine_version: Schema.String,
        adopt_after_seconds: Schema.Number,
        drift_alert_seconds: Schema.Number,
        quiescence_seconds: Schema.Number,
        running_guard_seconds: Schema.Number,
        limit: Schema.Int,
        org_id: Schema.optional(Schema.UUID),
        integration_ids: Schema.optional(Schema.Array(Schema.UUID)),
        warm_up_within_seconds: Schema.optional(Schema.Number),
        with_apis: Schema.optional(Schema.Boolean)
      })
    }),
  result: () =>
    Schema.Struct({
      schema_version: Schema.String,
      idle: Schema.Boolean,
      swept: Schema.Struct({
        expired: Schema.Int,
        proven: Schema.Int,
        requeued: Schema.Int,
        released: Schema.Int,
        skipped: Schema.Int
      }),
      ...work,
      several_organisations: Schema.optionalWith(Schema.Boolean, { default: () => true }),
      backfills: Schema.optionalWith(Schema.Boolean, { default: () => false }),
      clock_skew_open: Schema.optionalWith(Schema.Boolean, { default: () => false }),
      /** Functions to warm up for future slots; null is the default function. */
      warm_ups: Schema.optionalWith(
        Schema.Array(
          Schema.Struct({ function_name: Schema.NullOr(Schema.String), next_run_at: Instant })
        ),
        { default: () => [] }
      )
    })
})

/**
 * Reserves up to `p_limit` pending runs and due integrations for an engine. The reservation expires after 15 s. A repeated call
 * with the same token returns the same work. With `integration_ids`, the answer includes work that the engine has already
 * reserved.
 */
export const fetchWork = make({
  name: "fetch_sync_work",
  readOnly: false,
  types: { p_engine_id: "text", p_fetch_token: "uuid", p_limit: "integer", p_options: "jsonb" },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_fetch_token: Schema.UUID,
      p_limit: Schema.Int,
      p_options: Schema.Struct({
        adopt_after_seconds: Schema.Number,
        drift_alert_seconds: Schema.Number,
        org_id: Schema.optional(Schema.UUID),
        integration_ids: Schema.optional(Schema.Array(Schema.UUID)),
        exclude_org_ids: Schema.optional(Schema.Array(Schema.UUID)),
        exclude_ids: Schema.optional(Schema.Array(Schema.UUID))
      })
    }),
  result: () => Schema.Struct(work)
})

/** Stores the summary of a tick that found work. */
export const finishTick = make({
  name: "finish_sync_tick",
  readOnly: false,
  types: {
    p_tick_id: "uuid",
    p_engine_id: "text",
    p_summary: "jsonb",
    p_clock_skew_ms: "bigint"
  },
  args: () =>
    Schema.Struct({
      p_tick_id: Schema.UUID,
      p_engine_id: Schema.String,
      p_summary: Schema.Unknown,
      p_clock_skew_ms: Schema.NullOr(Schema.Int)
    }),
  result: () => Schema.Struct({ finished: Schema.Boolean })
})
