import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, TestClock } from "effect"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, startOfTime, type World } from "../support/World.ts"

const BUDGET_MS = 25_000

/** Records when each invocation is sent, in ms after the tick began. */
const makeSlowWorld = (due: number, takesMs: number) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const world = yield* makeWorld
    const sentAt: Array<number> = []
    world.seedDue(due, 1_000, { sync_schedule: "0 4 29 2 *" })
    world.behave = () =>
      Effect.gen(function* () {
        sentAt.push((yield* Clock.currentTimeMillis) - startOfTime)
        yield* Effect.sleep(takesMs)
        return completed
      })
    return { world, sentAt }
  })

const tick = (world: World, budgetMs?: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(
      Engine.tick({ budgetMs }).pipe(Effect.provide(world.engine({ engineId: "engine-1" })))
    )
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("a tick with a budget", () => {
  for (const takesMs of [10_000, 24_900, 100_000]) {
    it(`with functions of ${takesMs} ms invokes nothing after the budget, finishes runs in flight and leaves the rest`, () =>
      Effect.gen(function* () {
        const { sentAt, world } = yield* makeSlowWorld(60, takesMs)
        const summary = yield* tick(world, BUDGET_MS)
        const rounds = Math.ceil(BUDGET_MS / takesMs)
        expect(summary).toMatchObject({ completed: rounds * 5, failed: 0, errors: [] })
        expect(summary.duration_ms).toBeLessThan(rounds * takesMs + 1_000)
        expect(Math.max(...sentAt)).toBeLessThan(BUDGET_MS)
        const left = world.runs.filter((run) => run.status !== "completed")
        expect(left.map((run) => [run.status, run.claimed_by])).toEqual(
          left.map(() => ["pending", null])
        )

        for (let left = 60 - rounds * 5; left > 0; ) {
          const { completed, duration_ms, errors } = yield* tick(world)
          expect(errors).toEqual([])
          expect(completed).toBeGreaterThan(0)
          expect(duration_ms).toBeLessThan(300_000 + takesMs + 1_000)
          left -= completed
        }
        const keys = world.invocations.map(({ run }) => run.idempotency_key)
        expect([keys.length, new Set(keys).size]).toEqual([60, 60])
      }))
  }

  it("runs as many slots of one integration as fit, and does not wait for the rest", () =>
    Effect.gen(function* () {
      const { sentAt, world } = yield* makeSlowWorld(0, 10_000)
      world.seedDue(1, 10 * 60_000, { sync_schedule: "* * * * *", catch_up: "all" })
      const summary = yield* tick(world, BUDGET_MS)
      expect(sentAt.map((ms) => Math.round(ms / 1_000))).toEqual([0, 10, 20])
      expect(summary).toMatchObject({ completed: 3, errors: [] })
      expect(summary.duration_ms).toBeLessThan(31_000)
    }))
})

it("a tick with a limit starts no more runs, even if each integration has several due slots", () =>
  Effect.gen(function* () {
    const { world } = yield* makeSlowWorld(0, 1_000)
    world.seedDue(3, 10 * 60_000, { sync_schedule: "* * * * *", catch_up: "all" })
    // Several outcomes are recorded in one call, so that several integrations can have their next slot claimed concurrently.
    world.carry = (operation, execute) =>
      operation === "settle_sync_runs" ? Effect.delay(execute, 100) : execute
    const summaries = []
    for (const limit of [2, 4, 5]) {
      const fiber = yield* Effect.fork(Engine.tick({ limit }).pipe(Effect.provide(world.engine())))
      yield* TestClock.adjust("1 minute")
      summaries.push((yield* Fiber.join(fiber)).triggered)
    }
    expect(summaries).toEqual([2, 4, 5])
  }))
