import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, TestClock } from "effect"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, startOfTime, uuid } from "../support/World.ts"

/** Records when each invocation is sent, in ms after the tick began. */
const makeScenario = (slowMs: number) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const world = yield* makeWorld
    const sentAt: Array<readonly [id: string, at: number]> = []
    world.seedDue(1, 1_000, { sync_schedule: "0 4 29 2 *" })
    world.behave = ({ run }) =>
      Effect.gen(function* () {
        sentAt.push([run.integration_id, (yield* Clock.currentTimeMillis) - startOfTime])
        yield* Effect.sleep(run.integration_id === uuid(1) ? slowMs : 100)
        return completed
      })
    const dueIn = (n: number, ms: number) =>
      world.db.seed({
        id: uuid(n),
        sync_schedule: "0 4 29 2 *",
        next_run_at: startOfTime + ms
      })
    const tick = Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), world.engine()))
      yield* TestClock.adjust("1 hour")
      return yield* Fiber.join(fiber)
    })
    return { world, sentAt, dueIn, tick }
  })

describe("while a run is in progress", () => {
  it("newly due slots start within 5 s", () =>
    Effect.gen(function* () {
      const { dueIn, sentAt, tick } = yield* makeScenario(150_000)
      dueIn(2, 20_000)
      dueIn(3, 61_000)
      const summary = yield* tick
      expect(summary).toMatchObject({ due: 3, completed: 3, missed: 0, errors: [] })
      expect(sentAt).toEqual([
        [uuid(1), 0],
        [uuid(2), 20_000],
        [uuid(3), 65_000]
      ])
      expect(summary.duration_ms).toBeLessThan(150_100)
    }))

  it("newly due slots start for five minutes at most, so that every tick ends", () =>
    Effect.gen(function* () {
      const { dueIn, tick } = yield* makeScenario(155_000)
      dueIn(2, 140_000)
      for (let n = 3; n < 33; n++) dueIn(n, 150_000 + (n - 3) * 10_000)
      const first = yield* tick
      expect(first).toMatchObject({ errors: [] })
      expect(first.duration_ms).toBeLessThan(456_000)
      expect((yield* tick).due + first.due).toBe(32)
    }))

  it("the tick ends with its last run", () =>
    Effect.gen(function* () {
      const { tick } = yield* makeScenario(17_000)
      expect((yield* tick).duration_ms).toBeLessThan(17_100)
    }))
})
