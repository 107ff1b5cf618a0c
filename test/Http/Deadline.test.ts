import { expect, test } from "bun:test"
import { join } from "node:path"
import { Effect, Exit, Fiber, TestClock, TestContext } from "effect"
import { asyncWithDeadline } from "../../src/Http/Deadline.ts"

const run = <A>(effect: Effect.Effect<A>) =>
  Effect.runPromise(Effect.provide(effect, TestContext.TestContext))

/** `ended` records the order in which operations end. */
const never = (ms: number, ended: Array<number>) =>
  asyncWithDeadline<string, never>({
    ms,
    begin: () => () => ended.push(ms),
    onTimeout: () => Effect.succeed(`late after ${ms}`)
  })

test("each deadline expires at its own time, in any order, and ends its operation", async () => {
  const ended: Array<number> = []
  const seen = await run(
    Effect.gen(function* () {
      let results: Array<string> = []
      const watch = (ms: number) =>
        Effect.fork(Effect.map(never(ms, ended), (what) => results.push(what)))
      // A timer that was set for a later deadline must also fire for an earlier one.
      for (const ms of [30_000, 100, 155_000, 100, 5_000]) yield* watch(ms)
      const after: Array<ReadonlyArray<string>> = []
      for (const ms of [99, 1, 4_900, 25_000, 125_000]) {
        yield* TestClock.adjust(ms)
        after.push(results)
        results = []
      }
      return after
    })
  )
  expect(seen).toEqual([
    [],
    ["late after 100", "late after 100"],
    ["late after 5000"],
    ["late after 30000"],
    ["late after 155000"]
  ])
  expect(ended).toEqual([100, 100, 5_000, 30_000, 155_000])
})

test("a completed or interrupted operation does not expire, and the next operation does", async () => {
  const ended: Array<number> = []
  const results = await run(
    Effect.gen(function* () {
      const atOnce = asyncWithDeadline<string, never>({
        ms: 1_000,
        begin: (resume) => {
          setTimeout(() => resume(Effect.succeed("immediately")), 0)
          return () => ended.push(0)
        },
        onTimeout: () => Effect.succeed("late")
      })
      const first = yield* atOnce
      const interrupted = yield* Effect.fork(never(1_000, ended))
      const next = yield* Effect.fork(never(1_500, ended))
      yield* TestClock.adjust(500)
      const exit = yield* Fiber.interrupt(interrupted)
      yield* TestClock.adjust(1_000)
      return [first, Exit.isInterrupted(exit), yield* Fiber.join(next)]
    })
  )
  expect(results).toEqual(["immediately", true, "late after 1500"])
  expect(ended).toEqual([1_000, 1_500])
})

test("a finished operation does not keep the process alive", async () => {
  const program = `
    import { Effect } from "effect"
    import { asyncWithDeadline } from "./src/Http/Deadline.ts"
    const soon = (ms) => asyncWithDeadline({
      ms,
      begin: (resume) => {
        setTimeout(() => resume(Effect.succeed(ms)), 5)
        return () => {}
      },
      onTimeout: () => Effect.die("late")
    })
    console.log(await Effect.runPromise(Effect.all([soon(600000), soon(300000)], { concurrency: "unbounded" })))`
  const child = Bun.spawn([process.execPath, "-e", program], {
    cwd: join(import.meta.dir, "../.."),
    stdout: "pipe",
    stderr: "inherit"
  })
  expect(await new Response(child.stdout).json()).toEqual([600_000, 300_000])
  expect(await child.exited).toBe(0)
})
