import { describe, expect } from "bun:test"
import { type Duration, Effect, Fiber, TestClock } from "effect"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, startOfTime, type World } from "../support/World.ts"

const tick = (world: World, duration: Duration.DurationInput = "2 minutes") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
    yield* TestClock.adjust(duration)
    return yield* Fiber.join(fiber)
  })

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return yield* makeWorld
})

/** Ticks, a minute apart, until no run waits any more; a few at most. */
const workOff = (world: World) =>
  Effect.gen(function* () {
    for (let n = 0; n < 5 && world.db.live.size > 0; n++) {
      yield* tick(world)
      yield* TestClock.adjust("1 minute")
    }
    return world.runs.map(({ status }) => status)
  })

/** One slot, and no other for a long time. */
const once = { sync_schedule: "0 0 1 1 *" }

const slowDown = (retryAfterMs: number): Outcome => ({
  _tag: "NotExecuted",
  httpStatus: 429,
  code: "HTTP_429",
  message: "slow down",
  retryAfterMs
})

describe("an API that throttles", () => {
  it("its runs go one at a time, each in this tick while there is time, and none is lost", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(8, 1_000, once)
      world.behave = (invocation) =>
        world.invocations.length === 1 && invocation.run.attempt === 1
          ? Effect.as(Effect.sleep("10 millis"), slowDown(5_000))
          : Effect.as(Effect.sleep("1 second"), completed)
      // The first is refused before the others are started.
      const first = yield* Effect.fork(
        Engine.tick({ limit: 1 }).pipe(Effect.provide(world.engine()))
      )
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(first)
      world.peakInFlight = 0
      const summary = yield* tick(world)
      expect(world.peakInFlight).toBeLessThanOrEqual(4)
      expect(summary).toMatchObject({ due: 7, completed: 7, skipped: 0, errors: [] })
      // Not before the five seconds that were asked for.
      const starts = world.runs.flatMap((run) => (run.attempt === 1 ? [run.started_at ?? 0] : []))
      const refused = Math.min(...starts)
      expect(starts.filter((at) => at > refused && at < refused + 5_000)).toEqual([])
      expect(world.db.events.filter(({ kind }) => kind === "delayed").length).toBeGreaterThan(0)
    }))

  it("what does not come in time waits in the ledger, with the reason in the summary", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(3, 1_000, once)
      world.behave = () => Effect.succeed(slowDown(600_000))
      const first = yield* tick(world, "1 second")
      expect(first).toMatchObject({ due: 3, triggered: 3, unresolved: 3 })
      world.seedDue(1, 1_000, { ...once, id: "00000000-0000-4000-8000-000000000077" })
      const summary = yield* tick(world, "1 second")
      expect(summary).toMatchObject({
        due: 1,
        triggered: 0,
        skipped: 1,
        skips: [{ reason: "api_throttled" }]
      })
      const held = world.runs.find((run) => run.delay_reason !== null)
      expect(held).toMatchObject({ status: "pending", attempt: 0, claimed_by: null })
      // Its time comes, and any engine starts it.
      world.behave = () => Effect.succeed(completed)
      yield* TestClock.adjust("11 minutes")
      expect(yield* workOff(world)).toEqual(Array.from({ length: 4 }, () => "completed"))
    }))

  it("other APIs are not held up", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(2, 1_000, once)
      world.behave = () => Effect.succeed(slowDown(600_000))
      yield* tick(world, "1 second")
      world.behave = () => Effect.as(Effect.sleep("1 second"), completed)
      for (const n of [61, 62, 63, 64, 65]) {
        const id = `00000000-0000-4000-8000-0000000000${n}`
        const next_run_at = world.db.now() - 1_000
        world.db.seed({ id, integration_type: "fortnox", next_run_at })
      }
      world.peakInFlight = 0
      const summary = yield* tick(world)
      expect(world.peakInFlight).toBe(5)
      expect(summary).toMatchObject({ completed: 5, skipped: 0 })
    }))

  it("an interrupted tick leaves held runs to the others", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(2, 1_000, once)
      world.behave = () => Effect.succeed(slowDown(10_000))
      yield* tick(world, "1 second")
      world.seedDue(1, 1_000, { ...once, id: "00000000-0000-4000-8000-000000000077" })
      const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      world.behave = () => Effect.succeed(completed)
      yield* TestClock.adjust("1 minute")
      expect(yield* workOff(world)).toEqual(["completed", "completed", "completed"])
    }))
})
