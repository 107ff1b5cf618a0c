import { Clock, Effect } from "effect"
import { readUpcomingWarmUps } from "../Database/WarmUpRpc.ts"
import { make as makeFunctions } from "../Engine/WarmUp.ts"
import { Supabase } from "../Services/Supabase.ts"
import type { RecurringJob } from "./RecurringJob.ts"

/** The time between a warm-up and its slot, in milliseconds. */
const LEAD_MS = 30_000
const LOOK_EVERY_MS = 30_000
/** The overlap between the periods of two consecutive reads, in milliseconds. Without it, a slot could be found too late. */
const MARGIN_MS = 5_000

interface Upcoming {
  readonly function_name: string | null
  readonly next_run_at: number
}

/**
 * Warms up functions 30 s before their upcoming slots, regardless of the tick interval. Sends at most one warm-up
 * per function and slot.
 */
export const prewarmJob = () => {
  /** The last slot for which a warm-up was planned, by function name. */
  const planned = new Map<string | null, number>()
  const isNew = ({ function_name, next_run_at }: Upcoming): boolean =>
    (planned.get(function_name) ?? 0) < next_run_at
  return {
    name: "pre-warming",
    everyMs: LOOK_EVERY_MS,
    iterate: Effect.gen(function* () {
      const supabase = yield* Supabase
      const horizonMs = LEAD_MS + LOOK_EVERY_MS + MARGIN_MS
      const seen = yield* supabase.call(readUpcomingWarmUps, { p_within_seconds: horizonMs / 1000 })
      const now = yield* Clock.currentTimeMillis
      for (const [function_name, slot] of planned) {
        if (slot < now - horizonMs) planned.delete(function_name)
      }
      const upcoming = seen.filter(isNew)
      for (const { function_name, next_run_at } of upcoming) planned.set(function_name, next_run_at)
      // The delayed warm-ups outlive this iteration and end with the job.
      yield* Effect.forEach(bySlot(upcoming), ([slot, names]) =>
        Effect.fork(Effect.delay(wake(names), Math.max(0, slot - LEAD_MS - now)))
      )
    }).pipe(
      Effect.catchAll((error) =>
        Effect.logDebug(`Upcoming slots could not be read: ${error.message}`)
      )
    )
  } satisfies RecurringJob<unknown>
}

const wake = (names: ReadonlyArray<string | null>) =>
  Effect.flatMap(makeFunctions, (functions) => functions.prewarm(names))

const bySlot = (upcoming: ReadonlyArray<Upcoming>): Map<number, Array<string | null>> => {
  const slots = new Map<number, Array<string | null>>()
  for (const { function_name, next_run_at } of upcoming) {
    slots.set(next_run_at, [...(slots.get(next_run_at) ?? []), function_name])
  }
  return slots
}
