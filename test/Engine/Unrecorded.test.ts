import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, type World } from "../support/World.ts"

const refusals = [
  ["NotExecuted", "25006", "read-only"],
  ["NotExecuted", "53100", "the disk is full"],
  ["NotExecuted", "53200", "out of memory"],
  ["Ambiguous", "57P01", "the server is being stopped"],
  ["Ambiguous", "no_answer", "the connection was lost"],
  ["Rejected", "42P01", "a trigger of the project's own names a table that is not there"],
  ["Refused", "PGRST301", "the key was changed"]
] as const

/** Refuses to record outcomes for `forMs` after the first refusal. */
const refusing = (world: World, error: SupabaseError, forMs: number) =>
  Effect.sync(() => {
    let until: number | null = null
    world.carry = (name, execute) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (name !== "settle_sync_runs") return execute
        until ??= now + forMs
        return now < until ? Effect.fail(error) : execute
      })
  })

const tick = (world: World) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), world.engine()))
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  const world = yield* makeWorld
  world.seedDue(30, 1_000, { sync_schedule: "0 4 29 2 *" })
  return world
})

describe("a known outcome that the database refuses", () => {
  for (const [reason, code, why] of refusals) {
    const error = new SupabaseError({ operation: "settle_sync_runs", reason, code, detail: why })

    it(`${code}, ${why}: is sent again until it is recorded, and no other run starts in the meantime`, () =>
      Effect.gen(function* () {
        const world = yield* prepare
        yield* refusing(world, error, 60_000)
        const sentAt: Array<number> = []
        const { behave } = world
        world.behave = (invocation) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            sentAt.push(now - startOfTime)
            return behave(invocation)
          })
        const summary = yield* tick(world)
        expect(summary).toMatchObject({ ok: true, completed: 30, unresolved: 0, errors: [] })
        expect(new Set(world.invocations.map(({ run }) => run.run_id)).size).toBe(30)
        expect(world.invocations).toHaveLength(30)
        // Until the database accepts writes again, the engine sends only runs that have started.
        expect(sentAt.filter((at) => at > 1_000 && at < 55_000)).toEqual([])
      }))

    it(`${code}, ${why}: is reported with its runs once the lease has ended`, () =>
      Effect.gen(function* () {
        const world = yield* prepare
        yield* refusing(world, error, 3_600_000)
        const summary = yield* tick(world)
        expect(summary.ok).toBe(false)
        const errors = summary.errors.filter((one) => one.code === "OUTCOME_NOT_RECORDED")
        const named = errors.map(({ message }) => message).join("\n")
        const sent = world.invocations.map(({ run }) => run.run_id)
        expect(sent.length).toBeGreaterThan(0)
        for (const id of sent) expect(named).toContain(id)
        expect(named).toContain(why)
        expect(new Set(sent).size).toBe(sent.length)
        // Unsent runs never started or had their start reverted.
        const running = world.runs.filter(({ status }) => status === "running")
        expect(running.map(({ id }) => id).toSorted()).toEqual(sent.toSorted())
      }))
  }
})
