import { Duration, Effect, Schedule } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { isReadOnly } from "./SqlState.ts"

/**
 * Returns whether a call can be retried with the same token. This is safe if the call had no effect or the database recognises
 * the token. A Refused, Missing or Rejected call would fail again.
 */
export const isRetryable = (error: SupabaseError): boolean =>
  error.reason === "NotExecuted" || error.reason === "Ambiguous" || error.reason === "Malformed"

/** Returns false if waiting cannot help: the database is read-only, or its address or certificate is wrong. */
export const isAway = (error: SupabaseError): boolean =>
  (error.reason === "NotExecuted" || error.reason === "Ambiguous") &&
  !isReadOnly(error) &&
  error.isPermanent !== true

/** Retries a call for at most `withinMs`, with a jittered backoff from 100 ms to 5 s. *Fails with* the last error. */
export const retryFor =
  (withinMs: number) =>
  <A, R>(call: Effect.Effect<A, SupabaseError, R>): Effect.Effect<A, SupabaseError, R> =>
    Effect.catchIf(call, isRetryable, (first) => {
      // Creates the schedule only after a failure, because nearly all calls succeed.
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
