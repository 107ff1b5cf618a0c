import { Effect, FiberSet } from "effect"
import { EngineConfig } from "../Config.ts"
import { isRejected } from "../Domain/Batch.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { timeoutOf } from "../Domain/Run.ts"
import { type FirstContact, Ledger, type Start } from "../Services/Ledger.ts"
import { elapsedMs, now } from "./ClockReading.ts"
import { notSent } from "./Invocations.ts"
import type { ClaimedRun, ReadyRun } from "./QueueState.ts"
import { RunQueue } from "./RunQueue.ts"
import { rejectedError, tickError } from "./SummaryBuilder.ts"
import { TickFrame } from "./TickFrame.ts"
import { TickReport } from "./TickReport.ts"
import { Functions } from "./WarmUp.ts"

/** How long a started run can wait for a worker, in milliseconds. The start is then reverted. */
const STALE_AFTER_MS = 10_000

/** Reasons to wait for the accounting API. The wait can be longer than the tick. */
const OF_THE_API: ReadonlySet<string> = new Set(["api_throttled", "api_limit"])

interface WarmRun extends ClaimedRun {
  readonly contact: FirstContact
}

/** Starts claimed runs (pending -> running), one batch per call, as permits become available. */
export const runStartLoop = Effect.gen(function* () {
  const queue = yield* RunQueue
  const functions = yield* Functions
  const deferred = yield* FiberSet.make<void>()
  for (;;) {
    const collectMs = yield* queue.startable
    if (collectMs > 0) yield* Effect.sleep(collectMs)
    const batch = yield* queue.takeStartable
    if (batch.length === 0) return
    const runs: Array<WarmRun> = []
    for (const claimed of batch) {
      if (!functions.isAvailable(claimed.run.function_name)) {
        yield* skip(claimed, { reason: "function_unavailable" }, true)
      } else if (claimed.contact === null) {
        yield* queue.defer(claimed)
        yield* FiberSet.run(deferred, warmUp(claimed))
      } else runs.push({ ...claimed, contact: claimed.contact })
    }
    if (runs.length > 0) yield* startBatch(runs, deferred)
  }
}).pipe(Effect.scoped, Effect.ensuring(Effect.flatMap(RunQueue, (queue) => queue.endStarting)))

const warmUp = (claimed: ClaimedRun) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const functions = yield* Functions
    const contact = yield* functions.firstContact(claimed.run.function_name)
    yield* queue.offerDeferred({ ...claimed, contact })
  }).pipe(
    Effect.onInterrupt(() => Effect.flatMap(RunQueue, (queue) => queue.offerDeferred(claimed)))
  )

const startBatch = (runs: ReadonlyArray<WarmRun>, deferred: FiberSet.FiberSet<void>) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const queue = yield* RunQueue
    const settings = yield* EngineConfig
    const token = yield* IdGenerator
    const requested = yield* now
    const starts = runs.map((claimed) => ({ claimed, leaseToken: token.next() }))
    const answers = yield* ledger.start(
      starts.map(({ claimed: { contact, run }, leaseToken }) => ({
        run,
        leaseToken,
        leaseMs: timeoutOf(run, settings.invokeTimeoutMs) + settings.leaseMarginMs,
        contact
      }))
    )
    const ready: Array<ReadyRun> = []
    for (const [index, { claimed, leaseToken }] of starts.entries()) {
      const answer = answers[index]
      if (answer?._tag === "Started") {
        ready.push({ claimed, run: { ...answer.run, lease_token: leaseToken }, requested })
      } else if (answer !== undefined) yield* notStarted(claimed, answer, deferred)
    }
    if (ready.length > 0) yield* queue.offerStarted(ready)
  })

/** Defers a run if its start can be retried within this tick; otherwise skips the run. */
const notStarted = (
  claimed: ClaimedRun,
  answer: Exclude<Start, { readonly _tag: "Started" }>,
  deferred: FiberSet.FiberSet<void>
) =>
  Effect.gen(function* () {
    if (answer._tag === "Unconfirmed") {
      const { error } = answer
      if (isRejected(error)) return yield* reject(claimed, error.message)
      yield* (yield* TickReport).error(tickError(error))
      return yield* skip(claimed, { reason: "start_unconfirmed", detail: error.message }, false)
    }
    if (answer.reason === "rejected") return yield* reject(claimed, answer.detail)
    const queue = yield* RunQueue
    const { deferUntil } = yield* TickFrame
    const { wall } = yield* now
    const { reason, retryInMs } = answer
    const isInTime = !OF_THE_API.has(reason) || wall + (retryInMs ?? 0) <= deferUntil
    if (retryInMs === null || !isInTime) return yield* skip(claimed, answer, false)
    // The run stays pending, so another engine can start it if this engine dies.
    yield* Effect.logDebug(`Run ${claimed.run.run_id} is deferred for ${retryInMs} ms (${reason})`)
    yield* queue.defer(claimed)
    // If the tick stops first, the run returns to the queue immediately, so that the tick can release it.
    const wait = Effect.sleep(retryInMs).pipe(Effect.ensuring(queue.offerDeferred(claimed)))
    yield* FiberSet.run(deferred, wait)
  })

const reject = (claimed: ClaimedRun, detail: string | undefined) =>
  Effect.gen(function* () {
    const report = yield* TickReport
    yield* report.error(rejectedError(claimed.run.integration_id, detail))
    yield* skip(claimed, { reason: "rejected", detail }, false)
  })

const skip = (
  claimed: ClaimedRun,
  why: { readonly reason: string; readonly detail?: string | undefined },
  isUnused: boolean
) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const report = yield* TickReport
    const { integration_id, org_id, scheduled_for } = claimed.run
    yield* report.skip({
      ...{ org_id, integration_id, scheduled_for, reason: why.reason },
      ...(why.detail === undefined ? {} : { detail: why.detail })
    })
    yield* queue.leave(claimed, isUnused)
  })

/** A run whose start cannot be reverted gets the outcome `staleStart`. */
const revertUninvoked = (isOut: (ready: ReadyRun) => boolean) =>
  Effect.gen(function* () {
    const queue = yield* RunQueue
    const ledger = yield* Ledger
    const report = yield* TickReport
    const uninvoked = yield* queue.takeUninvoked(isOut)
    if (uninvoked.length === 0) return
    const starts = uninvoked.map(({ run }) => ({ runId: run.run_id, leaseToken: run.lease_token }))
    const reverted = yield* Effect.catchAll(ledger.revertStarts(starts), (error) =>
      Effect.as(report.error(tickError(error)), new Set<string>())
    )
    for (const ready of uninvoked) {
      if (reverted.has(ready.run.run_id)) yield* queue.startReverted(ready.claimed)
      else yield* queue.answer(yield* notSent(ready))
    }
  })

export const revertStale = Effect.flatMap(now, (at) =>
  revertUninvoked(({ requested }) => elapsedMs(requested, at) > STALE_AFTER_MS)
)

/** Reverts the starts of uninvoked runs and releases all waiting runs, so that any engine can start them immediately. */
export const revertAll = Effect.gen(function* () {
  yield* revertUninvoked(() => true)
  yield* releaseUnused(true)
}).pipe(Effect.uninterruptible)

/** Releases claimed runs that this tick will not start. If `all` is true, releases every waiting run. */
export const releaseUnused = Effect.fnUntraced(function* (all: boolean) {
  const queue = yield* RunQueue
  const ledger = yield* Ledger
  const report = yield* TickReport
  const runIds = yield* queue.takeUnused(all)
  yield* Effect.catchAll(ledger.release(runIds), (error) => report.error(tickError(error)))
}, Effect.uninterruptible)
