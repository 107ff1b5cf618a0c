import { describe, expect, test } from "bun:test"
import { Effect, Fiber, TestClock } from "effect"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, type World } from "../support/World.ts"

type Calls = ReadonlyArray<readonly [name: string, count: number]>

/** So many due with functions that take so long; and a tick's calls of the database that carry runs, with how many. */
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

/** How many slots each call claims, by the test's clock. */
const claimsOf = (due: number, takesMs: number) =>
  Effect.gen(function* () {
    const { calls, world } = yield* makeDue(due, takesMs)
    const fiber = yield* Effect.fork(tick(world))
    yield* TestClock.adjust("1 hour")
    expect(yield* Fiber.join(fiber)).toMatchObject({ completed: due, errors: [] })
    return calls.flatMap(([name, count]) => (name === "claim_sync_runs" ? [count] : []))
  })

describe("claims run a little ahead of the starts", () => {
  // By the real clock: the test's own has no turns of the event loop.
  test("as many as are invoked at once are claimed and started, and only then more", async () => {
    const { calls, world } = await Effect.runPromise(makeDue(30, 10))
    expect(await Effect.runPromise(tick(world))).toMatchObject({ completed: 30, errors: [] })
    expect(calls.slice(0, 3)).toEqual([
      ["claim_sync_runs", 5],
      ["start_sync_runs", 5],
      ["claim_sync_runs", 10]
    ])
  })

  it("fast functions: twice as many each time, until they are a second's", () =>
    Effect.gen(function* () {
      const claims = yield* claimsOf(600, 10)
      expect(claims.slice(0, 4)).toEqual([5, 10, 20, 40])
      expect(Math.max(...claims)).toBe(100)
    }))

  it("slow functions: not many more than are invoked at once", () =>
    Effect.gen(function* () {
      const claims = yield* claimsOf(100, 5_000)
      expect(Math.max(...claims)).toBeLessThanOrEqual(10)
    }))
})
