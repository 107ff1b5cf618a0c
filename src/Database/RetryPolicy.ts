import { Duration, Effect, Schedule } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { isReadOnly } from "./SqlState.ts"

/**
 * Returns whether a failed call with a token may be retried with the same token. A retry is safe if the failed call had no effect
 * or if the database recognises the token. A Refused, Missing or Rejected call is not retried, because it would fail in the same
 * way.
 */
export const isRetryable = (error: SupabaseError): boolean =>
  error.reason === "NotExecuted" || error.reason === "Ambiguous" || error.reason === "Malformed"

/**
 * Returns whether the error may be temporary. An error is permanent if the database is read-only, or if its address or
 * certificate is wrong.
 */
export const isAway = (error: SupabaseError): boolean =>
  (error.reason === "NotExecuted" || error.reason === "Ambiguous") &&
  !isReadOnly(error) &&
  error.isPermanent !== true

/**
 * Retries a call that is safe to repeat, for at most `withinMs`, with a jittered backoff from 100 ms to 5 s.
 * *Fails with* the last error.
 */
export const retryFor =
  (withinMs: number) =>
  <A, R>(call: Effect.Effect<A, SupabaseError, R>): Effect.Effect<A, SupabaseError, R> =>
    Effect.catchIf(call, isRetryable, (first) => {
      // The retry schedule is created only after a failure, because nearly all calls succeed on the first attempt.
      let isKnown = true
      const again = Effect.suspend(() => {
        if (!isKnown) return call
        isKnown = false
        return Effect.fail(first)
      })
      return Effect.retry(again, {
        while: isRetryable,
        schedule: Schedule.exponential("100 millis", 2).pipe(
          Schedule.union(Schedule.spaced("5 seconds")),
          Schedule.jittered,
          Schedule.modifyDelay((_, delay) => Duration.millis(Math.ceil(Duration.toMillis(delay)))),
          Schedule.upTo(Duration.millis(withinMs))
        )
      })
    })
