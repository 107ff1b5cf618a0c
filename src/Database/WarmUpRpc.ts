import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { make } from "./Rpc.ts"

/** Reads the functions to warm up for slots that are due within the given time. A null name means the default function. */
export const readUpcomingWarmUps = make({
  name: "read_upcoming_warm_ups",
  readOnly: true,
  types: { p_within_seconds: "numeric" },
  args: () => Schema.Struct({ p_within_seconds: Schema.Number }),
  result: () =>
    Schema.Array(
      Schema.Struct({ function_name: Schema.NullOr(Schema.String), next_run_at: Instant })
    )
})

/**
 * Records a tick's first request to a function, and returns whether warm-ups are useful. `p_in_run` is true if the request was
 * made for a run. In that case, the run's settlement opens or resolves the cold-start incident.
 */
export const recordContact = make({
  name: "record_function_contact",
  readOnly: false,
  types: {
    p_engine_id: "text",
    p_function_name: "text",
    p_latency_ms: "numeric",
    p_ok: "boolean",
    p_cold: "boolean",
    p_detail: "text",
    p_in_run: "boolean"
  },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_function_name: Schema.NullOr(Schema.String),
      p_latency_ms: Schema.Number,
      p_ok: Schema.Boolean,
      p_cold: Schema.NullOr(Schema.Boolean),
      p_detail: Schema.NullOr(Schema.String),
      p_in_run: Schema.Boolean
    }),
  result: () =>
    Schema.Struct({
      pays: Schema.Boolean,
      verdict: Schema.NullOr(Schema.String),
      cold_ms: Schema.NullOr(Schema.Number),
      warm_ms: Schema.NullOr(Schema.Number)
    })
})
