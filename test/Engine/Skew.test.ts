import { describe, expect } from "bun:test"
import { Effect, Fiber, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import { clockSkew } from "../../src/Metrics.ts"
import { it } from "../support/it.ts"
import { readSeries } from "../support/metrics.ts"
import { startOfTime, World } from "../support/World.ts"

/** The database clock is `aheadMs` ahead of the engine's. `opening` handles a tick's first database call. */
const makeWorld = (aheadMs: number, opening: World["carry"] = (_, execute) => execute) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const clock = yield* Effect.clock
    const world = new World(() => clock.unsafeCurrentTimeMillis() + aheadMs)
    world.carry = (name, execute, args) =>
      name === "open_sync_tick" ? opening(name, execute, args) : execute
    return world
  })

const tick = (world: World) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
    yield* TestClock.adjust("5 minutes")
    return yield* Fiber.join(fiber)
  })

/** Returns the error of the function's deadline on the database's clock, in ms. */
const lateMs = (world: World) => {
  const [invocation] = world.invocations
  const started = world.runs[0]?.started_at ?? Number.NaN
  return (invocation?.deadline ?? Number.NaN) - started - 155_000
}

const incidents = (world: World) =>
  world.db.incidents.filter((one) => one.kind === "clock_skew" && one.resolved_at === null).length

const away = new SupabaseError({
  operation: "open_sync_tick",
  reason: "NotExecuted",
  code: "PGRST002",
  detail: "away"
})

describe("the clock skew of a tick", () => {
  it("does not include retries: an API that is unavailable for 9.5 s causes no skew", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(0, (_, execute) =>
        Effect.clockWith((clock) =>
          clock.unsafeCurrentTimeMillis() < startOfTime + 9_500 ? Effect.fail(away) : execute
        )
      )
      world.seedDue(1)
      expect(yield* tick(world)).toMatchObject({ completed: 1, errors: [] })
      expect(world.invocations[0]?.deadline).toBeGreaterThan(startOfTime + 9_500 + 155_000)
      expect(lateMs(world)).toBe(0)
      expect(incidents(world)).toBe(0)
    }))

  it("is not derived from a response that is 12 s late", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(0, (_, execute) => Effect.delay(execute, "12 seconds"))
      world.seedDue(1)
      clockSkew.set(0)
      expect(yield* tick(world)).toMatchObject({ completed: 1, errors: [] })
      expect(lateMs(world)).toBe(0)
      expect(incidents(world)).toBe(0)
      expect(readSeries().get("sync_scheduler_clock_skew_seconds")).toBe(0)
    }))

  it("opens an incident if it exceeds half of the round trip, and deadlines use the database's clock", () =>
    Effect.gen(function* () {
      for (const aheadMs of [20_000, -20_000]) {
        const world = yield* makeWorld(aheadMs, (_, execute) => Effect.delay(execute, "200 millis"))
        world.seedDue(1)
        expect(yield* tick(world)).toMatchObject({ completed: 1, errors: [] })
        expect(Math.abs(lateMs(world))).toBeLessThanOrEqual(100)
        expect(incidents(world)).toBe(1)
      }
    }))

  it("resolves its incident in an idle tick once the clocks agree, and otherwise costs no second call", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(0)
      world.db.raise("clock_skew", "engine-1")
      yield* tick(world)
      expect(incidents(world)).toBe(0)
      const calls: Array<string> = []
      world.carry = (name, execute) => {
        calls.push(name)
        return execute
      }
      yield* tick(world)
      expect(calls).toEqual(["open_sync_tick"])
    }))

  it("leaves its incident open after a slow call, which cannot measure the skew", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(0, (_, execute) => Effect.delay(execute, "12 seconds"))
      world.db.raise("clock_skew", "engine-1")
      world.seedDue(1)
      yield* tick(world)
      expect(incidents(world)).toBe(1)
    }))
})
