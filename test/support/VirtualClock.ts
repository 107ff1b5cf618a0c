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
 * When no events remain at the current instant, the clock jumps to the next event. No timer or event loop is involved, so the
 * order of events depends only on the program.
 */
export class VirtualClock {
  /** In epoch milliseconds. */
  now: number
  count = 0
  private order = 0
  private readonly heap: Array<Event> = []
  private ready: Array<() => void> = []
  private stopped = false

  constructor(now: number) {
    this.now = now
  }

  at(instant: number, run: () => void): void {
    if (instant <= this.now) this.soon(run)
    else push(this.heap, { at: instant, order: this.order++, run })
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  /** Schedules an event after all events of the current instant. */
  soon(run: () => void): void {
    this.ready.push(run)
  }

  stop(): void {
    this.stopped = true
  }

  /** *Throws* after `maxEvents` events, which indicates an endless loop. */
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

const silent = Runtime.defaultRuntime.pipe(
  Runtime.setFiberRef(FiberRef.currentMinimumLogLevel, LogLevel.None),
  Runtime.setFiberRef(FiberRef.currentTracerEnabled, false)
)

/** Which of a process's clocks advance while the process is frozen. */
export type FreezeSeenBy = "both" | "wall" | "monotonic"

/** A process with its own clocks. When the process dies, no finalizers run, as after SIGKILL. */
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

  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    return Runtime.runFork(this.runtime)(effect, { scheduler: this.scheduler })
  }

  /** Delays the event until a freeze ends. A dead process gets no events. */
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

  /** A clock that stops during the freeze continues afterwards from the time at which it stopped. */
  freeze(ms: number, seenBy: FreezeSeenBy): void {
    if (this.isFrozen) return
    this.frozenUntil = this.time.now + ms
    this.time.at(this.frozenUntil, () => {
      if (seenBy === "monotonic") this.wallOffsetMs -= ms
      if (seenBy === "wall") this.monotonicOffsetMs -= ms
    })
  }

  /** The offset from true time, in ms. */
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
