import { Effect } from "effect"

/** Outcomes that wait to be recorded, at most: one batch of them. */
const MAX_UNRECORDED = 100
/** The most runs that are claimed ahead of their start, and for how long ahead. */
const MAX_CLAIMED = 100
const CLAIM_AHEAD_MS = 1_000
/** Runs are started ahead only where waiting for the database would take more than this share of the time. */
const WORTHWHILE = 0.01
/** How often those who wait for a place are looked after. */
const PATIENCE_MS = 1_000
/** Weight of the newest measurement in a moving average. */
const NEWEST = 0.1

/** A run's way through the tick: admitted (it is being started), in its place (invoked), unrecorded, gone. */
export interface Place {
  /** Waits for a place among the runs in flight, for at most so long; false: it did not get one. */
  readonly enter: (withinMs: number) => Effect.Effect<boolean>
  /** The invocation is over: the next run may have the place while the outcome is recorded. */
  readonly leave: (tookMs: number) => void
  /** Nothing of it is left. Repeating it does nothing. */
  readonly close: () => void
}

interface Entering {
  /** Rounds of the watch that it may still wait. */
  left: number
  readonly resolve: (mayEnter: boolean) => void
}

/**
 * How many runs of a tick may be where. *Guarantees*: at most `concurrency` are invoked at a time; started ahead of them
 * are as many as finish while the database confirms a start, at most `concurrency`, and none where that would save less
 * than one per cent; at most 100 outcomes are not recorded yet.
 */
export class Places {
  private open = 0
  private inFlight = 0
  private unrecorded = 0
  private isStopped = false
  private isWatched = false
  private entering: Array<Entering> = []
  private onRoom: (() => void) | null = null
  private startMs = 0
  private runMs = Number.POSITIVE_INFINITY
  private readonly concurrency: number

  constructor(concurrency: number) {
    this.concurrency = concurrency
  }

  /** How many runs to claim ahead of their start: what one second needs, at least `concurrency`. */
  get claimAhead(): number {
    const perSecond = Math.ceil((this.concurrency * CLAIM_AHEAD_MS) / Math.max(this.runMs, 1))
    return Math.min(Math.max(perSecond, this.concurrency), MAX_CLAIMED)
  }

  /** Waits until one more run may be started. */
  readonly room: Effect.Effect<void> = Effect.suspend(() => {
    if (this.hasRoom) return Effect.void
    return Effect.async<void>((resume) => {
      this.onRoom = () => {
        if (!this.hasRoom) return
        this.onRoom = null
        resume(Effect.void)
      }
      return Effect.sync(() => {
        this.onRoom = null
      })
    })
  })

  /** A run that is being started. Close its place. */
  admit(): Place {
    this.open += 1
    let at: "starting" | "inFlight" | "unrecorded" | "gone" = "starting"
    const leave = () => {
      if (at === "inFlight") {
        this.inFlight -= 1
        this.letIn()
      }
      this.open -= 1
      this.unrecorded += 1
      at = "unrecorded"
      this.onRoom?.()
    }
    return {
      enter: (withinMs) =>
        at === "inFlight"
          ? Effect.succeed(true)
          : Effect.map(this.enter(withinMs), (mayEnter) => {
              if (mayEnter) at = "inFlight"
              return mayEnter
            }),
      leave: (tookMs) => {
        if (at === "inFlight") this.runMs = average(this.runMs, tookMs)
        leave()
      },
      close: () => {
        if (at === "starting" || at === "inFlight") leave()
        if (at === "unrecorded") this.unrecorded -= 1
        at = "gone"
        this.onRoom?.()
      }
    }
  }

  /** Learns how long the database took to confirm a start. */
  confirmed(tookMs: number): void {
    this.startMs = average(this.startMs === 0 ? Number.POSITIVE_INFINITY : this.startMs, tookMs)
  }

  /** From now on whoever would have to wait for a place does not get one. */
  stop(): void {
    this.isStopped = true
    const left = this.entering
    this.entering = []
    for (const { resolve } of left) resolve(false)
  }

  /** Waits until every admitted run is gone. */
  readonly empty: Effect.Effect<void> = Effect.suspend(() => {
    if (this.open + this.unrecorded === 0) return Effect.void
    return Effect.async<void>((resume) => {
      this.onRoom = () => {
        if (this.open + this.unrecorded > 0) return
        this.onRoom = null
        resume(Effect.void)
      }
    })
  })

  private get startAhead(): number {
    const share = this.startMs / this.runMs
    return share < WORTHWHILE ? 0 : Math.min(Math.ceil(this.concurrency * share), this.concurrency)
  }

  private get hasRoom(): boolean {
    const limit = this.concurrency + this.startAhead
    return this.open < limit && this.unrecorded < MAX_UNRECORDED
  }

  private enter(withinMs: number): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.inFlight < this.concurrency) {
        this.inFlight += 1
        return Effect.succeed(true)
      }
      if (this.isStopped) return Effect.succeed(false)
      const waiting = Effect.async<boolean>((resume) => {
        this.entering.push({
          left: Math.ceil(withinMs / PATIENCE_MS),
          resolve: (mayEnter) => resume(Effect.succeed(mayEnter))
        })
      })
      if (this.isWatched) return waiting
      this.isWatched = true
      return Effect.zipRight(Effect.forkDaemon(this.watch), waiting)
    })
  }

  /** Turns away who waited too long: one fiber for all of them, as long as somebody waits. */
  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    if (this.entering.length === 0) {
      this.isWatched = false
      return Effect.void
    }
    return Effect.delay(
      Effect.suspend(() => {
        const late = this.entering.filter((one) => --one.left <= 0)
        this.entering = this.entering.filter((one) => one.left > 0)
        for (const { resolve } of late) resolve(false)
        return this.watch
      }),
      PATIENCE_MS
    )
  })

  private letIn(): void {
    const next = this.entering.shift()
    if (next === undefined) return
    this.inFlight += 1
    next.resolve(true)
  }
}

const average = (before: number, now: number): number =>
  Number.isFinite(before) ? before + NEWEST * (now - before) : now
