import { describe, expect } from "bun:test"
import { Effect, Fiber, Layer, Logger, TestClock } from "effect"
import { runAllForever } from "../../src/Server/RecurringJob.ts"
import { tickJob, watchdogJob } from "../../src/Server/TickJob.ts"
import { monotonicMs, Watchdog } from "../../src/Server/Watchdog.ts"
import { AlertQueue } from "../../src/Services/AlertQueue.ts"
import { Notifier } from "../../src/Services/Notifier.ts"
import { Ping } from "../../src/Services/Ping.ts"
import { batchOf } from "../support/alerts.ts"
import { it } from "../support/it.ts"
import { completed, makeWorld, startOfTime, uuid, type World } from "../support/World.ts"

const MINUTE = 60_000
const silent = Layer.mergeAll(
  Layer.succeed(AlertQueue, {
    take: Effect.succeed(batchOf(0)),
    mark: () => Effect.succeed({ sent: 0, failed: 0, gave_up: 0 })
  }),
  Layer.succeed(Notifier, { channel: null, send: () => Effect.void }),
  Layer.succeed(Ping, { isConfigured: false, send: () => Effect.void })
)

interface Sidecar {
  readonly watchdog: Watchdog
  readonly log: Array<string>
  readonly summaries: Array<number>
  readonly live: (minutes: number) => Effect.Effect<void>
}

const start = (world: World) =>
  Effect.gen(function* () {
    const watchdog = new Watchdog(yield* monotonicMs, MINUTE, MINUTE)
    const log: Array<string> = []
    const summaries: Array<number> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => void log.push(`${logLevel.label} ${String(message)}`))
    )
    const jobs = runAllForever([
      tickJob({
        watchdog,
        intervalMs: MINUTE,
        observe: () => Effect.void,
        onSummary: ({ completed }) => Effect.sync(() => summaries.push(completed))
      }),
      watchdogJob(watchdog)
    ])
    const fiber = yield* Effect.fork(
      jobs.pipe(Effect.provide(Layer.mergeAll(world.engine(), silent, logger)))
    )
    yield* Effect.addFinalizer(() => Fiber.interruptFork(fiber))
    const sidecar: Sidecar = {
      watchdog,
      log,
      summaries,
      live: (minutes) =>
        Effect.forEach(Array.from({ length: minutes * 6 }), () => TestClock.adjust("10 seconds"), {
          discard: true
        })
    }
    return sidecar
  })

const prepare = Effect.gen(function* () {
  yield* TestClock.setTime(startOfTime)
  return yield* makeWorld
})

describe("the tick job", () => {
  it("runs a due sync in the next tick, without a request", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      const { live, summaries, watchdog } = yield* start(world)
      yield* live(1)
      world.db.seed({ id: uuid(1), next_run_at: startOfTime + 90_000 })
      yield* live(2)
      expect(summaries).toEqual([0, 0, 1, 0])
      expect(world.runs).toMatchObject([{ status: "completed", drift_ms: 30_000 }])
      expect(watchdog.ticks).toBe(4)
      expect(watchdog.lastTick?.summary.due).toBe(0)
    }))

  it("never runs two ticks concurrently, and counts the intervals that a long tick missed", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      world.behave = () => Effect.as(Effect.sleep("150 seconds"), completed)
      world.seedDue(1, 0)
      const { live, log, summaries, watchdog } = yield* start(world)
      yield* live(2)
      expect([summaries, watchdog.inFlight]).toEqual([[], 1])
      world.db.seed({ id: uuid(7), next_run_at: startOfTime + 70_000 })
      world.behave = () => Effect.succeed(completed)
      yield* live(2)
      // The long tick ends at 150 s, so the tick for 60 s is missed and the tick for 120 s runs immediately.
      expect(summaries).toEqual([2, 0, 0, 0])
      expect(watchdog.missedIntervals).toBe(1)
      expect(log.filter((line) => line.startsWith("WARN"))).toEqual([
        "WARN A tick took longer than the interval: 1 interval was missed. The next tick begins now and runs the slots that became due in the meantime."
      ])
    }))

  it("reports a hanging tick once, and its recovery once", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      const isHung = { now: true }
      world.carry = (name, execute) =>
        name === "open_sync_tick" && isHung.now
          ? Effect.zipRight(Effect.sleep("10 minutes"), execute)
          : execute
      const { live, log, watchdog } = yield* start(world)
      yield* live(3)
      expect(watchdog.stalledForMs(yield* monotonicMs)).toBe(0)
      yield* live(3)
      expect(watchdog.stalledForMs(yield* monotonicMs)).toBeGreaterThan(0)
      isHung.now = false
      yield* live(6)
      expect(watchdog.stalledForMs(yield* monotonicMs)).toBe(0)
      const said = log.filter((line) => !/^DEBUG|interval|clock/.test(line))
      expect(said).toEqual([
        expect.stringContaining("ERROR Ticks have stalled"),
        "INFO Ticks continue."
      ])
    }))

  it("logs a defect in a tick, and the next tick follows", () =>
    Effect.gen(function* () {
      const world = yield* prepare
      let calls = 0
      world.carry = (name, execute) => {
        calls += name === "open_sync_tick" ? 1 : 0
        return name === "open_sync_tick" && calls === 1 ? Effect.die(new Error("broken")) : execute
      }
      const { live, log, watchdog } = yield* start(world)
      yield* live(2)
      expect(watchdog.ticks).toBe(3)
      expect(log.filter((line) => line.startsWith("ERROR")).length).toBe(1)
    }))
})
