import { strict as assert } from "node:assert"
import { Effect, Fiber, TestClock, TestContext } from "effect"
import { Engine, type Outcome } from "sync-scheduler/layers"
import { makeWorld, startOfTime } from "sync-scheduler/testing"

const done: Outcome = { _tag: "Completed", httpStatus: 200, response: null }
const expired: Outcome = {
  ...{ _tag: "Failed", httpStatus: 500, response: null },
  ...{ code: "TOKEN_EXPIRED", message: "Xledger answered 401" }
}

const program = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  const world = yield* makeWorld

  // Twelve syncs are due. Each takes two seconds, and one fails.
  const [unlucky] = world.seedDue(12)
  world.behave = ({ run }) =>
    Effect.delay(Effect.succeed(run.integration_id === unlucky?.id ? expired : done), "2 seconds")

  const tick = yield* Effect.fork(Engine.tick().pipe(Effect.provide(world.engine())))
  yield* TestClock.adjust("1 minute")
  return { summary: yield* Fiber.join(tick), world }
})

const { summary, world } = await Effect.runPromise(Effect.provide(program, TestContext.TestContext))
assert.deepEqual([summary.completed, summary.failed], [11, 1])
assert.equal(world.peakInFlight, 5)
assert.equal(summary.runs[0]?.error?.code, "TOKEN_EXPIRED")
