import { expect } from "bun:test"
import { Clock, Effect, Fiber, Logger, TestClock } from "effect"
import { runForever } from "../../src/Server/RecurringJob.ts"
import { it } from "../support/it.ts"
import { startOfTime } from "../support/World.ts"

/** `took` lists the durations of the first iterations, in seconds. Later iterations take no time. */
const live = (took: ReadonlyArray<number>, seconds: number) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime + 5_000)
    const began: Array<number> = []
    const skipped: Array<number> = []
    let atOnce = 0
    const iteration = Effect.gen(function* () {
      began.push(((yield* Clock.currentTimeMillis) - startOfTime) / 1000)
      atOnce += 1
      expect(atOnce).toBe(1)
      yield* Effect.sleep(`${took[began.length - 1] ?? 0} seconds`)
      atOnce -= 1
    })
    const onSkipped = (count: number) => Effect.sync(() => skipped.push(count))
    const fiber = yield* Effect.fork(
      runForever({ name: "test", everyMs: 60_000, iterate: iteration, onSkipped })
    )
    for (let at = 0; at < seconds; at += 5) yield* TestClock.adjust("5 seconds")
    yield* Fiber.interrupt(fiber)
    return { began, skipped }
  })

it("an iteration runs immediately, then once per interval", () =>
  Effect.gen(function* () {
    expect(yield* live([1, 59, 0], 300)).toEqual({
      began: [5, 60, 120, 180, 240, 300],
      skipped: []
    })
  }))

it("after a long iteration, one iteration follows immediately for all missed intervals, and the rest are counted", () =>
  Effect.gen(function* () {
    expect(yield* live([1, 70, 0, 130, 0], 500)).toEqual({
      began: [5, 60, 130, 180, 310, 360, 420, 480],
      skipped: [1]
    })
  }))

it("a defect in an iteration is logged, and the next iteration follows", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const log: Array<string> = []
    let iterations = 0
    const iteration = Effect.suspend(() => {
      iterations += 1
      return iterations === 2 ? Effect.die(new Error("broken")) : Effect.void
    })
    const fiber = yield* Effect.fork(
      runForever({ name: "test", everyMs: 1_000, iterate: iteration }).pipe(
        Effect.provide(
          Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => void log.push(String(message)))
          )
        )
      )
    )
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.interrupt(fiber)
    expect(iterations).toBe(6)
    expect(log).toHaveLength(1)
    expect(log[0]).toContain('The job "test" failed because of a bug')
    expect(log[0]).toContain("broken")
  }))
