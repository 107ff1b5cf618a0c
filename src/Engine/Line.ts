import { Effect, type Option } from "effect"
import { underOwnSpan } from "../Domain/Tracing.ts"

/**
 * How much later a result is given: one turn of the event loop. What functions answered at the same time is heard first, so
 * that their workers send the next ones before anything is recorded.
 */
const A_TURN_MS = 0
/** How often those who wait are looked after. */
const PATIENCE_MS = 1_000

interface Waiting {
  /** Rounds of the watch that it may still wait. */
  left: number
  readonly work: Effect.Effect<void>
  readonly turnAway: () => void
}

/**
 * Where started runs wait for one of the workers that invoke. First come, first served. A worker does one piece of work
 * at a time, so there is never more under way than there are workers.
 */
export class Line {
  private waiting: Array<Waiting> = []
  private readonly idle: Array<(work: Effect.Effect<void> | undefined) => void> = []
  private isStopped = false
  private isEnded = false
  private isWatched = false

  /** Whether it was stopped: nothing is to be begun any more. */
  get isOver(): boolean {
    return this.isStopped
  }

  /**
   * Has this done by a worker, and answers its result; none when no worker was free for so long, or the line stopped.
   */
  readonly send = <A>(work: Effect.Effect<A>, withinMs: number): Effect.Effect<Option.Option<A>> =>
    Effect.flatMap(underOwnSpan(work), (owned) => {
      const sent = Effect.async<Option.Option<A>>((resume) => {
        const answering = Effect.matchCause(owned, {
          onFailure: (cause) => resume(Effect.failCause(cause)),
          onSuccess: (value) => resume(Effect.delay(Effect.succeedSome(value), A_TURN_MS))
        })
        if (this.isStopped) return resume(Effect.succeedNone)
        const worker = this.idle.shift()
        if (worker !== undefined) worker(answering)
        else {
          this.waiting.push({
            left: Math.ceil(withinMs / PATIENCE_MS),
            work: answering,
            turnAway: () => resume(Effect.succeedNone)
          })
        }
      })
      if (this.isWatched || this.idle.length > 0) return sent
      this.isWatched = true
      return Effect.zipRight(Effect.forkDaemon(this.watch), sent)
    })

  /** The next piece of work, for a worker; undefined when there will be none. */
  readonly take: Effect.Effect<Effect.Effect<void> | undefined> = Effect.suspend(() => {
    const next = this.waiting.shift()
    if (next !== undefined) return Effect.succeed(next.work)
    if (this.isEnded) return Effect.succeed(undefined)
    return Effect.async((resume) => {
      this.idle.push((work) => resume(Effect.succeed(work)))
    })
  })

  /** From now on nothing is begun: who waits is turned away, and so is whoever comes. */
  stop(): void {
    this.isStopped = true
    const left = this.waiting
    this.waiting = []
    for (const { turnAway } of left) turnAway()
  }

  /** Nothing more comes: workers that have nothing to do may go. */
  end(): void {
    this.isEnded = true
    for (const worker of this.idle.splice(0)) worker(undefined)
  }

  /** Turns away who waited too long: one fiber for all of them, as long as somebody waits. */
  private readonly watch: Effect.Effect<void> = Effect.delay(
    Effect.suspend(() => {
      const late = this.waiting.filter((one) => --one.left <= 0)
      this.waiting = this.waiting.filter((one) => one.left > 0)
      for (const { turnAway } of late) turnAway()
      if (this.waiting.length > 0) return this.watch
      this.isWatched = false
      return Effect.void
    }),
    PATIENCE_MS
  )
}
