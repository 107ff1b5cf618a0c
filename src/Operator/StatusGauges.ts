import { Cause, Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { StateName } from "../Domain/State.ts"
import * as Metrics from "../Metrics.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { IntegrationState } from "./IntegrationState.ts"
import { type Overview, readOverview } from "./Overview.ts"

/** The time limit for reading the status, in milliseconds. For 20,000 integrations, reading takes several seconds. */
const READ_WITHIN_MS = 20_000

/**
 * Sets the gauges that come from the database: the number of integrations per state, and the longest overdue time. *Guarantees*:
 * never fails, and ends within a time limit. If the read fails, the gauges are NaN, because an outdated value would look healthy.
 */
export const measureStatus = (driftAlertMs: number): Effect.Effect<void, never, Supabase> =>
  readOverview({ driftAlertMs }).pipe(
    Effect.disconnect,
    Effect.timeout(READ_WITHIN_MS),
    Effect.map(show),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : forget(cause)
    )
  )

const show = ({ counts, integrations, now }: Overview): void => {
  for (const state of StateName.literals) Metrics.schedules.set(counts[state], state)
  const waiting = integrations.map((one) => waitedMs(one, now))
  Metrics.overdue.set(Math.max(0, ...waiting) / 1_000)
}

const forget = (cause: Cause.Cause<SupabaseError | Cause.TimeoutException>) =>
  Effect.suspend(() => {
    Metrics.statusFailures.add(1)
    for (const state of StateName.literals) Metrics.schedules.set(Number.NaN, state)
    Metrics.overdue.set(Number.NaN)
    return Effect.logDebug(`The status could not be read for the metrics: ${Cause.squash(cause)}`)
  })

/**
 * Returns how long an integration has been overdue, or how long its next slot has been due, in milliseconds. Returns 0 if the
 * slot cannot start.
 */
const waitedMs = (one: IntegrationState, now: number): number => {
  const { breaker_until, enabled, live_run, next_run_at, schedule_error, since, state } = one
  if (state === "overdue") return now - (since ?? now)
  const isHeld = breaker_until !== null && breaker_until > now
  const isWaiting = enabled && schedule_error === null && live_run === null && !isHeld
  return isWaiting && next_run_at !== null ? Math.max(0, now - next_run_at) : 0
}
