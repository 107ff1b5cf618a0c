import { Effect, Queue } from "effect"
import type { Contender } from "../Spec.ts"
import { openBareLedger, PAGE, type Page } from "./BareLedger.ts"
import { invoke } from "./Job.ts"

/** As the engine's: a call costs the database as much as some ten runs in it. */
const START_PAUSE_MS = 4
const SETTLE_PAUSE_MS = 10

/**
 * The same SQL functions from a bare loop in Effect, that keeps one promise more: no more runs are started ahead than one round trip
 * needs. A measure of what Effect and that promise cost; it checks nothing either.
 */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
  const ledger = await openBareLedger(databaseUrl)
  const tick = Effect.gen(function* () {
    const claimed = yield* Queue.bounded<string>(PAGE)
    const started = yield* Queue.bounded<string>(concurrency)
    const ended = yield* Queue.unbounded<string>()

    const read = (cursor: string | null) => Effect.promise(() => ledger.readDue(cursor))
    const claim = Effect.gen(function* () {
      for (let page: Page | null = yield* read(null); page !== null; ) {
        const { cursor, integrations }: Page = page
        yield* claimed.offerAll(yield* Effect.promise(() => ledger.claim(integrations)))
        page = cursor === null ? null : yield* read(cursor)
      }
    })
    const start = Effect.gen(function* () {
      for (let left = jobs; left > 0; ) {
        const runs = Array.from(yield* Queue.takeBetween(claimed, 1, concurrency))
        yield* Effect.promise(() => ledger.start(runs))
        yield* started.offerAll(runs)
        yield* Effect.sleep(START_PAUSE_MS)
        left -= runs.length
      }
    })
    const work = Effect.flatMap(started.take, (run) =>
      Effect.zipRight(
        Effect.promise(() => invoke(functionUrl, run, false)),
        ended.offer(run)
      )
    )
    const settle = Effect.gen(function* () {
      for (let left = jobs; left > 0; ) {
        const runs = Array.from(yield* Queue.takeBetween(ended, 1, PAGE))
        yield* Effect.promise(() => ledger.settle(runs))
        yield* Effect.sleep(SETTLE_PAUSE_MS)
        left -= runs.length
      }
    })
    const invocations = Effect.forEach(Array.from({ length: jobs }), () => work, {
      concurrency,
      discard: true
    })
    yield* Effect.all([claim, start, invocations, settle], {
      concurrency: "unbounded",
      discard: true
    })
  })
  return { tick: () => Effect.runPromise(Effect.as(tick, undefined)), close: ledger.close }
}
