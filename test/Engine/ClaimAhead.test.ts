import { describe, expect, test } from "bun:test"
import { Clock, Effect, Fiber, TestClock } from "effect"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, type World } from "../support/World.ts"

type Calls = ReadonlyArray<readonly [name: string, count: number]>

/** Records the number of runs in each database call. */
const makeDue = (due: number, takesMs: number) =>
  Effect.map(makeWorld, (world): { readonly world: World; readonly calls: Calls } => {
    world.seedDue(due, 1_000, { sync_schedule: "0 4 29 2 *" })
    world.behave = () => Effect.as(Effect.sleep(takesMs), completed)
    const calls: Array<readonly [name: string, count: number]> = []
    world.carry = (name, execute, args) => {
      const items = args.p_slots ?? args.p_starts ?? args.p_settlements
      if (Array.isArray(items)) calls.push([name, items.length])
      return execute
    }
    return { world, calls }
  })

const tick = (world: World) => Effect.provide(Engine.tick(), world.engine())

/** Returns the number of slots in each claim call. */
const claimsOf = (due: number, takesMs: number) =>
  Effect.gen(function* () {
    const { calls, world } = yield* makeDue(due, takesMs)
    const fiber = yield* Effect.fork(tick(world))
    yield* TestClock.adjust("1 hour")
    expect(yield* Fiber.join(fiber)).toMatchObject({ completed: due, errors: [] })
    return calls.flatMap(([name, count]) => (name === "claim_sync_runs" ? [count] : []))
  })

describe("claims ahead of the starts", () => {
  // Runs on the real clock, because the TestClock never yields to the event loop.
  test("begin with twice as many runs as can be in flight, and half of these runs start", async () => {
    const { calls, world } = await Effect.runPromise(makeDue(30, 10))
    expect(await Effect.runPromise(tick(world))).toMatchObject({ completed: 30, errors: [] })
    expect(calls.slice(0, 2)).toEqual([
      ["claim_sync_runs", 10],
      ["start_sync_runs", 5]
    ])
  })

  it("cover about a second of fast functions, with at most 100 slots a call", () =>
    Effect.gen(function* () {
      const claims = yield* claimsOf(600, 10)
      expect(claims[0]).toBe(10)
      expect(Math.max(...claims)).toBeGreaterThan(45)
      expect(Math.max(...claims)).toBeLessThanOrEqual(100)
    }))

  it("of slow functions exceed the in-flight limit only slightly", () =>
    Effect.gen(function* () {
      const claims = yield* claimsOf(100, 5_000)
      expect(Math.max(...claims)).toBeLessThanOrEqual(10)
    }))
})

describe("a start call", () => {
  it("does not wait for more runs while workers are idle", () =>
    Effect.gen(function* () {
      const { world } = yield* makeDue(10, 100)
      const sentAt: Array<number> = []
      world.behave = () =>
        Effect.gen(function* () {
          sentAt.push(yield* Clock.currentTimeMillis)
          // The first answers arrive one after another, so that each frees a worker on its own.
          yield* Effect.sleep(100 + sentAt.length)
          return completed
        })
      const fiber = yield* Effect.fork(tick(world))
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 10, errors: [] })
      const [first = 0] = sentAt
      expect(sentAt.map((at) => at - first)).toEqual([0, 0, 0, 0, 0, 101, 102, 103, 104, 105])
    }))

  it("does not wait for more runs if the database is slow", () =>
    Effect.gen(function* () {
      const { world } = yield* makeDue(40, 100)
      const sentAt: Array<number> = []
      world.behave = () =>
        Effect.gen(function* () {
          sentAt.push(yield* Clock.currentTimeMillis)
          yield* Effect.sleep(100 + (sentAt.length % 5))
          return completed
        })
      let calls = 0
      world.carry = (name, execute) =>
        name === "start_sync_runs" ? Effect.delay(execute, ++calls > 8 ? 250 : 0) : execute
      const fiber = yield* Effect.fork(tick(world))
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 40, errors: [] })
      const [first = 0] = sentAt
      const lastWaves = sentAt.slice(25).map((at) => at - first)
      expect(lastWaves).toEqual([673, 923, 1173].flatMap((at) => Array(5).fill(at)))
    }))
})
