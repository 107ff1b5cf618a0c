import type { IntegrationStatus } from "./IntegrationStatus.ts"
import type { RunView } from "./RunView.ts"
import { needsAttention, type StateName } from "./State.ts"

/** An integration's state, and the fields that determine its cause. */
export type Troubled = Pick<
  IntegrationStatus,
  "integration_type" | "last_run" | "live_run" | "schedule_error"
> & {
  readonly state: StateName
}

/** Returns the run that caused the integration's state; null if no run did. */
export const causingRun = ({ last_run, live_run, state }: Troubled): RunView | null => {
  if (state === "retrying" || (state === "unknown" && live_run?.status === "unknown")) {
    return live_run
  }
  return state === "failing" || state === "unknown" ? last_run : null
}

/** Returns the failed run that an operator can retry; null if there is none. */
export const retryableRun = ({ last_run, live_run, state }: Troubled): RunView | null =>
  state === "failing" && live_run === null && last_run?.status === "failed" ? last_run : null

/** Returns the causing run's error code, or else its HTTP status as `HTTP_502`; null if there is neither. */
export const causeCode = (one: Troubled): string | null => {
  const run = causingRun(one)
  if (run === null) return null
  return run.error_code ?? (run.http_status === null ? null : `HTTP_${run.http_status}`)
}

/** Returns a key for the cause, such as `failing/xledger/TOKEN_EXPIRED`; null if the state needs no attention. */
export const causeKey = (one: Troubled): string | null =>
  needsAttention(one.state)
    ? [one.state, one.integration_type, causeCode(one) ?? faultOf(one)]
        .map(encodeURIComponent)
        .join("/")
    : null

const faultOf = ({ schedule_error, state }: Troubled): string =>
  state === "invalid_schedule" ? (schedule_error ?? "").slice(0, 80) : ""
