import { Context, Effect, Option, Queue, Ref } from "effect"
import { EngineConfig } from "../Config.ts"
import * as FairShare from "../Domain/FairShare.ts"
import type { Run } from "../Domain/Run.ts"
import {
  type AnsweredRun,
  type ClaimedRun,
  type Demand,
  demandOf,
  followedBy,
  freed,
  initial,
  isClaimable,
  isInvocable,
  pickAnswered,
  pickInvocable,
  pickStartable,
  type QueueState,
  type ReadyRun,
  recordDelay,
  startDelay,
  waiting,
  withAnswer,
  withClaimed
} from "./QueueState.ts"

/**
 * The queues between one tick's loops (claim, start, invoke, record). Permits limit the number of runs in progress.
 *
 * *Guarantees*: Domain/FairShare decides which organisation gets the next permit. At most `concurrency` runs are invoked
 * concurrently. If the project has several organisations, at most `concurrency - 1` of the invoked runs belong to the same
 * organisation. At most 50 started runs wait for a worker, and normally only enough to keep the workers busy for 40 ms. If
 * invocations take longer than 500 ms, no started runs wait. No run is started while 100 outcomes wait to be recorded.
 */
export class RunQueue extends Context.Tag("@sync-scheduler/RunQueue")<
  RunQueue,
  {
    /** Queues claimed runs after the waiting runs of the same organisation. */
    readonly offer: (runs: ReadonlyArray<ClaimedRun>) => Effect.Effect<void>
    /** Waits until a run can be started. Returns how long to collect more runs for the same call, in milliseconds. */
    readonly startable: Effect.Effect<number>
    /**
     * Waits until runs can be started, and takes them. Gives each run a permit. Returns an empty array if this tick starts no
     * more runs.
     */
    readonly takeStartable: Effect.Effect<ReadonlyArray<ClaimedRun>>
    /** Releases the permit of a run until `offerDeferred` returns the run to the queue. */
    readonly defer: (claimed: ClaimedRun) => Effect.Effect<void>
    readonly offerDeferred: (claimed: ClaimedRun) => Effect.Effect<void>
    /** Releases the permit of a run that this tick will not invoke. If `unused` is true, `takeUnused` returns the run's id. */
    readonly leave: (claimed: ClaimedRun, unused: boolean) => Effect.Effect<void>
    /** Releases the permit of a run whose start was reverted, and requeues the run after the waiting runs of its organisation. */
    readonly startReverted: (claimed: ClaimedRun) => Effect.Effect<void>
    readonly offerStarted: (runs: ReadonlyArray<ReadyRun>) => Effect.Effect<void>
    /** Takes the started runs that match `isOut` and that no worker has taken. */
    readonly takeUninvoked: (
      isOut: (run: ReadyRun) => boolean
    ) => Effect.Effect<ReadonlyArray<ReadyRun>>
    /** Waits until a run can be invoked, and takes the run. Returns an empty array if this tick will not invoke any more runs. */
    readonly takeInvocable: Effect.Effect<ReadonlyArray<ReadyRun>>
    /** Releases the permits of a run whose invocation has ended, and queues its outcome. */
    readonly answer: (run: AnsweredRun) => Effect.Effect<void>
    /** Waits for an outcome. Returns how long to collect more outcomes for the same call, in milliseconds. */
    readonly answered: Effect.Effect<number>
    /** Waits for an outcome, and takes all outcomes. Returns an empty array if no more outcomes can arrive. */
    readonly takeAnswered: Effect.Effect<ReadonlyArray<AnsweredRun>>
    /** Takes all outcomes without waiting. */
    readonly takeMoreAnswered: Effect.Effect<ReadonlyArray<AnsweredRun>>
    readonly recorded: (runs: ReadonlyArray<ClaimedRun>) => Effect.Effect<void>
    /** Blocks or unblocks starts. Starts are blocked while outcomes cannot be recorded. */
    readonly setBlocked: (isBlocked: boolean) => Effect.Effect<void>
    /** Takes the finished runs of integrations with more due slots. */
    readonly takeFollowed: Effect.Effect<ReadonlyArray<Run>>
    readonly demand: Effect.Effect<Demand>
    /** Waits until the claim loop might have work or `wakeClaiming` is called. Supports one waiting fiber. */
    readonly changed: Effect.Effect<void>
    readonly wakeClaiming: Effect.Effect<unknown>
    readonly endClaiming: Effect.Effect<void>
    readonly endStarting: Effect.Effect<void>
    readonly endInvoking: Effect.Effect<void>
    readonly stop: Effect.Effect<void>
    readonly isStopped: Effect.Effect<boolean>
    /** Takes the ids of claimed runs that this tick will not start. If `all` is true, takes every waiting run. */
    readonly takeUnused: (all: boolean) => Effect.Effect<ReadonlyArray<string>>
  }
>() {}

export const make = (hasSeveralOrganisations: boolean) =>
  Effect.gen(function* () {
    const { concurrency } = yield* EngineConfig
    const mostOfOne = hasSeveralOrganisations ? Math.max(concurrency - 1, 1) : concurrency
    const state = yield* Ref.make(initial)
    // One signal is enough, because a loop that wakes up reads the whole state.
    const claimSignal = yield* Queue.sliding<void>(1)
    const startSignal = yield* Queue.sliding<void>(1)
    const workSignal = yield* Queue.sliding<void>(1)
    const recordSignal = yield* Queue.sliding<void>(1)
    /** Wakes each loop that might have work, the most urgent one first. */
    const signal = (now: QueueState) => {
      if (isInvocable(now)) workSignal.unsafeOffer(undefined)
      if (Option.isSome(startDelay(now, concurrency))) startSignal.unsafeOffer(undefined)
      if (isClaimable(now, concurrency)) claimSignal.unsafeOffer(undefined)
      if (Option.isSome(recordDelay(now))) recordSignal.unsafeOffer(undefined)
    }
    const update = (change: (state: QueueState) => QueueState) =>
      Effect.map(Ref.updateAndGet(state, change), signal)
    const take = <A>(
      wakeUp: Queue.Dequeue<void>,
      pick: (state: QueueState) => readonly [Option.Option<A>, QueueState]
    ): Effect.Effect<A> =>
      Effect.flatMap(
        Ref.modify(state, pick),
        Option.match({
          onNone: () =>
            Effect.zipRight(
              wakeUp.take,
              Effect.suspend(() => take(wakeUp, pick))
            ),
          onSome: Effect.succeed
        })
      )

    return RunQueue.of({
      offer: (runs) => update((now) => withClaimed(now, runs)),
      startable: take(startSignal, (now) => [startDelay(now, concurrency), now]),
      takeStartable: take(startSignal, (now) => pickStartable(now, concurrency, mostOfOne)),
      defer: (run) => update((now) => ({ ...freed(now, run), deferred: now.deferred + 1 })),
      offerDeferred: (run) =>
        update((now) => withClaimed({ ...now, deferred: now.deferred - 1 }, [run])),
      leave: (run, isUnused) =>
        update((now) => ({
          ...freed(now, run),
          followed: [...now.followed, ...followedBy([run])],
          unused: isUnused ? [...now.unused, run.run.run_id] : now.unused
        })),
      startReverted: (run) => update((now) => withClaimed(freed(now, run), [run])),
      offerStarted: (runs) =>
        update((now) => ({ ...now, started: FairShare.offer(now.started, runs.map(waiting)) })),
      takeUninvoked: (isOut) =>
        Ref.modify(state, (now) => {
          const [out, started] = FairShare.remove(now.started, isOut)
          return [out, { ...now, started }]
        }),
      // A signal wakes one worker, which then wakes the next.
      takeInvocable: Effect.zipLeft(
        take(workSignal, (now) => pickInvocable(now, concurrency, mostOfOne)),
        Effect.map(Ref.get(state), signal)
      ),
      answer: (run) => update((now) => withAnswer(now, run, concurrency)),
      answered: take(recordSignal, (now) => [recordDelay(now), now]),
      takeAnswered: take(recordSignal, pickAnswered),
      takeMoreAnswered: Ref.modify(state, (now) => [now.answered, { ...now, answered: [] }]),
      recorded: (runs) =>
        update((now) => ({
          ...now,
          unrecorded: now.unrecorded - runs.length,
          followed: [...now.followed, ...followedBy(runs)]
        })),
      setBlocked: (isBlocked) => update((now) => ({ ...now, isBlocked })),
      takeFollowed: Ref.modify(state, (now) => [now.followed, { ...now, followed: [] }]),
      demand: Effect.map(Ref.get(state), (now) => demandOf(now, concurrency)),
      changed: claimSignal.take,
      wakeClaiming: claimSignal.offer(undefined),
      endClaiming: update((now) => ({ ...now, isClaimingOver: true })),
      endStarting: update((now) => ({ ...now, isStartingOver: true })),
      endInvoking: update((now) => ({ ...now, isInvokingOver: true })),
      stop: update((now) => ({ ...now, isStopped: true })),
      isStopped: Effect.map(Ref.get(state), ({ isStopped }) => isStopped),
      takeUnused: (all) =>
        Ref.modify(state, (now) => {
          const [left, claimed] = FairShare.remove(now.claimed, () => all || now.isStopped)
          return [
            [...now.unused, ...left.map(({ run }) => run.run_id)],
            { ...now, claimed, unused: [] }
          ]
        })
    })
  })
