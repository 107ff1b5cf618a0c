import { Effect } from "effect"
import type { Run } from "../Domain/Run.ts"

/** A claimed run on its way from the claims to a worker. */
export interface Claimed {
  readonly run: Run
  /** It was claimed by another engine that never started it. */
  readonly rescued: boolean
  /** Its integration has more due slots; the next one is claimed when this run is over. */
  readonly more: boolean
}

/**
 * Claimed runs on their way from the claims to their start, in order. One side puts them in and waits while there are
 * enough; the other takes them, one at a time.
 */
export class ClaimedRuns {
  private runs: Array<Claimed> = []
  private at = 0
  private isEnded = false
  private held = 0
  private onRun: (() => void) | null = null
  private onLow: (() => void) | null = null

  get size(): number {
    return this.runs.length - this.at
  }

  /** Whether a run waits here, or comes back. */
  get isAwaited(): boolean {
    return this.size > 0 || this.held > 0
  }

  put(claimed: Claimed): void {
    this.runs.push(claimed)
    this.onRun?.()
  }

  /** Puts a run back after a while. It waits in the ledger meanwhile, free for every engine, so nothing is lost when this one dies. */
  readonly putAfter = (claimed: Claimed, ms: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.held += 1
      const back = Effect.sync(() => {
        this.held -= 1
        this.put(claimed)
      })
      return Effect.asVoid(Effect.forkDaemon(Effect.delay(back, ms)))
    })

  /** Nothing more comes, but what was put back. What is there is still taken. */
  end(): void {
    this.isEnded = true
    this.onRun?.()
  }

  /** Whether there is a run, or none can come any more. */
  get isDecided(): boolean {
    return this.size > 0 || (this.isEnded && this.held === 0)
  }

  /** Waits until it is decided. Takes nothing, so that no interruption loses a run. */
  readonly untilDecided: Effect.Effect<void> = Effect.suspend(() => {
    if (this.isDecided) return Effect.void
    return Effect.async<void>((resume) => {
      this.onRun = () => {
        if (!this.isDecided) return
        this.onRun = null
        resume(Effect.void)
      }
      return Effect.sync(() => {
        this.onRun = null
      })
    })
  })

  /** Takes the next run; undefined when there is none. */
  next(): Claimed | undefined {
    const run = this.runs[this.at]
    if (run === undefined) return undefined
    this.at += 1
    if (this.at === this.runs.length) {
      this.runs = []
      this.at = 0
    }
    this.onLow?.()
    return run
  }

  /** Everything that nobody took yet. */
  takeAll(): ReadonlyArray<Claimed> {
    const left = this.runs.slice(this.at)
    this.runs = []
    this.at = 0
    return left
  }

  /** Waits until at most `count` are left. */
  readonly untilAtMost = (count: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.size <= count) return Effect.void
      return Effect.async<void>((resume) => {
        this.onLow = () => {
          if (this.size > count) return
          this.onLow = null
          resume(Effect.void)
        }
        return Effect.sync(() => {
          this.onLow = null
        })
      })
    })
}
