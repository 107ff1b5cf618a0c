import { Schema } from "effect"
import { make } from "./Rpc.ts"

/** Redeems a one-time ticket. `granted` is false if the ticket is unknown or already used. */
export const redeemTicket = make({
  name: "redeem_sync_ticket",
  readOnly: false,
  types: { p_ticket: "text" },
  args: () => Schema.Struct({ p_ticket: Schema.String }),
  result: () => Schema.Struct({ granted: Schema.Boolean })
})
