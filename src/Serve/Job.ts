import { Cause, Clock, Effect } from "effect"
import { nextTurn } from "./Beat.ts"

/** Something that `serve` does again and again, beside everything else. */
export interface Job<R> {
  /** As logs and `/readyz?verbose` name it. */
  readonly name: string
  readonly everyMs: number
  /** One turn. Whatever goes wrong in it, a bug included, is logged, and the next turn comes. */
  readonly turn: Effect.Effect<void, never, R>
  /** Told of beats that passed while a turn was still at it. */
  readonly onSkipped?: (count: number) => Effect.Effect<void>
}

/**
 * Has a turn at once, and then at every beat. Never two turns at a time: a turn that takes longer than the interval is
 * followed at once by the next one, which stands for all beats that came meanwhile.
 *
 * *Guarantees*: ends only by interruption, which reaches the turn under way and waits for it.
 */
export const repeat = <R>(job: Job<R>): Effect.Effect<never, never, R> =>
  Effect.gen(function* () {
    let beat = yield* Clock.currentTimeMillis
    for (;;) {
      yield* Effect.catchAllCause(job.turn, (cause) => logDefect(job.name, cause))
      const turn = nextTurn(beat, yield* Clock.currentTimeMillis, job.everyMs)
      if (turn.skipped > 0 && job.onSkipped !== undefined) yield* job.onSkipped(turn.skipped)
      yield* Effect.sleep(turn.waitMs)
      beat = Math.max(turn.beat, yield* Clock.currentTimeMillis)
    }
  })

const logDefect = (name: string, cause: Cause.Cause<never>): Effect.Effect<void> =>
  Cause.isInterruptedOnly(cause)
    ? Effect.failCause(cause)
    : Effect.logError(`A bug in ${name}; it goes on at its next turn: ${Cause.pretty(cause)}`)

/** All jobs side by side. */
export const repeatAll = <R>(jobs: ReadonlyArray<Job<R>>): Effect.Effect<void, never, R> =>
  Effect.forEach(jobs, repeat, { concurrency: "unbounded", discard: true })
