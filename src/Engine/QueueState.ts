import { Option } from "effect"
import * as FairShare from "../Domain/FairShare.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Run, StartedRun } from "../Domain/Run.ts"
import type { FirstContact } from "../Services/Ledger.ts"
import type { Instants } from "./ClockReading.ts"
import type { RunSpan } from "./RunSpans.ts"
import { MAX_BATCH } from "./TickFrame.ts"

/**
 * A batch of at least this many runs does not wait for more runs, because the fixed cost of a database call is about the same as
 * the cost of ten runs.
 */
const WORTH_A_CALL = 20
/** The maximum time that a batch spends collecting runs, in milliseconds. */
const MAX_COLLECT_MS = 20
/** The maximum number of started runs waiting for a worker. */
const MAX_AHEAD = 50
/** The started runs waiting for a worker should be enough to keep all workers busy for this long, in milliseconds. */
const AHEAD_MS = 40
/**
 * The duration of an invocation, in milliseconds, above which the engine keeps fewer started runs waiting for a worker,
 * eventually none, because an early start then saves only a negligible share of the time.
 */
const AHEAD_BELOW_MS = 500
/** The next run is claimed this many milliseconds before a worker becomes free. */
const CLAIM_AHEAD_MS = 1_000
/** The weight of the newest measurement in a moving average. */
const NEWEST = 0.1

/** A run that has been claimed but not started. */
export interface ClaimedRun {
  readonly run: Run
  /** True if another engine claimed the run but never started it. */
  readonly rescued: boolean
  /** True if the integration has more due slots. The next slot is claimed once this run has ended. */
  readonly more: boolean
  /** The result of the tick's first request to the function; null until the function is warmed up. */
  readonly contact: FirstContact | null
}

/** A run whose start is committed but that no worker has taken yet. */
export interface ReadyRun {
  readonly claimed: ClaimedRun
  readonly run: StartedRun
  /** When the run's start was requested. */
  readonly requested: Instants
}

/** A run whose invocation has ended but whose outcome has not been recorded yet. */
export interface AnsweredRun extends ReadyRun {
  readonly outcome: Outcome
  readonly sent: Instants
  readonly answered: Instants
  readonly span: RunSpan
}

/** A tick's runs and the places that they hold. Immutable: functions such as `withClaimed` return a new state. */
export interface QueueState {
  /** The claimed runs. Each run holds a place here from its start until its function answers. */
  readonly claimed: FairShare.FairShare<ClaimedRun>
  /** The started runs. Each run holds a place here while its function is invoked. */
  readonly started: FairShare.FairShare<ReadyRun>
  readonly answered: ReadonlyArray<AnsweredRun>
  /** Finished runs whose integration has more due slots. */
  readonly followed: ReadonlyArray<Run>
  /** The ids of claimed runs that this tick will not start. */
  readonly unused: ReadonlyArray<string>
  /**
   * The number of runs that will return to the queue later in this tick, because their function is being warmed up or their start
   * will be retried.
   */
  readonly deferred: number
  /** The number of outcomes that have not been recorded yet. */
  readonly unrecorded: number
  /** The current limit on started runs waiting for a worker; at most MAX_AHEAD. */
  readonly ahead: number
  /** The moving average of an invocation's duration, in milliseconds. */
  readonly runMs: number
  /** True while the database rejects outcomes. No runs are started during this time. */
  readonly isBlocked: boolean
  /** True once the tick has stopped starting runs, because it was interrupted or its time is up. */
  readonly isStopped: boolean
  /** Each of the next three fields is true once its loop has ended. */
  readonly isClaimingOver: boolean
  readonly isStartingOver: boolean
  readonly isInvokingOver: boolean
}

export interface Demand {
  readonly waiting: number
  /** The target number of waiting claimed runs: as many as the workers take in one second. */
  readonly wanted: number
  /** True when none of this tick's runs are in progress. */
  readonly isIdle: boolean
  /** Organisations that already have enough waiting runs to keep all workers busy. */
  readonly busyOrgs: () => ReadonlyArray<string>
  /** Organisations with a waiting run. */
  readonly waitingOrgs: () => ReadonlyArray<string>
  /** Organisations with a run in progress. */
  readonly openOrgs: () => ReadonlyArray<string>
}

export const initial: QueueState = {
  claimed: FairShare.empty,
  started: FairShare.empty,
  answered: [],
  followed: [],
  unused: [],
  deferred: 0,
  unrecorded: 0,
  ahead: 0,
  runMs: Number.POSITIVE_INFINITY,
  isBlocked: false,
  isStopped: false,
  isClaimingOver: false,
  isStartingOver: false,
  isInvokingOver: false
}

/** Runs triggered by an operator, and retries of those runs, use the lane for runs that are due now. */
const laneOf = ({ trigger }: Run): FairShare.Lane =>
  trigger === "backfill" ? 2 : trigger === "catch_up" ? 1 : 0

export const waiting = <A extends { readonly run: Run }>(item: A) => ({
  orgId: item.run.org_id,
  lane: laneOf(item.run),
  item
})

export const withClaimed = (now: QueueState, runs: ReadonlyArray<ClaimedRun>): QueueState => ({
  ...now,
  claimed: FairShare.offer(now.claimed, runs.map(waiting))
})

export const freed = (now: QueueState, { run }: ClaimedRun): QueueState => ({
  ...now,
  claimed: FairShare.free(now.claimed, run.org_id)
})

export const followedBy = (runs: ReadonlyArray<ClaimedRun>): ReadonlyArray<Run> =>
  runs.flatMap(({ more, run }) => (more ? [run] : []))

/**
 * The items for a loop to take, and the state without them. `None` means that no items are available yet; an empty array means
 * that no more items can arrive.
 */
type Picked<A> = readonly [Option.Option<ReadonlyArray<A>>, QueueState]

const someOf = <A>(items: ReadonlyArray<A>): Option.Option<ReadonlyArray<A>> =>
  items.length === 0 ? Option.none() : Option.some(items)

/**
 * Returns how long the start loop may collect runs before its next call, in milliseconds: half as long as the started runs will
 * keep the workers busy. None if no run can be started yet.
 */
export const startDelay = (now: QueueState, concurrency: number): Option.Option<number> => {
  const { claimed, runMs, started } = now
  if (isStartingDone(now)) return Option.some(0)
  const count = Math.min(startableCount(now, concurrency), claimed.waiting)
  if (now.isBlocked || count <= 0) return Option.none()
  if (count >= WORTH_A_CALL || started.waiting === 0) return Option.some(0)
  return Option.some(Math.min((started.waiting * runMs) / concurrency / 2, MAX_COLLECT_MS))
}

/**
 * Returns how long the record loop may collect outcomes before its next call, in milliseconds; 0 for the last outcomes. None if
 * there are no outcomes yet.
 */
export const recordDelay = (now: QueueState): Option.Option<number> => {
  const { answered, claimed, isInvokingOver, started } = now
  if (answered.length === 0 && !isInvokingOver) return Option.none()
  const isLast = claimed.waiting + started.waiting === 0
  return Option.some(isLast || answered.length >= WORTH_A_CALL ? 0 : MAX_COLLECT_MS)
}

const isStartingDone = ({ claimed, deferred, isClaimingOver, isStopped }: QueueState): boolean =>
  isStopped || (isClaimingOver && claimed.waiting === 0 && deferred === 0)

const startableCount = ({ ahead, claimed, unrecorded }: QueueState, concurrency: number): number =>
  Math.min(concurrency + ahead - claimed.open, MAX_BATCH - unrecorded, MAX_BATCH)

export const pickStartable = (
  now: QueueState,
  concurrency: number,
  mostOfOne: number
): Picked<ClaimedRun> => {
  const { ahead, claimed } = now
  if (isStartingDone(now)) return [Option.some([]), now]
  if (now.isBlocked) return [Option.none(), now]
  const [taken, left] = FairShare.take(claimed, startableCount(now, concurrency), mostOfOne + ahead)
  return [someOf(taken), { ...now, claimed: left }]
}

export const pickInvocable = (
  now: QueueState,
  concurrency: number,
  mostOfOne: number
): Picked<ReadyRun> => {
  const { isStartingOver, started } = now
  if (isStartingOver && started.waiting === 0) return [Option.some([]), now]
  const [run, left] = FairShare.take(started, Math.min(concurrency - started.open, 1), mostOfOne)
  return [someOf(run), { ...now, started: left }]
}

export const pickAnswered = (now: QueueState): Picked<AnsweredRun> => [
  now.isInvokingOver ? Option.some(now.answered) : someOf(now.answered),
  { ...now, answered: [] }
]

export const withAnswer = (
  now: QueueState,
  answer: AnsweredRun,
  concurrency: number
): QueueState => {
  const tookMs = answer.answered.monotonic - answer.sent.monotonic
  const runMs = Number.isFinite(now.runMs) ? now.runMs + NEWEST * (tookMs - now.runMs) : tookMs
  const consumed = Math.ceil((concurrency * AHEAD_MS) / Math.max(runMs, 1))
  const mostAhead = Math.min(Math.max(consumed, concurrency), MAX_AHEAD)
  const isAhead = tookMs < AHEAD_BELOW_MS && now.ahead <= mostAhead
  return {
    ...freed(now, answer.claimed),
    started: FairShare.free(now.started, answer.run.org_id),
    answered: [...now.answered, answer],
    unrecorded: now.unrecorded + 1,
    ahead: isAhead ? Math.min(now.ahead + 1, mostAhead) : Math.max(now.ahead - 1, 0),
    runMs
  }
}

export const demandOf = (now: QueueState, concurrency: number): Demand => {
  const { claimed, deferred, followed, runMs, unrecorded } = now
  const perSecond = Math.ceil((concurrency * CLAIM_AHEAD_MS) / Math.max(runMs, 1))
  return {
    waiting: claimed.waiting,
    wanted: Math.min(Math.max(perSecond, concurrency), MAX_BATCH),
    isIdle: claimed.waiting + claimed.open + unrecorded + deferred + followed.length === 0,
    busyOrgs: () => FairShare.withWaiting(claimed, concurrency),
    waitingOrgs: () => FairShare.withWaiting(claimed, 1),
    openOrgs: () => FairShare.withOpen(claimed)
  }
}
