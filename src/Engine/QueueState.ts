import { Option } from "effect"
import * as FairShare from "../Domain/FairShare.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import type { Run, StartedRun } from "../Domain/Run.ts"
import type { FirstContact } from "../Services/Ledger.ts"
import type { Instants } from "./ClockReading.ts"
import type { RunSpan } from "./RunSpans.ts"
import { MAX_BATCH } from "./TickFrame.ts"

/** A batch of at least this many runs is sent immediately. One database call costs about as much as ten runs. */
const WORTH_A_CALL = 20
const MAX_COLLECT_MS = 20
const MAX_AHEAD = 50
/** Started runs should keep all workers busy for this long, in milliseconds. */
const AHEAD_MS = 40
/** If an invocation takes longer than this, in milliseconds, fewer runs are started in advance. */
const AHEAD_BELOW_MS = 500
/** Runs are claimed this long before a worker becomes free, in milliseconds. */
const CLAIM_AHEAD_MS = 1_000
/** The weight of the newest value in a moving average. */
const NEWEST = 0.1

export interface ClaimedRun {
  readonly run: Run
  /** Whether another engine claimed the run but never started it. */
  readonly rescued: boolean
  /** Whether the integration has more due slots. The next slot is claimed after this run. */
  readonly more: boolean
  /** The tick's first contact with the function; null until the function is warmed up. */
  readonly contact: FirstContact | null
}

export interface ReadyRun {
  readonly claimed: ClaimedRun
  readonly run: StartedRun
  readonly requested: Instants
}

export interface AnsweredRun extends ReadyRun {
  readonly outcome: Outcome
  readonly sent: Instants
  readonly answered: Instants
  readonly span: RunSpan
}

/** A tick's runs and permits. Immutable. */
export interface QueueState {
  /** The claimed runs. A run holds a permit from its start until its function answers. */
  readonly claimed: FairShare.FairShare<ClaimedRun>
  /** The started runs. A run holds a second permit while its function is invoked. */
  readonly started: FairShare.FairShare<ReadyRun>
  readonly answered: ReadonlyArray<AnsweredRun>
  /** Finished runs of integrations with more due slots. */
  readonly followed: ReadonlyArray<Run>
  /** The ids of claimed runs that this tick will release without starting them. */
  readonly unused: ReadonlyArray<string>
  /** The number of runs that will return to the queue after a warm-up or a delay. */
  readonly deferred: number
  readonly unrecorded: number
  /** The current limit on started runs that wait for a worker; at most MAX_AHEAD. */
  readonly ahead: number
  /** The moving average of an invocation's duration, in milliseconds. */
  readonly runMs: number
  /** Whether the database is rejecting outcomes. No runs are started in the meantime. */
  readonly isBlocked: boolean
  /** Whether the tick has stopped starting runs, because it was interrupted or its time is up. */
  readonly isStopped: boolean
  readonly isClaimingOver: boolean
  readonly isStartingOver: boolean
  readonly isInvokingOver: boolean
}

export interface Demand {
  readonly waiting: number
  /** The target number of waiting runs: as many as the workers take in one second. */
  readonly wanted: number
  readonly isLow: boolean
  /** Whether none of this tick's runs are in progress. */
  readonly isIdle: boolean
  /** Organisations with enough waiting runs to keep all workers busy. */
  readonly busyOrgs: () => ReadonlyArray<string>
  readonly waitingOrgs: () => ReadonlyArray<string>
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

/** Runs that an operator triggers have the same priority as runs that are due now. */
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

/** The items that a loop takes, and the remaining state. `None`: no items yet. Empty array: no more items can arrive. */
type Picked<A> = readonly [Option.Option<ReadonlyArray<A>>, QueueState]

const someOf = <A>(items: ReadonlyArray<A>): Option.Option<ReadonlyArray<A>> =>
  items.length === 0 ? Option.none() : Option.some(items)

/** Returns how long to collect runs for the next start call, in milliseconds. Returns None if no run can be started yet. */
export const startDelay = (now: QueueState, concurrency: number): Option.Option<number> => {
  const { ahead, claimed, runMs, started } = now
  if (isStartingDone(now)) return Option.some(0)
  const count = Math.min(startableCount(now, concurrency), claimed.waiting)
  if (now.isBlocked || count <= 0) return Option.none()
  // Collects only while all workers are busy and enough runs are started in advance.
  const spare = started.waiting + started.open - concurrency
  if (count >= WORTH_A_CALL || spare <= 0 || ahead < concurrency) return Option.some(0)
  return Option.some(Math.floor(Math.min((spare * runMs) / concurrency / 2, MAX_COLLECT_MS)))
}

/** Returns how long to collect outcomes for the next call, in milliseconds. Returns None if there are no outcomes yet. */
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

/** Returns whether the claim loop might have work. */
export const isClaimable = (now: QueueState, concurrency: number): boolean => {
  const { isIdle, isLow } = demandOf(now, concurrency)
  const { open, organisations } = now.claimed
  return (
    isIdle ||
    isLow ||
    now.isStopped ||
    now.followed.length > 0 ||
    organisations.size - open <= concurrency
  )
}

/** Returns whether a worker might have work. */
export const isInvocable = ({ isStartingOver, started }: QueueState): boolean =>
  isStartingOver || started.waiting > 0

export const demandOf = (now: QueueState, concurrency: number): Demand => {
  const { claimed, deferred, followed, runMs, unrecorded } = now
  const perSecond = Math.ceil((concurrency * CLAIM_AHEAD_MS) / Math.max(runMs, 1))
  const wanted = Math.min(Math.max(perSecond, concurrency), MAX_BATCH)
  return {
    waiting: claimed.waiting,
    wanted,
    isLow: claimed.waiting < wanted / 2,
    isIdle: claimed.waiting + claimed.open + unrecorded + deferred + followed.length === 0,
    busyOrgs: () => FairShare.withWaiting(claimed, concurrency),
    waitingOrgs: () => FairShare.withWaiting(claimed, 1),
    openOrgs: () => FairShare.withOpen(claimed)
  }
}
