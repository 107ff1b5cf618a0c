import {
  Clock,
  Context,
  DefaultServices,
  Duration,
  Effect,
  type Fiber,
  FiberRef,
  LogLevel,
  Random,
  Runtime,
  type Scheduler
} from "effect"
import { IdGenerator } from "../../src/Domain/IdGenerator.ts"

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/**
 * The true clock of a simulated world. Everything that happens is an event on this clock. When no events remain at the current
 * instant, the clock jumps to the next event. No timer, promise or event loop is involved, so the order of events depends only
 * on the program, and a simulated hour takes only as long as its events take to run.
 */
export class VirtualClock {
  /** The current time, in epoch milliseconds. */
  now: number
  /** The number of events so far. */
  count = 0
  private order = 0
  private readonly heap: Array<Event> = []
  private ready: Array<() => void> = []
  private stopped = false

  constructor(now: number) {
    this.now = now
  }

  /** Schedules an event at an instant, or immediately if the instant has passed. */
  at(instant: number, run: () => void): void {
    if (instant <= this.now) this.soon(run)
    else push(this.heap, { at: instant, order: this.order++, run })
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  /** Schedules an event at the current instant, after all events already scheduled for it. */
  soon(run: () => void): void {
    this.ready.push(run)
  }

  /** Stops the clock: no more events run. */
  stop(): void {
    this.stopped = true
  }

  /** Advances time up to and including an instant. *Throws* after `maxEvents` events, which indicates an endless loop. */
  runUntil(instant: number, maxEvents: number): void {
    while (!this.stopped) {
      const batch = this.ready
      if (batch.length > 0) {
        this.ready = []
        for (const run of batch) {
          if (this.stopped) return
          this.count += 1
          run()
        }
      } else {
        const next = this.heap[0]
        if (next === undefined || next.at > instant) break
        pop(this.heap)
        this.now = next.at
        this.count += 1
        next.run()
      }
      if (this.count > maxEvents) throw new Error(`more than ${maxEvents} events`)
    }
    this.now = Math.max(this.now, instant)
  }
}

/** A runtime without logs or spans. */
const silent = Runtime.defaultRuntime.pipe(
  Runtime.setFiberRef(FiberRef.currentMinimumLogLevel, LogLevel.None),
  Runtime.setFiberRef(FiberRef.currentTracerEnabled, false)
)

/** Which of a process's clocks advance while the process is frozen. */
export type FreezeSeenBy = "both" | "wall" | "monotonic"

/**
 * A process in the simulated world. It has its own clocks, which may be wrong. Its fibers freeze or die with the process. A
 * process dies as with SIGKILL: nothing runs afterwards, not even a finalizer.
 */
export class VirtualProcess {
  isAlive = true
  private frozenUntil = Number.NEGATIVE_INFINITY
  private wallOffsetMs: number
  private monotonicOffsetMs = 0
  private readonly time: VirtualClock
  private readonly runtime: Runtime.Runtime<never>
  private readonly scheduler: Scheduler.Scheduler = {
    shouldYield: () => false,
    scheduleTask: (task) => this.time.soon(() => this.enter(task))
  }

  constructor(
    time: VirtualClock,
    options: {
      readonly seed: number
      readonly nextToken: () => string
      readonly wallOffsetMs?: number
    }
  ) {
    this.time = time
    this.wallOffsetMs = options.wallOffsetMs ?? 0
    const services = DefaultServices.liveServices.pipe(
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, Random.make(options.seed))
    )
    this.runtime = silent.pipe(
      Runtime.setFiberRef(DefaultServices.currentServices, services),
      Runtime.provideService(IdGenerator, { next: options.nextToken })
    )
  }

  /** Runs an effect in this process, with its clock, random source and tokens, but without logs or spans. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    return Runtime.runFork(this.runtime)(effect, { scheduler: this.scheduler })
  }

  /** Delivers an event to the process: immediately, after the freeze if the process is frozen, or never if it is dead. */
  enter(task: () => void): void {
    if (!this.isAlive) return
    if (this.isFrozen) this.time.at(this.frozenUntil, () => this.enter(task))
    else task()
  }

  kill(): void {
    this.isAlive = false
  }

  get isFrozen(): boolean {
    return this.time.now < this.frozenUntil
  }

  /**
   * Freezes the process for `ms` milliseconds. A clock that stops during the freeze continues from the time at which it
   * stopped.
   */
  freeze(ms: number, seenBy: FreezeSeenBy): void {
    if (this.isFrozen) return
    this.frozenUntil = this.time.now + ms
    this.time.at(this.frozenUntil, () => {
      if (seenBy === "monotonic") this.wallOffsetMs -= ms
      if (seenBy === "wall") this.monotonicOffsetMs -= ms
    })
  }

  /** Sets the wall clock's offset from true time in ms, which simulates a wrong or a corrected clock. */
  setWall(offsetMs: number): void {
    this.wallOffsetMs = offsetMs
  }

  readonly clock: Clock.Clock = makeClock(
    () => this.time.now + this.wallOffsetMs,
    () => BigInt(this.time.now + this.monotonicOffsetMs) * 1_000_000n,
    (ms, wake) => this.time.after(ms, () => this.enter(wake))
  )
}

const makeClock = (
  millis: () => number,
  nanos: () => bigint,
  wakeAfter: (ms: number, wake: () => void) => void
): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: millis,
  unsafeCurrentTimeNanos: nanos,
  currentTimeMillis: Effect.sync(millis),
  currentTimeNanos: Effect.sync(nanos),
  sleep: (duration) => {
    const ms = Math.ceil(Duration.toMillis(duration))
    return Effect.async<void>((resume) => wakeAfter(ms, () => resume(Effect.void)))
  }
})

const isBefore = (a: Event, b: Event): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order)

const push = (heap: Array<Event>, event: Event): void => {
  let index = heap.length
  heap.push(event)
  while (index > 0) {
    const above = (index - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isBefore(event, parent)) break
    heap[index] = parent
    index = above
  }
  heap[index] = event
}

const pop = (heap: Array<Event>): void => {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    const left = heap[2 * index + 1]
    const right = heap[2 * index + 2]
    if (left === undefined) break
    const isLeft = right === undefined || isBefore(left, right)
    const child = isLeft ? left : right
    if (!isBefore(child, last)) break
    heap[index] = child
    index = 2 * index + (isLeft ? 1 : 2)
  }
  heap[index] = last
}
