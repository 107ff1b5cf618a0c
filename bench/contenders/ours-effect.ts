import { Effect, Queue } from "effect"
import type { Contender } from "../Spec.ts"
import { openBareLedger, PAGE } from "./BareLedger.ts"
import { invoke } from "./Job.ts"

/**
 * The pauses between calls are the same as in the engine. Each pause collects more runs for the next call, which reduces the load
 * on the database.
 */
const START_PAUSE_MS = 4
const SETTLE_PAUSE_MS = 10

/** Calls the SQL functions from a bare loop in Effect. Measures the cost of Effect and of a bounded queue. */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
  const ledger = await openBareLedger(databaseUrl)
  const tick = Effect.gen(function* () {
    const claimed = yield* Queue.bounded<string>(PAGE)
    const started = yield* Queue.bounded<string>(concurrency)
    const ended = yield* Queue.unbounded<string>()

    const fetch = Effect.promise(ledger.fetch)
    const claim = Effect.gen(function* () {
      for (let due = yield* fetch; due.length > 0; due = yield* fetch) {
        const page = due
        yield* claimed.offerAll(yield* Effect.promise(() => ledger.claim(page)))
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
