import { Effect } from "effect"

/** Outcomes that wait to be recorded, at most: one batch of them. */
const MAX_UNRECORDED = 100
/** The most runs that are claimed ahead of their start, and for how long ahead. */
const MAX_CLAIMED = 100
const CLAIM_AHEAD_MS = 1_000
/** The most runs that are started ahead of the workers, however fast the functions are. */
const MAX_STARTED_AHEAD = 50
/** Runs are started ahead only where waiting for the database would take more than this share of the time. */
const WORTHWHILE = 0.01
/** Weight of the newest measurement in a moving average. */
const NEWEST = 0.1

/** A run's way through the tick: admitted (it is being started, waits or is invoked), unrecorded, gone. */
export interface Place {
  /** The invocation is over: the next run may be started while the outcome is recorded. */
  readonly leave: (tookMs: number) => void
  /** Nothing of it is left. Repeating it does nothing. */
  readonly close: () => void
}

/**
 * How many runs of a tick may be on their way, beside the bound on invocations itself. *Guarantees*: started ahead of the
 * workers are as many as finish while the database confirms a start, at most 50, and none where that would save less
 * than one per cent; at most 100 outcomes are not recorded yet.
 */
export class Places {
  private open = 0
  private unrecorded = 0
  private onRoom: (() => void) | null = null
  private onClosed: (() => void) | null = null
  private startMs = Number.POSITIVE_INFINITY
  private startStrayMs = 0
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

  /** Whether one more run may be started. */
  get hasRoom(): boolean {
    return this.open < this.limit && this.unrecorded < MAX_UNRECORDED
  }

  /** Waits until one more run may be started. */
  readonly untilRoom: Effect.Effect<void> = Effect.suspend(() => this.until(() => this.hasRoom))

  /** Waits until every admitted run is gone. */
  readonly empty: Effect.Effect<void> = Effect.suspend(() =>
    this.until(() => this.open + this.unrecorded === 0)
  )

  /** Waits until every admitted run is gone and, by the caller's word, none waits to be admitted. */
  readonly untilIdle = (isAwaited: () => boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      const isIdle = () => this.open + this.unrecorded === 0 && !isAwaited()
      if (isIdle()) return Effect.void
      return Effect.async<void>((resume) => {
        this.onClosed = () => {
          if (isIdle()) resume(Effect.void)
        }
        return Effect.sync(() => {
          this.onClosed = null
        })
      })
    })

  /** A run that is being started. Close its place. */
  admit(): Place {
    this.open += 1
    let at: "open" | "unrecorded" | "gone" = "open"
    const leave = () => {
      this.open -= 1
      this.unrecorded += 1
      at = "unrecorded"
    }
    return {
      leave: (tookMs) => {
        this.runMs = average(this.runMs, tookMs)
        if (at === "open") leave()
        this.onRoom?.()
      },
      close: () => {
        if (at === "open") leave()
        if (at === "unrecorded") this.unrecorded -= 1
        at = "gone"
        this.onRoom?.()
        this.onClosed?.()
      }
    }
  }

  /** Learns how long the database took to confirm a start. */
  confirmed(tookMs: number): void {
    const strayMs = Number.isFinite(this.startMs) ? Math.abs(tookMs - this.startMs) : 0
    this.startStrayMs = average(this.startStrayMs, strayMs)
    this.startMs = average(this.startMs, tookMs)
  }

  /** *Source* of the bound on how long a start takes: RFC 6298, section 2. */
  private get limit(): number {
    const share = (this.startMs + 4 * this.startStrayMs) / this.runMs
    const ahead = share >= WORTHWHILE ? Math.ceil(this.concurrency * share) : 0
    return this.concurrency + Math.min(ahead, MAX_STARTED_AHEAD)
  }

  private until(holds: () => boolean): Effect.Effect<void> {
    if (holds()) return Effect.void
    return Effect.async<void>((resume) => {
      this.onRoom = () => {
        if (!holds()) return
        this.onRoom = null
        resume(Effect.void)
      }
      return Effect.sync(() => {
        this.onRoom = null
      })
    })
  }
}

const average = (before: number, now: number): number =>
  Number.isFinite(before) ? before + NEWEST * (now - before) : now
