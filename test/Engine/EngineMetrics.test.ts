import { expect } from "bun:test"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { InvokeError, NotifyError, SupabaseError } from "../../src/Domain/Errors.ts"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import { measuredTick, withCallMetrics } from "../../src/Engine/EngineMetrics.ts"
import type { TickEvent } from "../../src/Engine.ts"
import { inFlight } from "../../src/Metrics.ts"
import { it } from "../support/it.ts"
import { addedSince, readSeries } from "../support/metrics.ts"
import { completed, makeWorld, startOfTime, uuid, type World } from "../support/World.ts"

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return yield* makeWorld
})

const run = (world: World, observe?: (event: TickEvent) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const before = readSeries()
    const options = observe === undefined ? {} : { observe }
    const fiber = yield* Effect.fork(
      measuredTick(options).pipe(Effect.provide(Layer.fresh(world.engine())))
    )
    yield* TestClock.adjust("1 minute")
    const summary = yield* Fiber.join(fiber)
    return { summary, added: addedSince(before), last: readSeries() }
  })

const failed: Outcome = {
  _tag: "Failed",
  httpStatus: 500,
  code: "TOKEN_EXPIRED",
  message: "401",
  response: null
}

it("the metrics of a tick cover its runs, delays, durations and the tick itself, and keep the caller's watchdog", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    world.seedDue(3, 90_000, { integration_type: "measured", sync_schedule: "0 0 1 1 *" })
    world.behave = ({ run: { integration_id } }) =>
      integration_id === uuid(3)
        ? Effect.succeed(failed)
        : Effect.as(Effect.sleep("2 seconds"), completed)
    const events: Array<string> = []
    const { added, last } = yield* run(world, ({ _tag }) => Effect.sync(() => events.push(_tag)))
    expect(events).toEqual(["Run", "Run", "Run"])
    const type = 'integration_type="measured"'
    expect(added).toMatchObject({
      [`runs_total{${type},status="completed",trigger="schedule"}`]: 2,
      [`runs_total{${type},status="failed",trigger="schedule"}`]: 1,
      [`start_lag_seconds_count{${type}}`]: 3,
      [`start_lag_seconds_bucket{${type},le="120"}`]: 3,
      [`completion_lag_seconds_sum{${type}}`]: 184,
      [`run_duration_seconds_bucket{${type},status="completed",le="2.5"}`]: 2,
      'invoke_duration_seconds_count{function="default",outcome="completed"}': 2,
      'invoke_duration_seconds_sum{function="default",outcome="completed"}': 4,
      'invoke_duration_seconds_count{function="default",outcome="failed"}': 1,
      'ticks_total{result="partial"}': 1,
      tick_duration_seconds_count: 1
    })
    expect(added[`start_lag_seconds_bucket{${type},le="60"}`]).toBeUndefined()
    expect(last.get("sync_scheduler_invocations_in_flight")).toBe(0)
    const lastTick = last.get("sync_scheduler_last_tick_timestamp_seconds") ?? 0
    expect(Math.floor(lastTick)).toBe(startOfTime / 1_000 + 2)
  }))

it("an invocation without a response is counted as not executed or unknown", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    world.seedDue(2)
    world.behave = ({ run: { integration_id } }) =>
      integration_id === uuid(1)
        ? Effect.fail(new InvokeError({ reason: "NotSent", detail: "refused" }))
        : Effect.fail(new InvokeError({ reason: "Disconnected", detail: "reset" }))
    const { added } = yield* run(world)
    expect(added).toMatchObject({
      'invoke_duration_seconds_count{function="default",outcome="not_executed"}': 1,
      'invoke_duration_seconds_count{function="default",outcome="unknown"}': 1,
      'ticks_total{result="partial"}': 1
    })
  }))

it("invocations in flight are visible in the metrics", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    world.seedDue(2)
    const seen: Array<number | undefined> = []
    const look = Effect.sync(() => seen.push(readSeries().get(inFlight.name)))
    world.behave = () => Effect.as(Effect.zipRight(Effect.sleep("1 second"), look), completed)
    yield* run(world)
    expect(seen[0]).toBe(2)
  }))

it("an idle tick is ok; a tick without its database is an error and keeps the time of the last good tick", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    const quiet = yield* run(world)
    expect(quiet.added).toMatchObject({ 'ticks_total{result="ok"}': 1 })
    const lastTick = "sync_scheduler_last_tick_timestamp_seconds"
    expect(quiet.last.get(lastTick)).toBe(startOfTime / 1_000)
    const refused = new SupabaseError({
      operation: "open_sync_tick",
      reason: "Refused",
      code: "401",
      detail: "key"
    })
    world.carry = () => Effect.fail(refused)
    const { added, last } = yield* run(world)
    expect(added).toMatchObject({
      'ticks_total{result="error"}': 1,
      'tick_errors_total{code="KEY_REFUSED"}': 1
    })
    expect(last.get(lastTick)).toBe(startOfTime / 1_000)
  }))

it("an interrupted tick is counted as interrupted", () =>
  Effect.gen(function* () {
    const world = yield* prepare
    world.seedDue(1)
    const before = readSeries()
    const fiber = yield* Effect.fork(measuredTick({}).pipe(Effect.provide(world.engine())))
    yield* TestClock.adjust("50 millis")
    const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(interrupting)
    expect(addedSince(before)).toMatchObject({ 'ticks_total{result="interrupted"}': 1 })
  }))

it("messages are counted by channel and by whether they were delivered, and not counted without a channel", () =>
  Effect.gen(function* () {
    const before = readSeries()
    const refused = new NotifyError({ reason: "Refused", detail: "500", retryAfterMs: null })
    yield* withCallMetrics("slack")(Effect.void)
    yield* Effect.ignore(withCallMetrics("ping")(Effect.fail(refused)))
    yield* withCallMetrics(null)(Effect.void)
    expect(addedSince(before)).toEqual({
      'notifications_total{channel="slack",result="sent"}': 1,
      'notifications_total{channel="ping",result="failed"}': 1
    })
  }))
