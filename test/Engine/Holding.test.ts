import { describe, expect } from "bun:test"
import { type Duration, Effect, Fiber, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
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

/** Ticks once a minute until no run is live, at most five times. */
const workOff = (world: World) =>
  Effect.gen(function* () {
    for (let n = 0; n < 5 && world.db.live.size > 0; n++) {
      yield* tick(world)
      yield* TestClock.adjust("1 minute")
    }
    return world.runs.map(({ status }) => status)
  })

/** The schedule is yearly, so no further slot becomes due. All integrations belong to one organisation. */
const once = { sync_schedule: "0 0 1 1 *", org_id: "00000000-0000-4000-8000-0000000000aa" }

const lockedRow = (operation: string) =>
  new SupabaseError({ operation, reason: "NotExecuted", code: "55P03", detail: "a row is locked" })

const slowDown = (retryAfterMs: number): Outcome => ({
  _tag: "NotExecuted",
  httpStatus: 429,
  code: "HTTP_429",
  message: "slow down",
  retryAfterMs
})

describe("an API that throttles", () => {
  it("gets its runs one at a time in the same tick, and no run is lost", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(8, 1_000, once)
      world.behave = (invocation) =>
        world.invocations.length === 1 && invocation.run.attempt === 1
          ? Effect.as(Effect.sleep("10 millis"), slowDown(5_000))
          : Effect.as(Effect.sleep("1 second"), completed)
      const first = yield* Effect.fork(
        Engine.tick({ limit: 1 }).pipe(Effect.provide(world.engine()))
      )
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(first)
      world.peakInFlight = 0
      const summary = yield* tick(world)
      expect(world.peakInFlight).toBeLessThanOrEqual(4)
      expect(summary).toMatchObject({ due: 8, completed: 8, skipped: 0, errors: [] })
      const starts = world.runs.map((run) => run.attempt_started_at ?? 0)
      const refused = world.runs.find((run) => run.attempt === 2)?.started_at ?? 0
      expect(starts.filter((at) => at > refused && at < refused + 5_000)).toEqual([])
      expect(world.db.events.filter(({ kind }) => kind === "delayed").length).toBeGreaterThan(0)
    }))

  it("leaves runs pending that no longer fit in the tick, with the reason in the summary", () =>
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
      world.behave = () => Effect.succeed(completed)
      yield* TestClock.adjust("11 minutes")
      expect(yield* workOff(world)).toEqual(Array.from({ length: 4 }, () => "completed"))
    }))

  it("does not delay other organisations", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(2, 1_000, once)
      world.behave = () => Effect.succeed(slowDown(600_000))
      yield* tick(world, "1 second")
      world.behave = () => Effect.as(Effect.sleep("1 second"), completed)
      for (const n of [61, 62, 63, 64, 65]) {
        const id = `00000000-0000-4000-8000-0000000000${n}`
        world.db.seed({ id, next_run_at: world.db.now() - 1_000 })
      }
      world.peakInFlight = 0
      const summary = yield* tick(world)
      expect(world.peakInFlight).toBe(5)
      expect(summary).toMatchObject({ completed: 5, skipped: 0 })
    }))

  it("does not delay other APIs", () =>
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

  it("does not prevent an interrupted tick from releasing deferred runs to other engines", () =>
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

describe("a slot locked by another session", () => {
  it("runs in the same tick if the lock is brief, as in another engine's fetch", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1, 1_000, once)
      let looks = 0
      // The fetch makes the first lock check, and the claim makes the second.
      world.db.isLocked = () => ++looks === 2
      expect(yield* tick(world)).toMatchObject({ due: 1, completed: 1, skipped: 0 })
    }))

  it("is skipped if the lock lasts longer, and the next tick runs it", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1, 1_000, once)
      let looks = 0
      world.db.isLocked = () => ++looks > 1
      expect(yield* tick(world)).toMatchObject({ completed: 0, skips: [{ reason: "locked" }] })
      world.db.isLocked = () => false
      expect(yield* tick(world)).toMatchObject({ completed: 1, skips: [] })
    }))

  it("is not claimed again while the tick stops", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1, 1_000, once)
      let looks = 0
      world.db.isLocked = () => ++looks > 1
      const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
      yield* TestClock.adjust("50 millis")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(interrupting)
      // The tick makes one fetch and one claim. Each checks the lock once.
      expect(looks).toBe(2)
    }))
})

it("a stopping tick releases a run whose row another session has locked", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    world.seedDue(1, 1_000, once)
    world.carry = (operation, execute) =>
      operation === "start_sync_runs" ? Effect.fail(lockedRow(operation)) : execute
    const fiber = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
    yield* TestClock.adjust("500 millis")
    expect(world.runs).toMatchObject([{ status: "pending", claimed_by: "engine-1" }])
    const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
    yield* TestClock.adjust("100 millis")
    yield* Fiber.join(interrupting)
    expect(world.runs).toMatchObject([{ status: "pending", claimed_by: null }])
  }))

describe("a function that rejects run after run", () => {
  const tickOf = (rejection: Outcome) =>
    Effect.gen(function* () {
      const world = yield* prepare
      // This type has no known API, so no API throttle delays the runs.
      world.seedDue(20, 2_000, { ...once, integration_type: "in-house" })
      for (const id of ["77", "78", "79"]) {
        const row = { sync_schedule: "0 0 1 1 *", integration_type: "in-house" }
        world.seedDue(1, 1_000, { ...row, id: `00000000-0000-4000-8000-0000000000${id}` })
      }
      world.behave = ({ run }) =>
        run.org_id === once.org_id
          ? Effect.succeed(rejection)
          : Effect.as(Effect.sleep("1 second"), completed)
      return yield* tick(world)
    })

  it("remains available to other organisations if it answered itself", () =>
    Effect.gen(function* () {
      const summary = yield* tickOf(slowDown(600_000))
      expect(summary).toMatchObject({ due: 23, triggered: 23, completed: 3, skipped: 0 })
    }))

  it("is not invoked after ten consecutive runs if the platform answered", () =>
    Effect.gen(function* () {
      const summary = yield* tickOf({
        _tag: "NotExecuted",
        httpStatus: 503,
        code: "BOOT_ERROR",
        message: "The function did not start",
        retryAfterMs: null
      })
      expect(summary.triggered).toBeLessThan(20)
      expect(summary.skips.map(({ reason }) => reason)).toContain("function_unavailable")
    }))
})
