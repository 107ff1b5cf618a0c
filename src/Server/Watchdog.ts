import { Clock, Effect } from "effect"
import type { Summary } from "../Domain/Summary.ts"

/**
 * How long a tick can go without progress before it is considered stalled, in milliseconds. Database calls and notifications time
 * out much sooner. The lease margin is added to this time. Time spent waiting for functions does not count.
 */
const STALL_AFTER_MS = 120_000

/** The monotonic clock, in milliseconds. */
export const monotonicMs: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)

export interface LastTick {
  readonly summary: Summary
  readonly endedMs: number
}

/** The liveness of `serve`, determined without database calls. All instants are monotonic milliseconds. */
export class Watchdog {
  /** The number of ticks that have ended. */
  ticks = 0
  /** The number of intervals missed because a tick took too long. */
  missedIntervals = 0
  isDraining = false
  private began: number | null = null
  private last: LastTick | null = null
  private movedMs: number
  private readonly until = new Map<string, number>()
  private readonly intervalMs: number
  private readonly stallAfterMs: number

  constructor(startedMs: number, intervalMs: number, leaseMarginMs: number) {
    this.movedMs = startedMs
    this.intervalMs = intervalMs
    this.stallAfterMs = STALL_AFTER_MS + leaseMarginMs
  }

  /** The start of the current tick; null between ticks. */
  get tickStartedMs(): number | null {
    return this.began
  }

  get lastTick(): LastTick | null {
    return this.last
  }

  /** The number of invocations in progress. */
  get inFlight(): number {
    return this.until.size
  }

  tickStarted(nowMs: number): void {
    this.began = nowMs
    this.movedMs = nowMs
  }

  tickEnded(nowMs: number, summary: Summary | null): void {
    this.began = null
    this.movedMs = nowMs
    this.ticks += 1
    if (summary !== null) this.last = { summary, endedMs: nowMs }
  }

  recordProgress(nowMs: number): void {
    this.movedMs = nowMs
  }

  /** Records an invocation that times out at `untilMs`. */
  invoked(runId: string, untilMs: number): void {
    this.until.set(runId, untilMs)
  }

  answered(runId: string, nowMs: number): void {
    this.until.delete(runId)
    this.movedMs = nowMs
  }

  /** Returns how long ticks have been stalled, in milliseconds; 0 if they are healthy. */
  stalledForMs(nowMs: number): number {
    const idleMs = this.began === null ? this.intervalMs : 0
    const expected = Math.max(this.movedMs + idleMs, ...this.until.values())
    return Math.max(0, nowMs - expected - this.stallAfterMs)
  }
}
