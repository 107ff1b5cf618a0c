import { describe, expect } from "bun:test"
import { Effect, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import * as Engine from "../../src/Engine.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid, type World } from "../support/World.ts"

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return yield* makeWorld
})

const preview = (world: World, options: Parameters<typeof Engine.preview>[0] = {}) =>
  Engine.preview(options).pipe(Effect.provide(world.engine()))

describe("a dry run", () => {
  it("lists the slots that a tick would claim, on every page, and writes nothing", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(120)
      const plan = yield* preview(world)
      expect(plan).toMatchObject({ now: startOfTime, errors: [] })
      expect(plan.due.length).toBe(120)
      expect(plan.due[0]).toEqual({
        org_id: uuid(1),
        integration_id: uuid(1),
        integration_type: "xledger",
        scheduled_for: startOfTime,
        trigger: "schedule",
        skipped_range: {
          from: startOfTime - 1_000,
          to: startOfTime - 1_000,
          count: 1,
          reason: "superseded"
        },
        attempt: null
      })
      expect(world.runs).toEqual([])
      expect(world.db.ticks.size).toBe(0)
    }))

  it("lists pending runs", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.db.seed({ id: uuid(1), next_run_at: startOfTime + 60_000 })
      world.db.insertRun({
        integration_id: uuid(1),
        scheduled_for: startOfTime - 60_000,
        attempt: 1
      })
      expect((yield* preview(world)).due).toMatchObject([
        { integration_id: uuid(1), scheduled_for: startOfTime - 60_000, attempt: 1 }
      ])
    }))

  it("stops at the limit", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(120)
      expect((yield* preview(world, { limit: 7 })).due.length).toBe(7)
    }))

  it("names a schedule that cannot be computed", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.seedDue(1, 1_000, { sync_schedule: "61 * * * *" })
      expect(yield* preview(world)).toMatchObject({
        due: [],
        errors: [{ code: "SCHEDULE_INVALID" }]
      })
    }))

  it("reports a database refusal as an error in its result", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.carry = (operation) =>
        new SupabaseError({ operation, reason: "Refused", code: "42501", detail: "no" })
      expect(yield* preview(world)).toMatchObject({ due: [], errors: [{ code: "KEY_REFUSED" }] })
    }))
})
