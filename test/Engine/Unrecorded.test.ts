import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, Predicate, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, startOfTime, uuid, type World } from "../support/World.ts"

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

const refusalsOfRows = [
  ["Rejected", "23514", "a deferred constraint of the project's own rejects the row"],
  ["NotExecuted", "55P03", "another session has locked the row"]
] as const

describe("a known outcome of one organisation that the database refuses", () => {
  for (const [reason, code, why] of refusalsOfRows) {
    const error = new SupabaseError({ operation: "settle_sync_runs", reason, code, detail: why })

    for (const [when, othersDueInMs] of [
      ["in flight at the same time", -1_000],
      ["due later", 10_000]
    ] as const) {
      it(`${code}, ${why}: delays no run of other organisations ${when}, and is recorded later`, () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(startOfTime)
          const world = yield* makeWorld
          const [bad] = world.seedDue(1, 1_000, { sync_schedule: "0 4 29 2 *" })
          for (let n = 2; n <= 61; n += 1) {
            const next_run_at = startOfTime + othersDueInMs
            world.db.seed({ id: uuid(n), next_run_at, sync_schedule: "0 4 29 2 *" })
          }
          const isOfBad = (one: unknown) =>
            Predicate.hasProperty(one, "run_id") &&
            world.db.runs.get(String(one.run_id))?.integration_id === bad?.id
          world.carry = (_name, execute, { p_settlements: all }) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              now < startOfTime + 60_000 && Array.isArray(all) && all.some(isOfBad)
                ? Effect.fail(error)
                : execute
            )
          const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), world.engine()))
          yield* TestClock.adjust("59 seconds")
          const recorded = world.runs.filter(({ status }) => status === "completed")
          expect(recorded).toHaveLength(60)
          const lastAt = Math.max(...recorded.map(({ finished_at }) => finished_at ?? Infinity))
          expect(lastAt - startOfTime).toBeLessThan(Math.max(othersDueInMs, 0) + 10_000)
          yield* TestClock.adjust("1 minute")
          expect(yield* Fiber.join(fiber)).toMatchObject({ ok: true, completed: 61, errors: [] })
          expect(world.invocations).toHaveLength(61)
        }))
    }
  }
})

it("400 outcomes that arrive at the same time are recorded in calls of at most 100 outcomes", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const world = yield* makeWorld
    world.seedDue(400, 1_000, { sync_schedule: "0 4 29 2 *" })
    world.behave = () => Effect.as(Effect.sleep("10 seconds"), completed)
    const counts: Array<number> = []
    world.carry = (_name, execute, { p_settlements: all }) => {
      if (!Array.isArray(all)) return execute
      counts.push(all.length)
      return Effect.delay(execute, "10 millis")
    }
    const engine = world.engine({ concurrency: 400 })
    const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), engine))
    yield* TestClock.adjust("1 minute")
    expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 400, errors: [] })
    expect(Math.max(...counts)).toBeLessThanOrEqual(100)
    expect(counts.length).toBeLessThan(20)
  }))
