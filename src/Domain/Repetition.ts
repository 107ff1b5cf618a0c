import { Duration, Effect, Schedule } from "effect"
import type { SupabaseError } from "./Errors.ts"

/**
 * Whether a call that carries a token may be made again with the same token: it had no effect, or the database will
 * recognise it. Refused, Missing and Rejected answers would only come again.
 */
export const isRepeatable = (error: SupabaseError): boolean =>
  error.reason === "NotExecuted" || error.reason === "Ambiguous" || error.reason === "Malformed"

/**
 * Repeats a call that is safe to repeat, with jittered backoff from 100 ms to 5 s, for at most `withinMs`.
 * *Fails with* the last error.
 */
export const repeatFor =
  (withinMs: number) =>
  <A, R>(call: Effect.Effect<A, SupabaseError, R>): Effect.Effect<A, SupabaseError, R> =>
    Effect.catchIf(call, isRepeatable, (first) => {
      // Only a call that failed pays for the schedule: nearly all succeed at once.
      let isKnown = true
      const again = Effect.suspend(() => {
        if (!isKnown) return call
        isKnown = false
        return Effect.fail(first)
      })
      return Effect.retry(again, {
        while: isRepeatable,
        schedule: Schedule.exponential("100 millis", 2).pipe(
          Schedule.union(Schedule.spaced("5 seconds")),
          Schedule.jittered,
          Schedule.upTo(Duration.millis(withinMs))
        )
      })
    })
