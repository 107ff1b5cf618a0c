import { expect, test } from "bun:test"
import { Effect, Fiber } from "effect"
import { Line } from "../../src/Engine/Line.ts"

test("of what is answered at once, the workers send the next ones before any result is given", async () => {
  const line = new Line()
  const happened: Array<string> = []
  const answers = new Map<number, () => void>()
  const invocation = (n: number) =>
    Effect.async<number>((resume) => {
      happened.push(`sent ${n}`)
      answers.set(n, () => resume(Effect.succeed(n)))
    })
  const worker = Effect.gen(function* () {
    for (let work = yield* line.take; work !== undefined; work = yield* line.take) yield* work
  })
  const run = (n: number) =>
    Effect.map(line.send(invocation(n), 10_000), () => happened.push(`result ${n}`))
  /** Each answer comes in a task of the event loop of its own, as those of `fetch` do. */
  const answer = (...numbers: ReadonlyArray<number>) => {
    for (const n of numbers) setImmediate(() => answers.get(n)?.())
  }

  await Effect.runPromise(
    Effect.gen(function* () {
      const workers = yield* Effect.fork(
        Effect.all([worker, worker], { concurrency: "unbounded", discard: true })
      )
      const runs = yield* Effect.fork(
        Effect.forEach([1, 2, 3, 4], run, { concurrency: "unbounded" })
      )
      yield* Effect.sleep(10)
      answer(1, 2)
      yield* Effect.sleep(10)
      answer(3, 4)
      yield* Fiber.join(runs)
      line.end()
      yield* Fiber.join(workers)
    })
  )
  expect(happened).toEqual([
    ...["sent 1", "sent 2", "sent 3", "sent 4", "result 1", "result 2"],
    ...["result 3", "result 4"]
  ])
})
