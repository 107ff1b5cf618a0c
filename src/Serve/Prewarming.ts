import { Clock, Effect } from "effect"
import { readUpcomingWarmUps } from "../Domain/WarmUpRpc.ts"
import { makeFunctions, prewarm } from "../Engine/Warming.ts"
import { Supabase } from "../Services/Supabase.ts"
import type { Job } from "./Job.ts"

/** How long before a slot its function is woken. */
const LEAD_MS = 30_000
/** How often it is looked for slots to come. */
const LOOK_EVERY_MS = 30_000
/** A slot that is this little further away than the next look is seen now already. */
const MARGIN_MS = 5_000

interface Upcoming {
  readonly function_name: string | null
  readonly next_run_at: number
}

/**
 * Wakes functions 30 s before the slots that are coming, whatever the interval of the ticks. A function is woken once
 * for its next slot; after that slot it is warm by its runs. What is seen later than that is woken at once.
 */
export const prewarming = () => {
  /** The slot that each function was last woken for, or is about to be. */
  const planned = new Map<string | null, number>()
  const isNew = ({ function_name, next_run_at }: Upcoming): boolean =>
    (planned.get(function_name) ?? 0) < next_run_at
  return {
    name: "pre-warming",
    everyMs: LOOK_EVERY_MS,
    turn: Effect.gen(function* () {
      const supabase = yield* Supabase
      const horizonMs = LEAD_MS + LOOK_EVERY_MS + MARGIN_MS
      const seen = yield* supabase.call(readUpcomingWarmUps, { p_within_seconds: horizonMs / 1000 })
      const now = yield* Clock.currentTimeMillis
      for (const [function_name, slot] of planned) {
        if (slot < now - horizonMs) planned.delete(function_name)
      }
      const upcoming = seen.filter(isNew)
      for (const { function_name, next_run_at } of upcoming) planned.set(function_name, next_run_at)
      // Children of the job: they go on while it waits for its next turn, and end with it.
      yield* Effect.forEach(bySlot(upcoming), ([slot, names]) =>
        Effect.fork(Effect.delay(wake(names), Math.max(0, slot - LEAD_MS - now)))
      )
    }).pipe(
      Effect.catchAll((error) =>
        Effect.logDebug(`Slots to come could not be read: ${error.message}`)
      )
    )
  } satisfies Job<unknown>
}

const wake = (names: ReadonlyArray<string | null>) =>
  Effect.flatMap(makeFunctions, (functions) => prewarm(names, functions))

const bySlot = (upcoming: ReadonlyArray<Upcoming>): Map<number, Array<string | null>> => {
  const slots = new Map<number, Array<string | null>>()
  for (const { function_name, next_run_at } of upcoming) {
    slots.set(next_run_at, [...(slots.get(next_run_at) ?? []), function_name])
  }
  return slots
}
