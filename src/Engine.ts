import { Clock, Effect, Fiber, Queue, Schema } from "effect"
import { EngineConfig } from "./Config.ts"
import { Summary } from "./Domain/Summary.ts"
import { Tally, tickError } from "./Domain/Tally.ts"
import { Token } from "./Domain/Token.ts"
import { claimAll } from "./Engine/ClaimAll.ts"
import { ClaimedRuns } from "./Engine/ClaimedRuns.ts"
import { execute } from "./Engine/Execution.ts"
import { Line } from "./Engine/Line.ts"
import { Places } from "./Engine/Places.ts"
import { checkSchema, schemaError } from "./Engine/SchemaCheck.ts"
import type { TickContext, TickOptions } from "./Engine/TickContext.ts"
import { runSpans } from "./Engine/Tracing.ts"
import { type Functions, makeFunctions, prewarm } from "./Engine/Warming.ts"
import { clockSkew } from "./Metrics.ts"
import { Invoker } from "./Services/Invoker.ts"
import { Ledger } from "./Services/Ledger.ts"

export { preview } from "./Engine/Preview.ts"
export type { TickEvent, TickOptions } from "./Engine/TickContext.ts"

/** Clocks further apart than this are an incident: logs and deadlines no longer tell the truth. */
const SKEW_ALERT_MS = 5_000
/** Runs that spare their accounting API are waited for this long, so that a tick is over before the next one; then they are its. */
const HOLD_MS = 45_000

/**
 * One tick: sweep what dead engines left, read what is due, claim each slot under the advisory lock, invoke the
 * claimed runs (at most `concurrency` at a time), record each outcome, and return the summary.
 *
 * *Guarantees*: never fails; whatever stops part of it is an error in the summary. Nothing is invoked before its start
 * is committed. When interrupted it stops claiming, lets what is in flight finish and settle, gives back what was not
 * started, records the tick, and only then ends.
 */
export const tick = Effect.fn("Engine.tick")(function* (options: TickOptions = {}) {
  const ledger = yield* Ledger
  const settings = yield* EngineConfig
  const tickId = options.tickId ?? (yield* Token).next()
  const startedAt = yield* Clock.currentTimeMillis
  const tally = new Tally(settings.driftAlertMs)
  const summarise = Effect.map(Clock.currentTimeMillis, (finishedAt) =>
    tally.summary({ tickId, engineId: settings.engineId, startedAt, finishedAt })
  )

  const opened = yield* ledger.openTick(tickId, options.scope ?? {}, options.wakeWithinMs).pipe(
    Effect.tap(({ schemaVersion }) => checkSchema(schemaVersion)),
    Effect.tapError((error) => Effect.sync(() => tally.error(schemaError(error)))),
    Effect.option
  )
  if (opened._tag === "None") return yield* summarise
  const skewMs = midpoint(startedAt, yield* Clock.currentTimeMillis) - opened.value.now
  clockSkew.set(skewMs / 1_000)
  const functions = yield* makeFunctions
  const prewarming = prewarm(opened.value.warmUps, functions)
  const isSkewed = Math.abs(skewMs) > SKEW_ALERT_MS
  if (isSkewed) yield* Effect.logWarning(skewWarning(skewMs))
  if (opened.value.idle && !isSkewed) return yield* Effect.zipRight(prewarming, summarise)

  const record = Effect.flatMap(summarise, (summary) =>
    ledger.finishTick(tickId, Schema.encodeSync(Summary)(summary), skewMs)
  ).pipe(Effect.catchAll((error) => Effect.sync(() => tally.error(tickError(error)))))

  const claimUntil = startedAt + (options.budgetMs ?? Number.POSITIVE_INFINITY)
  const context: TickContext = {
    ledger,
    invoker: yield* Invoker,
    clock: yield* Effect.clock,
    nextToken: (yield* Token).next,
    settings,
    scope: options.scope ?? {},
    skewMs,
    limit: options.limit ?? Number.POSITIVE_INFINITY,
    claimUntil,
    holdUntil: Math.min(startedAt + HOLD_MS, claimUntil),
    tally,
    observe: options.observe ?? (() => Effect.void),
    claimed: new ClaimedRuns(),
    places: new Places(settings.concurrency),
    line: new Line(),
    ready: yield* Queue.unbounded<string>()
  }
  // Given back at once, not only when the last run in flight is over: others need not wait for that.
  const claiming = claimAll(opened.value, context).pipe(
    Effect.onInterrupt(() => giveBack(context)),
    endWithBudget(context)
  )
  yield* Effect.all([claiming, executeAll(functions, context), prewarming], {
    concurrency: "unbounded",
    discard: true
  }).pipe(Effect.ensuring(giveBack(context)), Effect.ensuring(record))
  return yield* summarise
})

/**
 * Runs go from hand to hand: one fiber of each asks the database for its start and records its outcome, while as many
 * workers as may be in flight invoke. When interrupted nothing more is started, and what is under way goes to its end; each
 * invocation is bounded by its timeout.
 */
const executeAll = (functions: Functions, context: TickContext) => {
  const { line, places, settings } = context
  const { concurrency } = settings
  const invocations = Effect.forEach(
    Array.from({ length: concurrency }),
    () => invokeNext(context),
    { concurrency, discard: true }
  )
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // A daemon, because who is interrupted waits for it, while timeouts inside it go on working.
      const workers = yield* Effect.forkDaemon(Effect.interruptible(invocations))
      yield* startClaimed(restore, functions, context).pipe(
        Effect.onInterrupt(() => Effect.sync(() => line.stop())),
        Effect.ensuring(places.empty),
        Effect.ensuring(Effect.sync(() => line.end())),
        Effect.ensuring(Fiber.join(workers))
      )
    })
  )
}

/** A worker: invokes one started run after the other, as they come. */
const invokeNext = ({ line }: TickContext) =>
  Effect.gen(function* () {
    for (;;) {
      const work = yield* line.take
      if (work === undefined) return
      yield* work
    }
  })

/** Starts claimed runs as soon as there is room for them. */
const startClaimed = (
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
  functions: Functions,
  context: TickContext
) =>
  Effect.gen(function* () {
    const { claimed, places } = context
    const spanOf = yield* runSpans
    for (;;) {
      if (!places.hasRoom) yield* restore(places.untilRoom)
      if (!claimed.isDecided) yield* restore(claimed.untilDecided)
      const next = claimed.next()
      if (next === undefined) return
      const run = spanOf(next.run)(execute(next, places.admit(), functions, context))
      yield* Effect.forkDaemon(Effect.interruptible(run))
    }
  })

/** When the tick's time is up nothing more is claimed or sent; what was claimed and not sent is given back. */
const endWithBudget =
  ({ claimUntil, line }: TickContext) =>
  <R>(claiming: Effect.Effect<void, never, R>): Effect.Effect<void, never, R> =>
    Number.isFinite(claimUntil)
      ? Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.timeoutTo(claiming, {
            duration: Math.max(claimUntil - now, 0),
            onSuccess: () => undefined,
            onTimeout: () => line.stop()
          })
        )
      : claiming

/** Claimed and never started, because the tick was interrupted or its time is up: any engine may have them at once. */
const giveBack = (context: TickContext) =>
  Effect.suspend(() =>
    context.ledger.release(context.claimed.takeAll().map(({ run }) => run.run_id))
  ).pipe(
    Effect.catchAll((error) => Effect.sync(() => context.tally.error(tickError(error)))),
    Effect.uninterruptible
  )

const skewWarning = (skewMs: number): string =>
  `This machine's clock is ${Math.abs(Math.round(skewMs))} ms ${skewMs > 0 ? "ahead of" : "behind"} the database's. ` +
  "What is due goes by the database's clock; set this one with NTP."

const midpoint = (from: number, to: number): number => from + (to - from) / 2
