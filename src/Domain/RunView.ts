import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { RunStatus, Trigger } from "./Run.ts"

const Time = Schema.NullOr(Instant)
const Text = Schema.NullOr(Schema.String)
const Count = Schema.NullOr(Schema.Number)

/** A run as users see it. `drift_ms` is how late the run started. *Source*: `sync_scheduler.run_view`. */
export const RunView = Schema.Struct({
  run_id: Schema.String,
  org_id: Schema.String,
  integration_id: Schema.String,
  integration_type: Text,
  scheduled_for: Instant,
  trigger: Trigger,
  status: RunStatus,
  skip_reason: Text,
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  claimed_by: Text,
  created_at: Time,
  not_before: Time,
  started_at: Time,
  attempt_started_at: Time,
  began_at: Time,
  lease_until: Time,
  finished_at: Time,
  released_at: Time,
  drift_ms: Count,
  duration_ms: Count,
  cold_start: Schema.Boolean,
  ambiguous: Schema.Boolean,
  http_status: Schema.NullOr(Schema.Int),
  error_code: Text,
  error_message: Text,
  /** Why a pending run is delayed: `api_throttled` or `api_limit`. */
  delay_reason: Schema.optionalWith(Schema.String, { exact: true, nullable: true })
})
export type RunView = typeof RunView.Type

/** Returns why a run is delayed, or an empty string if it is not delayed. */
export const delayOf = ({ delay_reason }: Pick<RunView, "delay_reason">): string => {
  switch (delay_reason) {
    case undefined:
    case null:
      return ""
    case "api_throttled":
      return "its accounting API is throttling requests"
    case "api_limit":
      return "its accounting API is limited to one sync at a time"
    default:
      return delay_reason
  }
}

export const ListedRun = Schema.Struct({
  ...RunView.fields,
  org_name: Text,
  timezone: Schema.String
})
export type ListedRun = typeof ListedRun.Type

/** An event in a run's history: claimed, started, began, settled, swept, retried, released, returned ... */
export const RunEvent = Schema.Struct({
  at: Instant,
  kind: Schema.String,
  from_status: Text,
  to_status: Text,
  attempt: Schema.NullOr(Schema.Int),
  /** Who or what caused the event: an engine's id, `function`, `database`, or a person's name. */
  actor: Text,
  reason: Text,
  detail: Schema.Unknown
})
export type RunEvent = typeof RunEvent.Type

/** `resolved_at` is null while the incident is open. */
export const IncidentView = Schema.Struct({
  kind: Schema.String,
  subject: Schema.String,
  run_id: Text,
  opened_at: Instant,
  last_seen_at: Instant,
  resolved_at: Time,
  occurrences: Schema.Int,
  detail: Schema.Unknown
})
export type IncidentView = typeof IncidentView.Type

/** Formats a run's attempt number: `2 of 3` while another attempt may follow, otherwise `2`. */
export const attemptOf = ({
  attempt,
  max_attempts,
  status
}: Pick<RunView, "attempt" | "max_attempts" | "status">): string =>
  status === "pending" || status === "running" ? `${attempt} of ${max_attempts}` : String(attempt)
