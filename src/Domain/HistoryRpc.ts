import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { make, Rows, scope } from "./Rpc.ts"

/** A page of what an audit needs (rows are Domain/Audit's Audited); `cursor` null in the answer: that was the last one. */
export const readAudit = make({
  name: "read_sync_audit",
  readOnly: true,
  types: {
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_cursor: "text",
    p_limit: "integer",
    p_org_id: "uuid",
    p_integration_ids: "uuid[]"
  },
  args: Schema.Struct({
    p_from: Instant,
    p_to: Schema.optionalWith(Instant, { exact: true }),
    p_cursor: Schema.optionalWith(Schema.String, { exact: true }),
    p_limit: Schema.Int,
    ...scope
  }),
  result: Schema.Struct({
    now: Instant,
    /** Rows of older slots may have been deleted by retention; the window never begins before. */
    kept_from: Instant,
    from: Instant,
    /** Exclusive. */
    to: Instant,
    integrations: Rows,
    cursor: Schema.NullOr(Schema.String)
  })
})

/** Open requests that can go on now, the oldest first, one for an integration. Rows are Domain/Backfill's Backfill. */
export const readBackfills = make({
  name: "read_sync_backfills",
  readOnly: true,
  types: { p_limit: "integer", p_org_id: "uuid", p_integration_ids: "uuid[]" },
  args: Schema.Struct({ p_limit: Schema.Int, ...scope }),
  result: Schema.Struct({ now: Instant, backfills: Rows })
})

/** Asks for the slots in [p_from, p_to) that have no row. Asking twice while it is open makes one request. */
export const requestBackfill = make({
  name: "request_sync_backfill",
  readOnly: false,
  types: {
    p_integration_id: "uuid",
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_actor: "text",
    p_reason: "text"
  },
  args: Schema.Struct({
    p_integration_id: Schema.UUID,
    p_from: Instant,
    p_to: Instant,
    p_actor: Schema.String,
    p_reason: Schema.String
  }),
  result: Schema.Union(
    Schema.Struct({
      done: Schema.Literal(true),
      backfill_id: Schema.UUID,
      from: Instant,
      to: Instant,
      enabled: Schema.Boolean
    }),
    Schema.Struct({ done: Schema.Literal(false), reason: Schema.String, kept_from: Instant })
  )
})

/** Ends a request; a run of it that is under way goes on. */
export const cancelBackfill = make({
  name: "cancel_sync_backfill",
  readOnly: false,
  types: { p_backfill_id: "uuid", p_actor: "text", p_reason: "text" },
  args: Schema.Struct({
    p_backfill_id: Schema.UUID,
    p_actor: Schema.String,
    p_reason: Schema.String
  }),
  result: Schema.Union(
    Schema.Struct({ done: Schema.Literal(true), backfill_id: Schema.UUID, claimed: Schema.Int }),
    Schema.Struct({ done: Schema.Literal(false), reason: Schema.String })
  )
})
