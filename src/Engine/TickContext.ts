import type { Clock, Effect, Queue } from "effect"
import type { EngineSettings } from "../Config.ts"
import type { RunReport, SkipReport } from "../Domain/Summary.ts"
import type { Tally } from "../Domain/Tally.ts"
import type { Invoker } from "../Services/Invoker.ts"
import type { Ledger, Scope } from "../Services/Ledger.ts"
import type { ClaimedRuns } from "./ClaimedRuns.ts"
import type { Line } from "./Line.ts"
import type { Places } from "./Places.ts"

/** What a caller can watch while a tick goes on; `-o jsonl` and the progress line are made of it. */
export type TickEvent =
  | { readonly _tag: "Run"; readonly run: RunReport }
  | { readonly _tag: "Skip"; readonly skip: SkipReport }

/** What a tick is asked to do. */
export interface TickOptions {
  /** The tick's id, a UUID; a new one when absent. */
  readonly tickId?: string | undefined
  readonly scope?: Scope
  /** The most runs to start. Unlimited when absent. */
  readonly limit?: number | undefined
  /** How long to go on claiming and sending, in milliseconds; what does not fit is left for the next tick. */
  readonly budgetMs?: number | undefined
  /** How far ahead the tick wakes functions for slots to come, in milliseconds; a minute when absent. */
  readonly wakeWithinMs?: number
  readonly observe?: (event: TickEvent) => Effect.Effect<void>
}

/** What the two halves of a tick, claiming and executing, share. Lives as long as the tick. */
export interface TickContext {
  /** What each run needs of its surroundings, looked up once: there may be thousands of runs. */
  readonly ledger: Ledger["Type"]
  readonly invoker: Invoker["Type"]
  readonly clock: Clock.Clock
  readonly nextToken: () => string
  readonly settings: EngineSettings
  readonly scope: Scope
  readonly limit: number
  /** How far this machine's clock is ahead of the database's, in milliseconds. */
  readonly skewMs: number
  /** When claiming and sending end, by the engine's clock, epoch milliseconds. */
  readonly claimUntil: number
  /** Until when a run that spares its accounting API may come again in this tick, by the engine's clock, epoch milliseconds. */
  readonly holdUntil: number
  readonly tally: Tally
  readonly observe: (event: TickEvent) => Effect.Effect<void>
  /** Claimed runs that wait to be started. */
  readonly claimed: ClaimedRuns
  /** How many runs may be on their way. */
  readonly places: Places
  /** Started runs that wait for one of the workers that invoke. */
  readonly line: Line
  /** Integrations whose run is over and that have more due slots. */
  readonly ready: Queue.Queue<string>
}
