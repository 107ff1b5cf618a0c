import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { prewarmJob } from "../../src/Server/PrewarmJob.ts"
import { runForever } from "../../src/Server/RecurringJob.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid, type World } from "../support/World.ts"

const WARM = { warm_up: true }

/** Returns which functions the job warmed up, and in which second. */
const watch = (world: World, seconds: number, at = 3) =>
  Effect.gen(function* () {
    const warmed: Array<[name: string | null, second: number]> = []
    world.warm = (name) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        warmed.push([name, (now - startOfTime) / 1000])
        return { latencyMs: 5, ok: true, cold: false, detail: null }
      })
    yield* TestClock.setTime(startOfTime + at * 1000)
    const fiber = yield* Effect.fork(runForever(prewarmJob()).pipe(Effect.provide(world.engine())))
    for (let second = 0; second < seconds; second += 1) yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(fiber)
    return warmed
  })

const slot = (seconds: number) => startOfTime + seconds * 1000

describe("functions are warmed up 30 s before their next slots", () => {
  it("once each, at the right time", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      world.db.seed({ id: uuid(1), ...WARM, next_run_at: slot(120) })
      world.db.seed({ id: uuid(2), ...WARM, next_run_at: slot(120) })
      world.db.seed({ id: uuid(3), ...WARM, next_run_at: slot(151), function_name: "other" })
      world.db.seed({ id: uuid(4), next_run_at: slot(100), function_name: "never-asked" })
      expect(yield* watch(world, 200)).toEqual([
        [null, 90],
        ["other", 121]
      ])
    }))

  it("immediately if less time is left, and not for past or later slots", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      world.db.seed({ id: uuid(1), ...WARM, next_run_at: slot(10) })
      world.db.seed({ id: uuid(2), ...WARM, next_run_at: slot(1), function_name: "past" })
      world.db.seed({ id: uuid(3), ...WARM, next_run_at: slot(3_600), function_name: "far" })
      expect(yield* watch(world, 60)).toEqual([[null, 3]])
    }))

  it("again for the next slot of the same function", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* TestClock.setTime(startOfTime)
      const { id } = world.db.seed({ id: uuid(1), ...WARM, next_run_at: slot(60) })
      const fiber = yield* Effect.fork(
        Effect.delay(
          Effect.sync(() => {
            const row = world.db.integrations.get(id)
            if (row !== undefined) row.next_run_at = slot(120)
          }),
          "61 seconds"
        )
      )
      expect(yield* watch(world, 150)).toEqual([
        [null, 30],
        [null, 90]
      ])
      yield* Fiber.interrupt(fiber)
    }))

  it("even after the database was unavailable for a while", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      world.db.seed({ id: uuid(1), ...WARM, next_run_at: slot(120) })
      let refusals = 2
      world.carry = (name, execute) => {
        if (name !== "read_upcoming_warm_ups" || refusals === 0) return execute
        refusals -= 1
        return Effect.fail(
          new SupabaseError({
            operation: name,
            reason: "NotExecuted",
            code: "08006",
            detail: "away"
          })
        )
      }
      expect(yield* watch(world, 150)).toEqual([[null, 90]])
    }))
})
