import { Schema } from "effect"
import { Instant } from "./Instant.ts"

/**
 * The opening or closing of an incident. `announced` is true if an alert for the opening was sent. `kind` is a string, because a
 * newer database can send other kinds. *Source*: `sync_scheduler.alert_json`.
 */
export const Alert = Schema.Struct({
  incident_id: Schema.Int,
  transition: Schema.Literal("opened", "resolved"),
  kind: Schema.String,
  /** The id of an integration, a run or an engine, or the name of a function. */
  subject: Schema.String,
  opened_at: Instant,
  resolved_at: Schema.NullOr(Instant),
  announced: Schema.Boolean,
  occurrences: Schema.Int,
  detail: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  integration: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      org_id: Schema.NullOr(Schema.String),
      type: Schema.NullOr(Schema.String),
      schedule: Schema.NullOr(Schema.String),
      timezone: Schema.String
    })
  ),
  run: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      scheduled_for: Schema.NullOr(Instant),
      started_at: Schema.NullOr(Instant),
      /** The time of the first tick after the slot; null if none is on record. */
      first_tick_at: Schema.NullOr(Instant),
      status: Schema.String,
      drift_ms: Schema.NullOr(Schema.Number),
      error_code: Schema.NullOr(Schema.String),
      error_message: Schema.NullOr(Schema.String)
    })
  )
})
export type Alert = typeof Alert.Type

/** The alerts claimed for sending: at most 50 of the `total`, openings first. `incident_ids` lists all incidents. */
export const AlertBatch = Schema.Struct({
  now: Instant,
  total: Schema.Int,
  opened: Schema.Int,
  resolved: Schema.Int,
  kinds: Schema.Record({ key: Schema.String, value: Schema.Int }),
  incident_ids: Schema.Array(Schema.Int),
  alerts: Schema.Array(Alert)
})
export type AlertBatch = typeof AlertBatch.Type

/** A single alert, or a summary of several. */
export type AlertMessage =
  | { readonly _tag: "One"; readonly alert: Alert; readonly incidentIds: ReadonlyArray<number> }
  | {
      readonly _tag: "Many"
      readonly batch: AlertBatch
      readonly incidentIds: ReadonlyArray<number>
    }

/** The maximum number of alerts to send separately. More alerts are combined into one summary. */
export const MAX_SINGLE = 5

/** The result of sending a message. `error` is null if the receiver accepted the message. */
export interface Delivery {
  readonly incidentIds: ReadonlyArray<number>
  readonly error: string | null
  readonly retryAfterMs: number | null
}

/** Returns messages that contain every incident exactly once. */
export const messagesOf = (batch: AlertBatch): ReadonlyArray<AlertMessage> =>
  batch.total > MAX_SINGLE
    ? [{ _tag: "Many", batch, incidentIds: batch.incident_ids }]
    : batch.alerts.map((alert) => ({ _tag: "One", alert, incidentIds: [alert.incident_id] }))
