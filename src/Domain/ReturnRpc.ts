import { Schema } from "effect"
import { make } from "./Rpc.ts"

/**
 * running -> pending for starts of which nothing was sent, as if they had never been made: the attempt does not count.
 * Refused for a run whose function began. Repeating with the same lease token gives the same answer.
 */
export const returnStarts = make({
  name: "return_sync_starts",
  readOnly: false,
  types: { p_engine_id: "text", p_starts: "jsonb" },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_starts: Schema.Array(Schema.Struct({ run_id: Schema.UUID, lease_token: Schema.UUID }))
  }),
  result: Schema.Struct({ now: Schema.String, returned: Schema.Array(Schema.UUID) })
})
