import { describe, expect } from "bun:test"
import { Clock, Effect, Fiber, Layer, Logger, TestClock } from "effect"
import type { AlertBatch, AlertMessage, Delivery } from "../../src/Domain/Alert.ts"
import { NotifyError, SupabaseError } from "../../src/Domain/Errors.ts"
import { tickAndNotify } from "../../src/Engine/Notifications.ts"
import { AlertQueue } from "../../src/Services/AlertQueue.ts"
import { Notifier } from "../../src/Services/Notifier.ts"
import { Ping } from "../../src/Services/Ping.ts"
import { batchOf } from "../support/alerts.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, type World } from "../support/World.ts"

class Receivers {
  batch: AlertBatch = batchOf(0)
  readonly sent: Array<AlertMessage> = []
  readonly marked: Array<Delivery> = []
  readonly pings: Array<string> = []
  readonly log: Array<string> = []
  channel: "cloudevents" | null = "cloudevents"
  receive: (message: AlertMessage) => Effect.Effect<void, NotifyError> = () => Effect.void
  answer: Effect.Effect<void, NotifyError> = Effect.void
  database: Effect.Effect<void, SupabaseError> = Effect.void

  get layer() {
    return Layer.mergeAll(
      Layer.succeed(AlertQueue, {
        take: Effect.map(this.database, () => this.batch),
        mark: (deliveries) =>
          Effect.sync(() => {
            this.marked.push(...deliveries)
            const failed = deliveries.filter(({ error }) => error !== null).length
            return { sent: deliveries.length - failed, failed, gave_up: failed }
          })
      }),
      Layer.succeed(Notifier, {
        channel: this.channel,
        send: (message) =>
          Effect.zipRight(
            Effect.sync(() => this.sent.push(message)),
            this.receive(message)
          )
      }),
      Layer.succeed(Ping, {
        isConfigured: true,
        send: (signal, tickId, body) =>
          Effect.zipRight(
            Effect.sync(() => this.pings.push(`${signal} ${tickId.length} ${body}`)),
            this.answer
          )
      }),
      Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void this.log.push(String(message)))
      )
    )
  }
}

const refused = new NotifyError({ reason: "Refused", detail: "answered 500", retryAfterMs: 7_000 })

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return { world: yield* makeWorld, receivers: new Receivers() }
})

const run = (world: World, receivers: Receivers) =>
  Effect.gen(function* () {
    const from = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.fork(
      Effect.zip(tickAndNotify(), Clock.currentTimeMillis).pipe(
        Effect.provide(Layer.merge(world.engine(), receivers.layer))
      )
    )
    yield* TestClock.adjust("1 minute")
    const [summary, to] = yield* Fiber.join(fiber)
    return { summary, tookMs: to - from }
  })

describe("after a tick", () => {
  it("the ping reports the result, with the tick's own id", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      world.seedDue(2, 0)
      const { summary } = yield* run(world, receivers)
      expect(summary).toMatchObject({ completed: 2, errors: [] })
      expect(receivers.pings).toEqual([
        "start 36 ",
        "ok 36 2 due: 2 completed, 0 failed, 0 unresolved, 0 skipped, 0 missed, in 100 ms"
      ])
      expect(receivers.sent).toEqual([])
      expect(receivers.log).toEqual([])
    }))

  it("the ping succeeds despite an invalid schedule, and fails if the database cannot be reached", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      world.seedDue(1, 1_000, { sync_schedule: "61 * * * *" })
      yield* run(world, receivers)
      expect(receivers.pings[1]).toStartWith("ok ")
      expect(receivers.pings[1]).toEndWith("; errors: SCHEDULE_INVALID")
      world.carry = () => Effect.fail(unreachable)
      const { summary } = yield* run(world, receivers)
      expect(summary.errors[0]?.code).toBe("SUPABASE_UNREACHABLE")
      expect(receivers.pings[3]).toStartWith("fail ")
    }))

  it("a rejected ping is only logged", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.answer = Effect.fail(refused)
      world.seedDue(1)
      const { summary } = yield* run(world, receivers)
      expect(summary).toMatchObject({ completed: 1, errors: [] })
      expect(receivers.log).toEqual([
        'The ping "start" was not accepted: answered 500',
        'The ping "ok" was not accepted: answered 500'
      ])
    }))

  it("alerts are sent and marked, and failures are marked with the receiver's message", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.batch = batchOf(3)
      receivers.receive = ({ incidentIds }) =>
        incidentIds[0] === 2 ? Effect.fail(refused) : Effect.void
      const { summary } = yield* run(world, receivers)
      expect(summary.errors).toEqual([])
      expect(receivers.marked).toEqual([
        { incidentIds: [1], error: null, retryAfterMs: null },
        { incidentIds: [2], error: "answered 500", retryAfterMs: 7_000 },
        { incidentIds: [3], error: null, retryAfterMs: null }
      ])
      expect(receivers.log.join("\n")).toContain("retried later: answered 500")
      expect(receivers.log.join("\n")).toContain("1 alerts were abandoned")
    }))

  it("more than five alerts are sent in one message", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.batch = batchOf(8)
      yield* run(world, receivers)
      expect(receivers.sent.map(({ _tag }) => _tag)).toEqual(["Many"])
      expect(receivers.marked).toEqual([
        { incidentIds: [1, 2, 3, 4, 5, 6, 7, 8], error: null, retryAfterMs: null }
      ])
    }))

  it("the queue is not read without a receiver", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.channel = null
      receivers.batch = batchOf(3)
      receivers.database = Effect.die("asked")
      yield* run(world, receivers)
      expect([receivers.sent, receivers.marked, receivers.log]).toEqual([[], [], []])
    }))

  it("a receiver that never responds costs 7 s, is recorded, and does not change the tick's result", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      world.seedDue(1)
      receivers.batch = batchOf(5)
      receivers.receive = () => Effect.never
      const { summary, tookMs } = yield* run(world, receivers)
      expect(summary).toMatchObject({ completed: 1, errors: [] })
      expect(receivers.sent.length).toBe(5)
      expect(receivers.marked.map(({ error }) => error)).toEqual(
        Array.from({ length: 5 }, () => "no complete response within 7000 ms")
      )
      expect(tookMs).toBe(7_100)
    }))

  it("uninterruptible calls that hang cost 10 s", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.batch = batchOf(1)
      receivers.answer = Effect.uninterruptible(Effect.sleep("1 hour"))
      receivers.database = Effect.uninterruptible(Effect.sleep("1 hour"))
      const { summary, tookMs } = yield* run(world, receivers)
      expect(summary.errors).toEqual([])
      expect(tookMs).toBe(10_000)
      expect(receivers.log).toContain("Alerts and pings were stopped after 10 s.")
    }))

  it("a database failure is logged, and a defect in the notifier is recorded", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      receivers.database = Effect.fail(unreachable)
      expect((yield* run(world, receivers)).summary.errors).toEqual([])
      expect(receivers.log.join()).toContain("the next tick retries: SupabaseError")
      receivers.database = Effect.void
      receivers.batch = batchOf(1)
      receivers.receive = () => Effect.die(new Error("boom"))
      yield* run(world, receivers)
      expect(receivers.marked).toEqual([
        { incidentIds: [1], error: "Error: boom", retryAfterMs: null }
      ])
    }))

  it("an interrupted tick sends no more notifications", () =>
    Effect.gen(function* () {
      const { receivers, world } = yield* prepare
      world.seedDue(1)
      receivers.batch = batchOf(1)
      const fiber = yield* Effect.fork(
        Effect.provide(tickAndNotify(), Layer.merge(world.engine(), receivers.layer))
      )
      yield* TestClock.adjust("50 millis")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(interrupting)
      expect(world.runs.map(({ status }) => status)).toEqual(["completed"])
      expect(receivers.pings.map((ping) => ping.split(" ")[0])).toEqual(["start"])
      expect(receivers.sent).toEqual([])
    }))
})

const unreachable = new SupabaseError({
  operation: "open_sync_tick",
  reason: "NotExecuted",
  code: "0",
  detail: "no connection"
})
