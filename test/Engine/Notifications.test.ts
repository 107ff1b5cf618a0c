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

/** In-memory receivers of notifications. Keeps the messages sent, the deliveries recorded and the log. */
class Town {
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
  return { world: yield* makeWorld, town: new Town() }
})

/** Runs a tick with its notifications while the clock advances as needed. Returns its summary and its duration. */
const run = (world: World, town: Town) =>
  Effect.gen(function* () {
    const from = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.fork(
      Effect.zip(tickAndNotify(), Clock.currentTimeMillis).pipe(
        Effect.provide(Layer.merge(world.engine(), town.layer))
      )
    )
    yield* TestClock.adjust("1 minute")
    const [summary, to] = yield* Fiber.join(fiber)
    return { summary, tookMs: to - from }
  })

describe("after a tick", () => {
  it("the ping reports the result, with the tick's own id", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      world.seedDue(2, 0)
      const { summary } = yield* run(world, town)
      expect(summary).toMatchObject({ completed: 2, errors: [] })
      expect(town.pings).toEqual([
        "start 36 ",
        "ok 36 2 due: 2 completed, 0 failed, 0 unresolved, 0 skipped, 0 missed, in 100 ms"
      ])
      expect(town.sent).toEqual([])
      expect(town.log).toEqual([])
    }))

  it("the ping succeeds despite an invalid schedule, and fails if the database cannot be reached", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      world.seedDue(1, 1_000, { sync_schedule: "61 * * * *" })
      yield* run(world, town)
      expect(town.pings[1]).toStartWith("ok ")
      expect(town.pings[1]).toEndWith("; errors: SCHEDULE_INVALID")
      world.carry = () => Effect.fail(unreachable)
      const { summary } = yield* run(world, town)
      expect(summary.errors[0]?.code).toBe("SUPABASE_UNREACHABLE")
      expect(town.pings[3]).toStartWith("fail ")
    }))

  it("a rejected ping is only logged", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.answer = Effect.fail(refused)
      world.seedDue(1)
      const { summary } = yield* run(world, town)
      expect(summary).toMatchObject({ completed: 1, errors: [] })
      expect(town.log).toEqual([
        'The ping "start" was not taken: answered 500',
        'The ping "ok" was not taken: answered 500'
      ])
    }))

  it("alerts are sent and marked, and failures are marked with the receiver's message", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.batch = batchOf(3)
      town.receive = ({ incidentIds }) =>
        incidentIds[0] === 2 ? Effect.fail(refused) : Effect.void
      const { summary } = yield* run(world, town)
      expect(summary.errors).toEqual([])
      expect(town.marked).toEqual([
        { incidentIds: [1], error: null, retryAfterMs: null },
        { incidentIds: [2], error: "answered 500", retryAfterMs: 7_000 },
        { incidentIds: [3], error: null, retryAfterMs: null }
      ])
      expect(town.log.join("\n")).toContain("retried later: answered 500")
      expect(town.log.join("\n")).toContain("1 alerts were given up")
    }))

  it("more than five alerts are sent in one message", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.batch = batchOf(8)
      yield* run(world, town)
      expect(town.sent.map(({ _tag }) => _tag)).toEqual(["Many"])
      expect(town.marked).toEqual([
        { incidentIds: [1, 2, 3, 4, 5, 6, 7, 8], error: null, retryAfterMs: null }
      ])
    }))

  it("the queue is not read without a receiver", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.channel = null
      town.batch = batchOf(3)
      town.database = Effect.die("asked")
      yield* run(world, town)
      expect([town.sent, town.marked, town.log]).toEqual([[], [], []])
    }))

  it("a receiver that never responds costs 7 s, is recorded, and does not change the tick's result", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      world.seedDue(1)
      town.batch = batchOf(5)
      town.receive = () => Effect.never
      const { summary, tookMs } = yield* run(world, town)
      expect(summary).toMatchObject({ completed: 1, errors: [] })
      expect(town.sent.length).toBe(5)
      expect(town.marked.map(({ error }) => error)).toEqual(
        Array.from({ length: 5 }, () => "no whole answer within 7000 ms")
      )
      expect(tookMs).toBe(7_100)
    }))

  it("uninterruptible calls that hang cost 10 s", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.batch = batchOf(1)
      town.answer = Effect.uninterruptible(Effect.sleep("1 hour"))
      town.database = Effect.uninterruptible(Effect.sleep("1 hour"))
      const { summary, tookMs } = yield* run(world, town)
      expect(summary.errors).toEqual([])
      expect(tookMs).toBe(10_000)
      expect(town.log).toContain("Alerts and pings took longer than 10 s.")
    }))

  it("a database failure is logged, and a defect in the notifier is recorded", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      town.database = Effect.fail(unreachable)
      expect((yield* run(world, town)).summary.errors).toEqual([])
      expect(town.log.join()).toContain("the next tick continues: SupabaseError")
      town.database = Effect.void
      town.batch = batchOf(1)
      town.receive = () => Effect.die(new Error("boom"))
      yield* run(world, town)
      expect(town.marked).toEqual([{ incidentIds: [1], error: "Error: boom", retryAfterMs: null }])
    }))

  it("an interrupted tick sends no more notifications", () =>
    Effect.gen(function* () {
      const { town, world } = yield* prepare
      world.seedDue(1)
      town.batch = batchOf(1)
      const fiber = yield* Effect.fork(
        Effect.provide(tickAndNotify(), Layer.merge(world.engine(), town.layer))
      )
      yield* TestClock.adjust("50 millis")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(interrupting)
      expect(world.runs.map(({ status }) => status)).toEqual(["completed"])
      expect(town.pings.map((ping) => ping.split(" ")[0])).toEqual(["start"])
      expect(town.sent).toEqual([])
    }))
})

const unreachable = new SupabaseError({
  operation: "open_sync_tick",
  reason: "NotExecuted",
  code: "0",
  detail: "no connection"
})
