import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { make, Rows, scopeArgument } from "./Rpc.ts"

/** Reads a page of an audit's input, as rows of type Audited (Domain/AuditReport). The last page has a null `cursor`. */
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
  args: () =>
    Schema.Struct({
      p_from: Instant,
      p_to: Schema.optional(Instant),
      p_cursor: Schema.optional(Schema.String),
      p_limit: Schema.Int,
      ...scopeArgument
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      /** The start of the retained history. `from` is never earlier. */
      kept_from: Instant,
      from: Instant,
      /** The exclusive end of the window. */
      to: Instant,
      integrations: Rows,
      cursor: Schema.NullOr(Schema.String)
    })
})

/**
 * Reads the oldest open backfill of each integration, as rows of type Backfill (Domain/BackfillPlan). Omits backfills that must
 * wait.
 */
export const readBackfills = make({
  name: "read_sync_backfills",
  readOnly: true,
  types: { p_limit: "integer", p_org_id: "uuid", p_integration_ids: "uuid[]" },
  args: () => Schema.Struct({ p_limit: Schema.Int, ...scopeArgument }),
  result: () => Schema.Struct({ now: Instant, backfills: Rows })
})

/** Requests runs for the slots in [p_from, p_to) that have no row. A repeated request does not create a second backfill. */
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
  args: () =>
    Schema.Struct({
      p_integration_id: Schema.UUID,
      p_from: Instant,
      p_to: Instant,
      p_actor: Schema.String,
      p_reason: Schema.String
    }),
  result: () =>
    Schema.Union(
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

/** Cancels a backfill. A run in progress still finishes. */
export const cancelBackfill = make({
  name: "cancel_sync_backfill",
  readOnly: false,
  types: { p_backfill_id: "uuid", p_actor: "text", p_reason: "text" },
  args: () =>
    Schema.Struct({
      p_backfill_id: Schema.UUID,
      p_actor: Schema.String,
      p_reason: Schema.String
    }),
  result: () =>
    Schema.Union(
      Schema.Struct({ done: Schema.Literal(true), backfill_id: Schema.UUID, claimed: Schema.Int }),
      Schema.Struct({ done: Schema.Literal(false), reason: Schema.String })
    )
})
