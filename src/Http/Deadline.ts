import { type Clock, Effect, type Fiber, FiberId } from "effect"

/**
 * Something asynchronous with a deadline: no timer and no race of its own, because this is on the way of every invocation
 * and of every call of the database. `begin` says once what came of it, and answers what ends it; `onTimeout` takes its
 * place when `ms` have passed. Interruption and the deadline end it.
 */
export const asyncWithin = <A, E>(options: {
  readonly ms: number
  readonly begin: (resume: (result: Effect.Effect<A, E>) => void) => () => void
  readonly onTimeout: () => Effect.Effect<A, E>
}): Effect.Effect<A, E> =>
  Effect.clockWith((clock) =>
    Effect.async<A, E>((resume) => {
      const deadlines = deadlinesOf(clock, options.ms)
      const deadline = deadlines.set(() => {
        end()
        resume(options.onTimeout())
      })
      const end = options.begin((result) => {
        deadlines.lift(deadline)
        resume(result)
      })
      return Effect.sync(() => {
        deadlines.lift(deadline)
        end()
      })
    })
  )

interface Deadline {
  /** By the clock's monotonic time, in nanoseconds. */
  readonly at: bigint
  readonly expire: () => void
}

/** Deadlines of one length: the first that was set is the first to pass, so one sleeping fiber watches all of them. */
class Deadlines {
  private readonly pending = new Set<Deadline>()
  private watcher: Fiber.RuntimeFiber<void> | null = null
  private readonly clock: Clock.Clock
  private readonly ms: number

  constructor(clock: Clock.Clock, ms: number) {
    this.clock = clock
    this.ms = ms
  }

  set(expire: () => void): Deadline {
    const at = this.clock.unsafeCurrentTimeNanos() + BigInt(Math.ceil(this.ms * 1e6))
    const deadline = { at, expire }
    this.pending.add(deadline)
    this.watcher ??= Effect.runFork(Effect.withClock(this.watch, this.clock))
    return deadline
  }

  /** Need not be kept any more. With the last one the watch ends, so that no process waits for it. */
  lift(deadline: Deadline): void {
    if (!this.pending.delete(deadline) || this.pending.size > 0) return
    this.watcher?.unsafeInterruptAsFork(FiberId.none)
    this.watcher = null
  }

  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    const [first] = this.pending
    if (first === undefined) return Effect.void
    const leftNs = first.at - this.clock.unsafeCurrentTimeNanos()
    if (leftNs > 0n) return Effect.delay(this.watch, Math.ceil(Number(leftNs) / 1e6))
    this.lift(first)
    first.expire()
    return this.watch
  })
}

/** By clock, then by length; as many as there are different timeouts. */
const known = new WeakMap<Clock.Clock, Map<number, Deadlines>>()

const deadlinesOf = (clock: Clock.Clock, ms: number): Deadlines => {
  const lengths = known.get(clock) ?? new Map<number, Deadlines>()
  known.set(clock, lengths)
  const deadlines = lengths.get(ms) ?? new Deadlines(clock, ms)
  lengths.set(ms, deadlines)
  return deadlines
}
