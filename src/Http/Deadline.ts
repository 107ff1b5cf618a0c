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
  /** By the clock's monotonic time, in nanoseconds. */
  readonly at: bigint
  readonly expire: () => void
}

/**
 * What is pending by one clock. Of one length the first that was set is the first to pass, and a fiber sleeps until the
 * first of all: it is woken only for an earlier one, not for each that comes and goes.
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

  /** Answers what lifts it; repeating that does nothing. */
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

  /** With the last one the watch ends, so that no process waits for it. */
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

  /** Those whose time has come. Answers when the next one is. */
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
