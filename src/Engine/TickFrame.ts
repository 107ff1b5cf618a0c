import { Context, type Effect } from "effect"
import type { RunReport, SkipReport } from "../Domain/Summary.ts"
import type { FirstAttempt, Scope } from "../Services/Ledger.ts"
import type { StartedPing } from "./Pings.ts"

/** An event that a caller can observe during a tick. `-o jsonl` and the progress line show these events. */
export type TickEvent =
  | { readonly _tag: "Run"; readonly run: RunReport }
  | { readonly _tag: "Skip"; readonly skip: SkipReport }

/** The maximum number of runs in one database call. Also the maximum number of outcomes waiting to be recorded. */
export const MAX_BATCH = 100

export interface TickOptions {
  /** The tick's id, a UUID; generated if absent. */
  readonly tickId?: string | undefined
  readonly scope?: Scope
  /** The maximum number of runs to start; unlimited if absent. */
  readonly limit?: number | undefined
  /** How long the tick may claim and invoke runs, in milliseconds. The next tick handles any remaining work. */
  readonly budgetMs?: number | undefined
  /** How far ahead the tick warms up functions for future slots, in milliseconds; one minute if absent. */
  readonly wakeWithinMs?: number
  /** An earlier attempt to open this tick, made before the engine was loaded (./IdleTick.ts). */
  readonly firstAttempt?: FirstAttempt
  /** This tick's `start` ping, if it is already being sent. */
  readonly startedPing?: StartedPing
  readonly observe?: (event: TickEvent) => Effect.Effect<void>
}

/** The bounds of one tick. Instants are epoch milliseconds on the engine's clock. */
export class TickFrame extends Context.Tag("@sync-scheduler/TickFrame")<
  TickFrame,
  {
    readonly scope: Scope
    /** The maximum number of runs to start. */
    readonly limit: number
    /** How far this machine's clock is ahead of the database's, in milliseconds. */
    readonly skewMs: number
    /**
     * When the tick stops claiming runs. If runs are in progress at that time, the tick waits for them and meanwhile claims runs
     * only for organisations without a run in progress, so that a slow organisation does not delay other organisations.
     */
    readonly claimUntil: number
    /** When the tick stops invoking runs. */
    readonly sendUntil: number
    /** A deferred run stays in this tick if it can start before this instant. */
    readonly deferUntil: number
  }
>() {}
