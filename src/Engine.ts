import { Cause, Clock, Context, Effect, Fiber, identity, Schema } from "effect"
import { EngineConfig } from "./Config.ts"
import { type ClockSkew, correctionOf, judgeSkew } from "./Domain/ClockSkew.ts"
import { IdGenerator } from "./Domain/IdGenerator.ts"
import { Summary } from "./Domain/Summary.ts"
import { traced } from "./Domain/Tracing.ts"
import { runClaimLoop } from "./Engine/ClaimLoop.ts"
import { firstFetch } from "./Engine/IdleTick.ts"
import { runInvokeLoop } from "./Engine/Invocations.ts"
import { runRecordLoop } from "./Engine/Outcomes.ts"
import { make as makeQueue, RunQueue } from "./Engine/RunQueue.ts"
import { checkSchema, openError } from "./Engine/SchemaCheck.ts"
import { releaseUnused, revertAll, runStartLoop } from "./Engine/Starts.ts"
import { tickError } from "./Engine/SummaryBuilder.ts"
import { TickFrame, type TickOptions } from "./Engine/TickFrame.ts"
import { make as makeReport, TickReport } from "./Engine/TickReport.ts"
import { Functions, make as makeFunctions } from "./Engine/WarmUp.ts"
import { clockSkew } from "./Metrics.ts"
import { Ledger, type OpenedTick } from "./Services/Ledger.ts"

export { dryRun as preview } from "./Engine/DryRun.ts"
export type { TickEvent, TickOptions } from "./Engine/TickFrame.ts"

/** How long a tick can claim runs, in milliseconds. */
const CLAIM_FOR_MS = 300_000
/** A throttled run is retried within the tick only if it can start in the tick's first 45 s. */
const DEFER_MS = 45_000

/**
 * Runs one tick and returns its summary. Sweeps the runs of dead engines, then runs four concurrent loops: claim, start, invoke
 * (at most `concurrency` at a time) and record.
 *
 * *Guarantees*: never fails; the summary lists the errors. A run is invoked only after its start is committed. The tick claims
 * runs for at most 5 minutes. It invokes the last claimed runs within another invocation timeout. The tick ends when the last
 * outcome is recorded. An interrupted tick stops claiming, releases the waiting runs, records the outcomes of the runs in
 * progress, and records itself.
 */
export const tick = Effect.fnUntraced(function* (options: TickOptions = {}) {
  const ledger = yield* Ledger
  const { concurrency, databaseWaitMs, engineId, invokeTimeoutMs } = yield* EngineConfig
  const scope = options.scope ?? {}
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const tickId = options.tickId ?? (yield* IdGenerator).next()
  const { firstAttempt, wakeWithinMs } = options
  const startedAt = firstAttempt?.askedAt ?? (yield* Clock.currentTimeMillis)
  const report = yield* makeReport(options.observe ?? (() => Effect.void))
  const summarise = Effect.flatMap(Clock.currentTimeMillis, (finishedAt) =>
    report.summary({ tickId, engineId, startedAt, finishedAt })
  )

  const waitMs = Math.min(databaseWaitMs, options.budgetMs ?? Number.POSITIVE_INFINITY)
  const first = { scope, limit: firstFetch(concurrency, limit) }
  const opened = yield* ledger.openTick(tickId, first, { waitMs, wakeWithinMs, firstAttempt }).pipe(
    Effect.tap(({ schemaVersion }) => checkSchema(schemaVersion)),
    Effect.tapError((error) => Effect.flatMap(openError(error), report.error)),
    Effect.option
  )
  if (opened._tag === "None") return yield* summarise
  const { hasSeveralOrganisations, idle, isSkewOpen, skew, warmUps } = opened.value
  const clocks = judgeSkew(skew)
  if (clocks !== "unknown") clockSkew.set(skew.ms / 1_000)
  if (clocks === "apart") yield* Effect.logWarning(skewWarning(skew))
  const functions = yield* makeFunctions
  const prewarming = functions.prewarm(warmUps)
  const isSkewNews = clocks === "apart" || (clocks === "together" && isSkewOpen)
  if (idle && !isSkewNews) return yield* Effect.zipRight(prewarming, summarise)

  const recordTick = Effect.flatMap(summarise, (summary) =>
    ledger.finishTick(
      tickId,
      Schema.encodeSync(Summary)(summary),
      clocks === "unknown" ? null : skew.ms
    )
  ).pipe(Effect.catchAll((error) => report.error(tickError(error))))

  const claimUntil = startedAt + Math.min(options.budgetMs ?? CLAIM_FOR_MS, CLAIM_FOR_MS)
  const sendUntil = options.budgetMs === undefined ? claimUntil + invokeTimeoutMs : claimUntil
  yield* runAll(opened.value).pipe(
    warmUps.length === 0 ? identity : Effect.zip(prewarming, { concurrent: true }),
    Effect.ensuring(recordTick),
    Effect.provide(
      Context.make(TickReport, report).pipe(
        Context.add(Functions, functions),
        Context.add(RunQueue, yield* makeQueue(hasSeveralOrganisations)),
        Context.add(TickFrame, {
          scope,
          limit,
          hasSeveralOrganisations,
          skewMs: correctionOf(skew),
          claimUntil,
          sendUntil,
          deferUntil: Math.min(startedAt + DEFER_MS, claimUntil)
        })
      )
    )
  )
  return yield* summarise
}, traced("Engine.tick"))

const runAll = (opened: OpenedTick) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const queue = yield* RunQueue
      const { sendUntil } = yield* TickFrame
      // Daemon fibers: an interrupted tick waits for the runs in progress instead of cancelling them.
      const fork = <R>(loop: Effect.Effect<void, never, R>) =>
        Effect.forkDaemon(Effect.interruptible(guarded(loop)))
      const claiming = yield* fork(runClaimLoop(opened))
      const running = [
        yield* fork(runStartLoop),
        yield* fork(runInvokeLoop),
        yield* fork(runRecordLoop)
      ]
      const ended = Effect.forEach(running, Fiber.await, { discard: true })
      // Waits for a claim in progress, but does not start the claimed runs.
      const stop = queue.stop.pipe(
        Effect.zipRight(Fiber.interrupt(claiming)),
        Effect.zipRight(revertAll)
      )
      const leftMs = Math.max(sendUntil - (yield* Clock.currentTimeMillis), 0)
      const deadline = yield* Effect.forkDaemon(
        Effect.zipRight(Effect.interruptible(Effect.sleep(leftMs)), stop)
      )
      yield* restore(ended).pipe(
        Effect.onInterrupt(() => Effect.zipRight(stop, ended)),
        Effect.ensuring(Effect.zipRight(Fiber.interrupt(deadline), releaseUnused(false)))
      )
    })
  )

/** Reports a loop's defect as a tick error, and stops starting runs. */
const guarded = <R>(loop: Effect.Effect<void, never, R>) =>
  Effect.catchAllCause(loop, (cause) =>
    Effect.gen(function* () {
      if (Cause.isInterruptedOnly(cause)) return
      const { error } = yield* TickReport
      yield* error({
        code: "ENGINE_DEFECT",
        message: `An engine loop died: ${Cause.pretty(cause)}`,
        hint: "The affected runs are handled when their leases end. Report this as a bug."
      })
      yield* (yield* RunQueue).stop
    })
  )

const skewWarning = ({ ms, plusMinusMs }: ClockSkew): string =>
  `This machine's clock is ${Math.abs(Math.round(ms))} ms (± ${Math.round(plusMinusMs)}) ${ms > 0 ? "ahead of" : "behind"} the database's. ` +
  "Syncs start by the database's clock. Synchronise this machine's clock with NTP."
