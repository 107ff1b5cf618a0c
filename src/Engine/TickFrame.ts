import { Context, type Effect } from "effect"
import type { RunReport, SkipReport } from "../Domain/Summary.ts"
import type { FirstAttempt, Scope } from "../Services/Ledger.ts"
import type { StartedPing } from "./Pings.ts"

/** An event during a tick, for `-o jsonl` and the progress line. */
export type TickEvent =
  | { readonly _tag: "Run"; readonly run: RunReport }
  | { readonly _tag: "Skip"; readonly skip: SkipReport }

/** The maximum number of runs in one database call. No run is started while this many outcomes are unrecorded. */
export const MAX_BATCH = 100

export interface TickOptions {
  /** A UUID; generated if absent. */
  readonly tickId?: string | undefined
  readonly scope?: Scope
  /** The maximum number of runs to start; unlimited if absent. */
  readonly limit?: number | undefined
  /** The maximum time to claim and invoke runs, in milliseconds. */
  readonly budgetMs?: number | undefined
  /** Functions are warmed up for slots that are due within this time, in milliseconds; one minute if absent. */
  readonly wakeWithinMs?: number
  /** An attempt to open this tick before the engine was loaded (./IdleTick.ts). */
  readonly firstAttempt?: FirstAttempt
  /** This tick's `start` ping, if it has already been started. */
  readonly startedPing?: StartedPing
  readonly observe?: (event: TickEvent) => Effect.Effect<void>
}

/** The bounds of one tick. Instants are epoch milliseconds on the engine's clock. */
export class TickFrame extends Context.Tag("@sync-scheduler/TickFrame")<
  TickFrame,
  {
    readonly scope: Scope
    readonly limit: number
    readonly hasSeveralOrganisations: boolean
    /** How far this machine's clock is ahead of the database's, in milliseconds. */
    readonly skewMs: number
    /**
     * Until this instant, the tick claims runs of all organisations. It then waits for the runs in progress. While waiting, it
     * claims runs only for the other organisations, so that a slow organisation does not delay them.
     */
    readonly claimUntil: number
    readonly sendUntil: number
    /** When this tick stops retrying throttled runs. Later retries are left to another tick. */
    readonly deferUntil: number
  }
>() {}
