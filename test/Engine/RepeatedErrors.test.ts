import { expect } from "bun:test"
import { Effect, Fiber, TestClock } from "effect"
import { exitOf } from "../../src/Cli/Failure.ts"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid } from "../support/World.ts"

it("an error that affects many runs is listed once", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const world = yield* makeWorld
    world.seedDue(30, 1_000, { sync_schedule: "0 4 29 2 *" })
    world.carry = (operation, execute) =>
      operation === "start_sync_runs"
        ? Effect.fail(
            new SupabaseError({ operation, reason: "Malformed", code: "shape", detail: "no run" })
          )
        : execute
    const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), world.engine()))
    yield* TestClock.adjust("10 minutes")
    const { errors, ok, skips } = yield* Fiber.join(fiber)
    expect(skips).toHaveLength(30)
    expect({ ok, codes: errors.map(({ code }) => code) }).toEqual({
      ok: false,
      codes: ["UNEXPECTED_ANSWER"]
    })
  }))

it("an error of the tick is listed although more than 100 integrations have an error", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const world = yield* makeWorld
    world.seedDue(150, 60_000, { sync_schedule: "61 * * * *" })
    world.db.seed({ id: uuid(151), next_run_at: startOfTime, sync_schedule: "0 4 29 2 *" })
    world.carry = (operation, execute) =>
      operation === "start_sync_runs"
        ? Effect.fail(
            new SupabaseError({ operation, reason: "Refused", code: "PGRST301", detail: "no key" })
          )
        : execute
    const fiber = yield* Effect.fork(Effect.provide(Engine.tick(), world.engine()))
    yield* TestClock.adjust("10 minutes")
    const summary = yield* Fiber.join(fiber)
    expect(summary.ok).toBe(false)
    expect(summary.errors).toHaveLength(100)
    expect(summary.errors.at(-1)?.code).toBe("KEY_REFUSED")
    expect(exitOf(summary.errors, summary)).toBe(4)
  }))
