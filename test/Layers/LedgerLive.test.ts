import { describe, expect } from "bun:test"
import { Effect, Fiber, TestClock } from "effect"
import { Ledger } from "../../src/Services/Ledger.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid } from "../support/World.ts"

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  const world = yield* makeWorld
  world.seedDue(1)
  world.db.insertRun({ integration_id: uuid(1), scheduled_for: startOfTime })
  return world
})

/** The waiting run, as a tick reads it. */
const waiting = Effect.gen(function* () {
  const ledger = yield* Ledger
  const [run] = yield* ledger.readPending({}, [])
  if (run === undefined) return yield* Effect.die("no run waits")
  return run
})

/** All of them in the same turn, and their answers a second later: batches have pauses between them. */
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.gen(function* () {
    const all = yield* Effect.fork(Effect.all(calls, { concurrency: "unbounded" }))
    yield* TestClock.adjust("1 second")
    return yield* Fiber.join(all)
  })

const noContact = { cold_start: false, warm_up_ms: null }

describe("two ticks of one process", () => {
  it("start the same run in the same turn: one has started it, the other has lost the race", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      yield* Effect.gen(function* () {
        const ledger = yield* Ledger
        const run = yield* waiting
        const starts = yield* together(
          [uuid(501), uuid(502), uuid(503)].map((token) =>
            ledger.start(run, token, 60_000, noContact)
          )
        )
        expect(starts.map((start) => start._tag).toSorted()).toEqual([
          "NotStarted",
          "NotStarted",
          "Started"
        ])
        const [row] = world.runs
        const owner = starts.findIndex((start) => start._tag === "Started")
        expect(row).toMatchObject({ status: "running", attempt: 1, lease_token: uuid(501 + owner) })
      }).pipe(Effect.provide(world.engine()))
    }))

  it("settle the same run in the same turn: each hears of its own token", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      yield* Effect.gen(function* () {
        const ledger = yield* Ledger
        yield* ledger.start(yield* waiting, uuid(501), 60_000, noContact)
        const settle = (lease_token: string) =>
          ledger.settle(
            {
              run_id: world.runs[0]?.id ?? "",
              lease_token,
              outcome: "completed",
              http_status: 200,
              error_code: null,
              error_message: null,
              response: null,
              retry_in_ms: null,
              lease_seconds: null
            },
            10_000
          )
        const settled = yield* together([settle(uuid(501)), settle(uuid(502))])
        expect(settled.map((one) => one.accepted)).toEqual([true, false])
      }).pipe(Effect.provide(world.engine()))
    }))
})
