import { expect } from "bun:test"
import { Clock, Effect, Fiber, Logger, TestClock } from "effect"
import { repeat } from "../../src/Serve/Job.ts"
import { it } from "../support/it.ts"
import { startOfTime } from "../support/World.ts"

/** Lets a job whose turns take so long (seconds, one after the other, then nothing) live for a while. */
const live = (took: ReadonlyArray<number>, seconds: number) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime + 5_000)
    const began: Array<number> = []
    const skipped: Array<number> = []
    let atOnce = 0
    const turn = Effect.gen(function* () {
      began.push(((yield* Clock.currentTimeMillis) - startOfTime) / 1000)
      atOnce += 1
      expect(atOnce).toBe(1)
      yield* Effect.sleep(`${took[began.length - 1] ?? 0} seconds`)
      atOnce -= 1
    })
    const onSkipped = (count: number) => Effect.sync(() => skipped.push(count))
    const fiber = yield* Effect.fork(repeat({ name: "test", everyMs: 60_000, turn, onSkipped }))
    for (let at = 0; at < seconds; at += 5) yield* TestClock.adjust("5 seconds")
    yield* Fiber.interrupt(fiber)
    return { began, skipped }
  })

it("a turn at once, then at every beat", () =>
  Effect.gen(function* () {
    expect(yield* live([1, 59, 0], 300)).toEqual({
      began: [5, 60, 120, 180, 240, 300],
      skipped: []
    })
  }))

it("a turn that takes longer is followed at once by one for all beats that came meanwhile, the rest is counted", () =>
  Effect.gen(function* () {
    expect(yield* live([1, 70, 0, 130, 0], 500)).toEqual({
      began: [5, 60, 130, 180, 310, 360, 420, 480],
      skipped: [1]
    })
  }))

it("a bug in a turn is logged, and the next turn comes", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const log: Array<string> = []
    let turns = 0
    const turn = Effect.suspend(() => {
      turns += 1
      return turns === 2 ? Effect.die(new Error("broken")) : Effect.void
    })
    const fiber = yield* Effect.fork(
      repeat({ name: "test", everyMs: 1_000, turn }).pipe(
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
    expect(turns).toBe(6)
    expect(log).toHaveLength(1)
    expect(log[0]).toContain("A bug in test")
    expect(log[0]).toContain("broken")
  }))
