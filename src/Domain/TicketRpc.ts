import { Schema } from "effect"
import { make } from "./Rpc.ts"

/** Whether this is a ticket that the database issued and nobody used yet; it is used up by asking. */
export const redeemTicket = make({
  name: "redeem_sync_ticket",
  readOnly: false,
  types: { p_ticket: "text" },
  args: Schema.Struct({ p_ticket: Schema.String }),
  result: Schema.Struct({ granted: Schema.Boolean })
})
