import { describe, expect } from "bun:test"
import { Effect, Fiber, TestClock } from "effect"
import * as Engine from "../src/Engine.ts"
import { it } from "./support/it.ts"
import { completed, makeWorld, startOfTime, uuid, type World } from "./support/World.ts"

const tickWithin = (
  world: World,
  duration: "1 minute" | "10 minutes" = "1 minute",
  engineId = "engine-1"
) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine({ engineId }))))
    yield* TestClock.adjust(duration)
    return yield* Fiber.join(fiber)
  })

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return yield* makeWorld
})

describe("the unit cases of the specification", () => {
  it("a single due integration: inserts pending, updates to running, updates to completed", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1)
      const summary = yield* tickWithin(world)
      expect(summary).toMatchObject({ due: 1, triggered: 1, completed: 1, failed: 0, errors: [] })
      expect(world.db.transitions.map((t) => t.to)).toEqual(["pending", "running", "completed"])
    }))

  it("the Integration Edge Function returns an error: updates to failed with the error captured", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1)
      world.behave = () =>
        Effect.succeed({
          _tag: "Failed",
          httpStatus: 500,
          code: "TOKEN_EXPIRED",
          message: "Xledger answered 401",
          response: null
        })
      const summary = yield* tickWithin(world)
      expect(summary).toMatchObject({
        triggered: 1,
        failed: 1,
        runs: [
          { status: "failed", error: { code: "TOKEN_EXPIRED", message: "Xledger answered 401" } }
        ]
      })
      expect(world.runs).toMatchObject([
        { status: "failed", error_code: "TOKEN_EXPIRED", error_message: "Xledger answered 401" }
      ])
    }))

  it("an integration already running within 30 minutes: it is skipped and not triggered twice", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      const [integration] = world.seedDue(1)
      const startedAt = startOfTime - 29 * 60_000
      world.db.insertRun({
        integration_id: uuid(1),
        scheduled_for: startedAt,
        status: "running",
        created_at: startedAt,
        started_at: startedAt
      })
      const summary = yield* tickWithin(world)
      expect(summary).toMatchObject({
        due: 1,
        triggered: 0,
        skipped: 1,
        skips: [{ integration_id: integration?.id, reason: "already_running" }]
      })
      expect(world.invocations).toEqual([])
      expect(world.runs.length).toBe(1)
    }))

  it("two concurrent engine calls: the claim prevents duplicate runs", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(20)
      const [first, second] = yield* Effect.all(
        [tickWithin(world, "1 minute", "engine-1"), tickWithin(world, "1 minute", "engine-2")],
        { concurrency: "unbounded" }
      )
      expect(first.completed + second.completed).toBe(20)
      expect(world.invocations.length).toBe(20)
      expect(new Set(world.invocations.map((i) => i.run.idempotency_key)).size).toBe(20)
      for (const summary of [first, second]) {
        expect(summary.due).toBe(summary.triggered + summary.skipped)
      }
    }))

  it("parallel execution: five run concurrently, never six, and all complete", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(5)
      expect(yield* tickWithin(world)).toMatchObject({ triggered: 5, completed: 5 })
      expect(world.peakInFlight).toBe(5)

      const crowded = yield* prepare
      crowded.seedDue(23)
      crowded.behave = () => Effect.as(Effect.sleep("2 seconds"), completed)
      expect(yield* tickWithin(crowded)).toMatchObject({ triggered: 23, completed: 23 })
      expect(crowded.peakInFlight).toBe(5)
    }))

  it("nothing due: the tick returns immediately, with triggered 0 and no error", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      const summary = yield* Engine.tick().pipe(Effect.provide(world.engine()))
      expect(summary).toMatchObject({ due: 0, triggered: 0, runs: [], skips: [], errors: [] })
    }))
})
