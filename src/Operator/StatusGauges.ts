import { Cause, Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { StateName } from "../Domain/State.ts"
import * as Metrics from "../Metrics.ts"
import type { Supabase } from "../Services/Supabase.ts"
import { type IntegrationState, type Overview, readOverview } from "./Overview.ts"

/** Reading the status of 20,000 integrations takes some seconds. */
const READ_WITHIN_MS = 20_000

/**
 * Reads how everything stands and sets the metrics that come from the database: what is overdue, and how many integrations
 * are in which state. *Guarantees*: never fails, bounded in time; where it cannot be read they are not a number, because an
 * old one would look like a good one.
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

/** How long a due slot waits that nobody has started, or a run that nobody looks after any more. */
const waitedMs = (one: IntegrationState, now: number): number => {
  const { enabled, live_run, next_run_at, schedule_error, since, state } = one
  if (state === "overdue") return now - (since ?? now)
  const isWaiting = enabled && schedule_error === null && live_run === null
  return isWaiting && next_run_at !== null ? Math.max(0, now - next_run_at) : 0
}
