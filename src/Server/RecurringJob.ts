import { Cause, Clock, Effect } from "effect"
import { nextIteration } from "./Interval.ts"

export interface RecurringJob<R> {
  /** The name of the job in the log. */
  readonly name: string
  readonly everyMs: number
  /** Performs one iteration. A defect is logged, and the job continues. */
  readonly iterate: Effect.Effect<void, never, R>
  /** Receives the number of missed intervals. */
  readonly onSkipped?: (count: number) => Effect.Effect<void>
}

/**
 * Runs the job immediately and then at every interval. Iterations never overlap.
 *
 * *Guarantees*: ends only when interrupted. Interruption stops the current iteration and waits for it to end.
 */
export const runForever = <R>(job: RecurringJob<R>): Effect.Effect<never, never, R> =>
  Effect.gen(function* () {
    let scheduledAt = yield* Clock.currentTimeMillis
    for (;;) {
      yield* Effect.catchAllCause(job.iterate, (cause) => logDefect(job.name, cause))
      const next = nextIteration(scheduledAt, yield* Clock.currentTimeMillis, job.everyMs)
      if (next.skipped > 0 && job.onSkipped !== undefined) yield* job.onSkipped(next.skipped)
      yield* Effect.sleep(next.waitMs)
      scheduledAt = Math.max(next.scheduledAt, yield* Clock.currentTimeMillis)
    }
  })

const logDefect = (name: string, cause: Cause.Cause<never>): Effect.Effect<void> =>
  Cause.isInterruptedOnly(cause)
    ? Effect.failCause(cause)
    : Effect.logError(
        `The job "${name}" failed because of a bug; it continues with its next iteration: ${Cause.pretty(cause)}`
      )

export const runAllForever = <R>(
  jobs: ReadonlyArray<RecurringJob<R>>
): Effect.Effect<void, never, R> =>
  Effect.forEach(jobs, runForever, { concurrency: "unbounded", discard: true })
