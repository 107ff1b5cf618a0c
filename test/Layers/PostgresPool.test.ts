import { expect, test } from "bun:test"
import { Effect, Fiber } from "effect"
import { makePool } from "../../src/Layers/PostgresPool.ts"

/** Returns a pool with one connection. */
const makeSmall = Effect.map(
  makePool(1, () => Effect.succeed({ run: () => Effect.succeed([]) })),
  (pool) =>
    <A>(call: Effect.Effect<A>) =>
      pool.use({
        kind: "call",
        withinMs: 2_000,
        onTimeout: () => "no connection was free" as const,
        call: () => call
      })
)

const run = <A>(body: Effect.Effect<A, string>) => Effect.runPromise(body)

test("a caller that waits gets the connection before the next call of the caller that returns it", () =>
  run(
    Effect.gen(function* () {
      const use = yield* makeSmall
      let calls = 0
      const busy = yield* Effect.fork(
        Effect.gen(function* () {
          for (let n = 0; n < 50; n += 1) {
            yield* use(Effect.sleep(2))
            calls += 1
          }
        })
      )
      yield* Effect.sleep(10)
      const before = calls
      yield* use(Effect.void)
      expect(calls - before).toBeLessThanOrEqual(2)
      yield* Fiber.join(busy)
    }).pipe(Effect.scoped)
  ))

test("if a waiting caller is interrupted while it receives the connection, the next caller gets it", () =>
  run(
    Effect.gen(function* () {
      const use = yield* makeSmall
      const isOver = Promise.withResolvers<void>()
      let interrupt = () => {}
      const first = yield* Effect.fork(
        use(
          Effect.tap(
            Effect.promise(() => isOver.promise),
            () => Effect.sync(() => interrupt())
          )
        )
      )
      yield* Effect.sleep(10)
      const second = yield* Effect.fork(use(Effect.never))
      yield* Effect.sleep(10)
      const third = yield* Effect.fork(use(Effect.succeed("called")))
      yield* Effect.sleep(10)
      interrupt = () => second.unsafeInterruptAsFork(second.id())
      isOver.resolve()
      yield* Fiber.join(first)
      expect(yield* Fiber.join(third)).toBe("called")
      // The pool still has its connection.
      expect(yield* use(Effect.succeed("again"))).toBe("again")
    }).pipe(Effect.scoped)
  ))
