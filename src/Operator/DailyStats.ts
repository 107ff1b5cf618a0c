import { Effect } from "effect"
import { readActivity, readFigures } from "../Database/OperatorRpc.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { IntegrationStatus } from "../Domain/IntegrationStatus.ts"
import * as Schedule from "../Domain/Schedule/Schedule.ts"
import { Supabase } from "../Services/Supabase.ts"

const READ_WITHIN_MS = 5_000
const HOUR_MS = 3_600_000

/** The response of `GET /api/activity`. */
export const DailyStats = readActivity.result
export type DailyStats = typeof DailyStats.Type

/** The response of `GET /api/figures`: the start lag for the last day, and the results of the previous days. */
export const Figures = readFigures.result
export type Figures = typeof Figures.Type

/** Reads the activity of at most 1,000 integrations for the slots in [from, to). The default period is the last day. */
export const activityOf = (
  integrationIds: ReadonlyArray<string>,
  window: { readonly from?: number; readonly to?: number; readonly runsEach?: number } = {}
): Effect.Effect<DailyStats, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase
      .call(readActivity, {
        p_integration_ids: integrationIds,
        ...(window.from === undefined ? {} : { p_from: window.from }),
        ...(window.to === undefined ? {} : { p_to: window.to }),
        ...(window.runsEach === undefined ? {} : { p_runs_each: window.runsEach })
      })
      .pipe(retryFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.activityOf"))

/**
 * Reads the figures of one integration, or of all integrations. Reading all takes a tenth of a second, even with hundreds of
 * thousands of runs a day.
 */
export const readFiguresOf = (
  integrationId?: string,
  days = 90
): Effect.Effect<Figures, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase
      .call(readFigures, {
        p_days: days,
        ...(integrationId === undefined ? {} : { p_integration_id: integrationId })
      })
      .pipe(retryFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.readFigures"))

/** Returns the number of slots that are due in each hour, starting with the current hour. */
export const upcomingLoad = (
  statuses: ReadonlyArray<Pick<IntegrationStatus, "enabled" | "schedule" | "timezone">>,
  now: number,
  hours = 24
): ReadonlyArray<{ readonly hour: number; readonly slots: number }> => {
  const start = now - (now % HOUR_MS)
  const load = Array.from({ length: hours }, (_, n) => ({ hour: start + n * HOUR_MS, slots: 0 }))
  // Many integrations share a schedule, so each schedule is computed only once.
  const kinds = new Map<
    string,
    { readonly schedule: string; readonly timezone: string; count: number }
  >()
  for (const { enabled, schedule, timezone } of statuses) {
    if (!enabled || schedule === null) continue
    const key = JSON.stringify([schedule, timezone])
    const known = kinds.get(key)
    if (known === undefined) kinds.set(key, { schedule, timezone, count: 1 })
    else known.count += 1
  }
  for (const { count, schedule, timezone } of kinds.values()) {
    const parsed = Schedule.parse(schedule, timezone)
    if (parsed._tag === "Left") continue
    for (const one of load) {
      const from = Math.max(one.hour - 1, now)
      one.slots += Schedule.summarise(parsed.right, from, one.hour + HOUR_MS - 1).count * count
    }
  }
  return load
}
