import { expect } from "bun:test"
import { Deferred, Effect, Fiber, Ref, TestClock } from "effect"
import { SupabaseError } from "../../../src/Domain/Errors.ts"
import { makeLastKnown } from "../../../src/Server/Http/LastKnown.ts"
import { it } from "../../support/it.ts"

const away = new SupabaseError({
  operation: "read_sync_status",
  reason: "NotExecuted",
  code: "ECONNREFUSED",
  detail: "away"
})

it("a value is read again only when it is no longer fresh", () =>
  Effect.gen(function* () {
    const reads = yield* Ref.make(0)
    const read = Ref.updateAndGet(reads, (n) => n + 1)
    const known = yield* makeLastKnown<number>({ capacity: 2, freshMs: 1_000 })
    expect(yield* known.get("a", read)).toEqual({ value: 1, isOutdated: false })
    expect(yield* known.live("a", read)).toBe(1)
    yield* TestClock.adjust(1_000)
    expect(yield* known.get("a", read)).toEqual({ value: 2, isOutdated: false })
  }))

it("after a failed read, pages get the last value as outdated, and programs get the failure", () =>
  Effect.gen(function* () {
    const known = yield* makeLastKnown<number>({ capacity: 2, freshMs: 0 })
    expect((yield* Effect.flip(known.get("a", Effect.fail(away)))).code).toBe("ECONNREFUSED")
    yield* known.get("a", Effect.succeed(7))
    expect(yield* known.get("a", Effect.fail(away))).toEqual({ value: 7, isOutdated: true })
    expect((yield* Effect.flip(known.live("a", Effect.fail(away)))).code).toBe("ECONNREFUSED")
    expect(yield* known.get("a", Effect.succeed(8))).toEqual({ value: 8, isOutdated: false })
  }))

it("if the database is silent, the last value is returned within a second and is outdated after ten", () =>
  Effect.gen(function* () {
    const known = yield* makeLastKnown<number>({ capacity: 2, freshMs: 1_000 })
    yield* known.get("a", Effect.succeed(1))
    yield* TestClock.adjust(1_000)
    const answer = yield* Deferred.make<number>()
    const ask = Effect.gen(function* () {
      const fiber = yield* Effect.fork(known.get("a", Deferred.await(answer)))
      yield* TestClock.adjust(900)
      return yield* Fiber.join(fiber)
    })
    expect(yield* ask).toEqual({ value: 1, isOutdated: false })
    yield* TestClock.adjust(10_000)
    expect(yield* ask).toEqual({ value: 1, isOutdated: true })
    yield* Deferred.succeed(answer, 2)
    expect(yield* known.get("a", Effect.die("not read again"))).toEqual({
      value: 2,
      isOutdated: false
    })
  }))

it("if the database is unreachable, the last value is returned or the request is refused immediately", () =>
  Effect.gen(function* () {
    const known = yield* makeLastKnown<number>({ capacity: 2, freshMs: 0 })
    yield* known.get("a", Effect.succeed(1))
    const ask = (key: string) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.either(known.get(key, Effect.never, true)))
        yield* TestClock.adjust(0)
        return yield* Fiber.join(fiber)
      })
    expect((yield* ask("a"))._tag).toBe("Right")
    expect((yield* ask("b"))._tag).toBe("Left")
  }))

it("a request is refused after three seconds if there is no value", () =>
  Effect.gen(function* () {
    const known = yield* makeLastKnown<number>({ capacity: 2, freshMs: 1_000 })
    const fiber = yield* Effect.fork(Effect.flip(known.get("a", Effect.never)))
    yield* TestClock.adjust(3_000)
    expect((yield* Fiber.join(fiber)).code).toBe("TOO_SLOW")
  }))

it("the most recently requested keys are kept", () =>
  Effect.gen(function* () {
    const known = yield* makeLastKnown<string>({ capacity: 2, freshMs: 0 })
    for (const key of ["a", "b", "a", "c"]) yield* known.get(key, Effect.succeed(key))
    expect((yield* known.get("a", Effect.fail(away))).value).toBe("a")
    expect((yield* Effect.flip(known.get("b", Effect.fail(away)))).code).toBe("ECONNREFUSED")
  }))
