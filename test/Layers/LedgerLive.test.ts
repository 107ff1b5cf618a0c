import { describe, expect } from "bun:test"
import { Effect, Either, TestClock } from "effect"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import type { Run } from "../../src/Domain/Run.ts"
import { Ledger } from "../../src/Services/Ledger.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid } from "../support/World.ts"

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  const world = yield* makeWorld
  world.seedDue(1)
  world.db.insertRun({ integration_id: uuid(1), scheduled_for: startOfTime })
  return world
})

const waiting = Effect.gen(function* () {
  const ledger = yield* Ledger
  const [run] = yield* ledger.readPending({})
  if (run === undefined) return yield* Effect.die("no run waits")
  return run
})

const noContact = { cold_start: false, warm_up_ms: null }

const startOf = (run: Run, leaseToken: string) => ({
  run,
  leaseToken,
  leaseMs: 60_000,
  contact: noContact
})

const settlementOf = (runId: string, leaseToken: string) => ({
  run_id: runId,
  lease_token: leaseToken,
  outcome: "completed" as const,
  http_status: 200
})

describe("starts and outcomes", () => {
  it("two starts of one run give one started run and one lost race", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      yield* Effect.gen(function* () {
        const ledger = yield* Ledger
        const run = yield* waiting
        const [first] = yield* ledger.start([startOf(run, uuid(501))])
        const [second] = yield* ledger.start([startOf(run, uuid(502))])
        expect([first?._tag, second?._tag]).toEqual(["Started", "NotStarted"])
        expect(world.runs).toMatchObject([
          { status: "running", attempt: 1, lease_token: uuid(501) }
        ])
      }).pipe(Effect.provide(world.engine()))
    }))

  it("an outcome is accepted only with its own token", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      yield* Effect.gen(function* () {
        const ledger = yield* Ledger
        const run = yield* waiting
        yield* ledger.start([startOf(run, uuid(501))])
        const tokens = [uuid(502), uuid(501)]
        for (const [index, token] of tokens.entries()) {
          const [settled] = yield* ledger.settle([settlementOf(run.run_id, token)])
          expect(settled?.pipe(Either.getOrThrow).accepted).toBe(index === 1)
        }
      }).pipe(Effect.provide(world.engine()))
    }))

  it("if a batch is rejected or a row is locked, each run is sent alone without a delay for the others", () =>
    Effect.gen(function* () {
      for (const [code, reason] of [
        ["23514", "Rejected"],
        ["55P03", "NotExecuted"]
      ] as const) {
        yield* TestClock.setTime(startOfTime)
        const world = yield* makeWorld
        world.seedDue(3)
        for (const n of [1, 2, 3]) {
          world.db.insertRun({ integration_id: uuid(n), scheduled_for: startOfTime })
        }
        const bad = world.runs[1]?.id ?? ""
        world.carry = (operation, execute, args) =>
          JSON.stringify(args).includes(bad) && operation.startsWith("start_")
            ? Effect.fail(new SupabaseError({ operation, reason, code, detail: "that row" }))
            : execute
        yield* Effect.gen(function* () {
          const ledger = yield* Ledger
          const runs = yield* ledger.readPending({})
          const starts = yield* ledger.start(runs.map((run, n) => startOf(run, uuid(600 + n))))
          const tags = new Map(runs.map((run, n) => [run.run_id, starts[n]]))
          expect(tags.get(bad)).toMatchObject(
            code === "55P03"
              ? { _tag: "NotStarted", reason: "locked", retryInMs: 1_000 }
              : { _tag: "Unconfirmed", error: { code } }
          )
          expect(starts.filter((start) => start._tag === "Started")).toHaveLength(2)
        }).pipe(Effect.provide(world.engine()))
      }
    }))
})
