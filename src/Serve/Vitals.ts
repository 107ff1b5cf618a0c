import { Clock, Effect } from "effect"
import type { Summary } from "../Domain/Summary.ts"

/**
 * The longest that a tick may go without a sign of progress while no function is at work, beside the lease margin within
 * which outcomes are recorded: every call of the database and all telling are bounded well below.
 */
const PATIENCE_MS = 120_000

/** Milliseconds of a clock that is never set, to measure spans with. */
export const monotonicMs: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)

/** A tick that ended. `endedMs` is monotonic. */
export interface LastTick {
  readonly summary: Summary
  readonly endedMs: number
}

/**
 * What a running `serve` knows of itself without asking anybody: whether it ticks, what came of it, and since when
 * nothing has moved. All instants are monotonic milliseconds.
 */
export class Vitals {
  /** Ticks that ended, since the start. */
  ticks = 0
  /** Beats that passed while a tick was still at it. */
  skippedBeats = 0
  isDraining = false
  private began: number | null = null
  private last: LastTick | null = null
  private movedMs: number
  private readonly until = new Map<string, number>()
  private readonly intervalMs: number
  private readonly patienceMs: number

  constructor(startedMs: number, intervalMs: number, leaseMarginMs: number) {
    this.movedMs = startedMs
    this.intervalMs = intervalMs
    this.patienceMs = PATIENCE_MS + leaseMarginMs
  }

  /** When the tick under way began; null between ticks. */
  get tickBeganMs(): number | null {
    return this.began
  }

  get lastTick(): LastTick | null {
    return this.last
  }

  /** Functions that are at work for us. */
  get inFlight(): number {
    return this.until.size
  }

  tickBegan(nowMs: number): void {
    this.began = nowMs
    this.movedMs = nowMs
  }

  tickEnded(nowMs: number, summary: Summary | null): void {
    this.began = null
    this.movedMs = nowMs
    this.ticks += 1
    if (summary !== null) this.last = { summary, endedMs: nowMs }
  }

  /** Something of the tick went forward. */
  moved(nowMs: number): void {
    this.movedMs = nowMs
  }

  /** A function is at work, for so long at most. */
  invoked(runId: string, untilMs: number): void {
    this.until.set(runId, untilMs)
  }

  answered(runId: string, nowMs: number): void {
    this.until.delete(runId)
    this.movedMs = nowMs
  }

  /** For how long something should have happened that did not, in milliseconds; 0 when all is well. */
  stuckMs(nowMs: number): number {
    const idleMs = this.began === null ? this.intervalMs : 0
    const expected = Math.max(this.movedMs + idleMs, ...this.until.values())
    return Math.max(0, nowMs - expected - this.patienceMs)
  }
}
