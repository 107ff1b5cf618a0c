import { type Clock, Effect, type Fiber, FiberId } from "effect"

/**
 * Runs an asynchronous operation for at most `ms` milliseconds. `begin` calls `resume` once with the result, and returns a
 * function that cancels the operation. After the deadline, the operation is cancelled, and `onTimeout` supplies the result. An
 * interruption also cancels the operation.
 *
 * Every invocation and every database call uses this function, which avoids a timer and a race for each operation.
 */
export const asyncWithDeadline = <A, E>(options: {
  readonly ms: number
  readonly begin: (resume: (result: Effect.Effect<A, E>) => void) => () => void
  readonly onTimeout: () => Effect.Effect<A, E>
}): Effect.Effect<A, E> =>
  Effect.clockWith((clock) =>
    Effect.async<A, E>((resume) => {
      const deadlines = deadlinesOf(clock)
      const lift = deadlines.set(options.ms, () => {
        end()
        resume(options.onTimeout())
      })
      const end = options.begin((result) => {
        lift()
        resume(result)
      })
      return Effect.sync(() => {
        lift()
        end()
      })
    })
  )

interface Deadline {
  /** The time on the monotonic clock, in nanoseconds. */
  readonly at: bigint
  readonly expire: () => void
}

/**
 * The pending deadlines on one clock. One fiber sleeps until the earliest deadline. Its sleep is interrupted only by an earlier
 * deadline or when no deadline is left.
 */
class Deadlines {
  private readonly lengths = new Map<number, Set<Deadline>>()
  private pending = 0
  private watcher: Fiber.RuntimeFiber<void> | null = null
  private wakesAt = 0n
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** Returns a function that clears the deadline. */
  set(ms: number, expire: () => void): () => void {
    const at = this.clock.unsafeCurrentTimeNanos() + BigInt(Math.ceil(ms * 1e6))
    const deadline = { at, expire }
    const alike = this.lengths.get(ms) ?? new Set()
    this.lengths.set(ms, alike.add(deadline))
    this.pending += 1
    if (this.watcher === null || at < this.wakesAt) this.watchUntil(at)
    return () => {
      if (alike.delete(deadline)) this.lifted()
    }
  }

  private watchUntil(at: bigint): void {
    this.watcher?.unsafeInterruptAsFork(FiberId.none)
    this.wakesAt = at
    this.watcher = Effect.runFork(Effect.withClock(this.watch, this.clock))
  }

  /** Interrupts the fiber when no deadline is left, because a sleeping fiber keeps the process alive. */
  private lifted(): void {
    this.pending -= 1
    if (this.pending > 0) return
    this.watcher?.unsafeInterruptAsFork(FiberId.none)
    this.watcher = null
  }

  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    const leftNs = this.wakesAt - this.clock.unsafeCurrentTimeNanos()
    if (leftNs > 0n) return Effect.delay(this.watch, Math.ceil(Number(leftNs) / 1e6))
    const next = this.expireUntil(this.wakesAt)
    if (next === null) return Effect.void
    this.wakesAt = next
    return this.watch
  })

  /** Expires the deadlines up to `now`. Returns the time of the next deadline; null if there is none. */
  private expireUntil(now: bigint): bigint | null {
    let next: bigint | null = null
    for (const alike of this.lengths.values()) {
      for (const deadline of alike) {
        if (deadline.at > now) {
          if (next === null || deadline.at < next) next = deadline.at
          break
        }
        alike.delete(deadline)
        deadline.expire()
        this.lifted()
      }
    }
    return next
  }
}

const known = new WeakMap<Clock.Clock, Deadlines>()

const deadlinesOf = (clock: Clock.Clock): Deadlines => {
  const deadlines = known.get(clock) ?? new Deadlines(clock)
  known.set(clock, deadlines)
  return deadlines
}
