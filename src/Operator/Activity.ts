import { Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { readActivity, readFigures } from "../Domain/OperatorRpc.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import * as Schedule from "../Domain/Schedule.ts"
import type { Standing } from "../Domain/Standing.ts"
import { Supabase } from "../Services/Supabase.ts"

const READ_WITHIN_MS = 5_000
const HOUR_MS = 3_600_000

/** Runs and ranges of some integrations in short: `GET /api/activity`. */
export const Activity = readActivity.result
export type Activity = typeof Activity.Type

/** Start lag of the last day, and what the days before were like: `GET /api/figures`. */
export const Figures = readFigures.result
export type Figures = typeof Figures.Type

/** Reads what some integrations (at most 1,000) did for the slots in [from, to); the last day when left out. */
export const activityOf = (
  integrationIds: ReadonlyArray<string>,
  window: { readonly from?: number; readonly to?: number; readonly runsEach?: number } = {}
): Effect.Effect<Activity, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase
      .call(readActivity, {
        p_integration_ids: integrationIds,
        ...(window.from === undefined ? {} : { p_from: window.from }),
        ...(window.to === undefined ? {} : { p_to: window.to }),
        ...(window.runsEach === undefined ? {} : { p_runs_each: window.runsEach })
      })
      .pipe(repeatFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.activityOf"))

/**
 * Reads figures of all integrations, or of one. Of all it looks at every run of the last day: with hundreds of thousands
 * of them that takes a tenth of a second, so whoever shows it often keeps it for a minute.
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
      .pipe(repeatFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.readFigures"))

/**
 * How many slots come due in each hour from the beginning of the present one on, oldest first: what is ahead. Paused
 * integrations, and schedules that cannot be computed, have none.
 */
export const upcomingLoad = (
  standings: ReadonlyArray<Pick<Standing, "enabled" | "schedule" | "timezone">>,
  now: number,
  hours = 24
): ReadonlyArray<{ readonly hour: number; readonly slots: number }> => {
  const start = now - (now % HOUR_MS)
  const load = Array.from({ length: hours }, (_, n) => ({ hour: start + n * HOUR_MS, slots: 0 }))
  // Many integrations share a schedule: each is computed once.
  const kinds = new Map<
    string,
    { readonly schedule: string; readonly timezone: string; count: number }
  >()
  for (const { enabled, schedule, timezone } of standings) {
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
