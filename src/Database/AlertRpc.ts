import { Schema } from "effect"
import { AlertBatch } from "../Domain/Alert.ts"
import { make } from "./Rpc.ts"

/** Claims unsent alerts. For 60 s, no other engine can claim them. */
export const takeAlerts = make({
  name: "take_sync_alerts",
  readOnly: false,
  types: { p_engine_id: "text", p_limit: "integer" },
  args: () => Schema.Struct({ p_engine_id: Schema.String, p_limit: Schema.Int }),
  result: () => AlertBatch
})

/** Records the result of each delivery. The database decides when a failed alert is retried, and when it is abandoned. */
export const markAlerts = make({
  name: "mark_sync_alerts",
  readOnly: false,
  types: { p_engine_id: "text", p_deliveries: "jsonb" },
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_deliveries: Schema.Array(
        Schema.Struct({
          incident_ids: Schema.Array(Schema.Int),
          error: Schema.NullOr(Schema.String),
          retry_after_seconds: Schema.NullOr(Schema.Number)
        })
      )
    }),
  result: () => Schema.Struct({ sent: Schema.Int, failed: Schema.Int, gave_up: Schema.Int })
})
