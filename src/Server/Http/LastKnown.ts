import { Deferred, Effect, Exit, Option, type Scope } from "effect"
import { SupabaseError } from "../../Domain/Errors.ts"
import { monotonicMs } from "../Watchdog.ts"

/** The last value that was read. `isOutdated` is true if newer reads fail or take too long. */
export interface Known<A> {
  readonly value: A
  readonly isOutdated: boolean
}

/** A cache that serves the last known value when the database is slow or unavailable. */
export interface LastKnown<A> {
  /**
   * Returns the current value, or the last known value if the read takes too long. Does not wait if `isAway` is true, because
   * another read has just failed. *Fails with* SupabaseError if no value is known.
   */
  readonly get: (
    key: string,
    read: Read<A>,
    isAway?: boolean
  ) => Effect.Effect<Known<A>, SupabaseError>
  /** Returns the current value, no matter how long the read takes. *Fails with* SupabaseError. */
  readonly live: (key: string, read: Read<A>) => Effect.Effect<A, SupabaseError>
}

export type Read<A> = Effect.Effect<A, SupabaseError>

/** How long to wait for a read, in milliseconds, if an older value is known. */
const WAIT_MS = 700
/** How long to wait after a failed read, in milliseconds. The next read is likely to fail too. */
const WAIT_AFTER_FAILURE_MS = 200
/** How long to wait for the first value, in milliseconds. */
const FIRST_WAIT_MS = 3_000
/** The age above which a value counts as outdated, in milliseconds. A new read usually replaces the value earlier. */
const OUTDATED_AFTER_MS = 10_000

interface Entry<A> {
  last: { readonly value: A; readonly atMs: number } | null
  hasFailed: boolean
  reading: Deferred.Deferred<A, SupabaseError> | null
}

export interface LastKnownOptions {
  /** The maximum number of keys. Least recently used keys are evicted first. */
  readonly capacity: number
  /** How long a value is served without a new read, in milliseconds. */
  readonly freshMs: number
}

/**
 * Makes a cache. Concurrent callers share one read, so a slow database gets only one query at a time for each key. A read
 * continues after its callers stop waiting, so that the next caller can use its result.
 */
export const makeLastKnown = <A>({
  capacity,
  freshMs
}: LastKnownOptions): Effect.Effect<LastKnown<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const entries = new Map<string, Entry<A>>()
    const entryOf = (key: string): Entry<A> => {
      const entry = entries.get(key) ?? { last: null, hasFailed: false, reading: null }
      entries.delete(key)
      entries.set(key, entry)
      for (const [oldest] of entries) {
        if (entries.size <= capacity) break
        entries.delete(oldest)
      }
      return entry
    }
    const reading = (entry: Entry<A>, read: Read<A>) =>
      Effect.gen(function* () {
        if (entry.reading !== null) return entry.reading
        const result = yield* Deferred.make<A, SupabaseError>()
        entry.reading = result
        yield* read.pipe(
          Effect.onExit((exit) =>
            Effect.map(monotonicMs, (atMs) => {
              entry.reading = null
              entry.hasFailed = Exit.isFailure(exit)
              if (Exit.isSuccess(exit)) entry.last = { value: exit.value, atMs }
            })
          ),
          Effect.intoDeferred(result),
          Effect.forkIn(scope)
        )
        return result
      })
    const fresh = (entry: Entry<A>, nowMs: number): A | undefined =>
      entry.last !== null && !entry.hasFailed && nowMs - entry.last.atMs < freshMs
        ? entry.last.value
        : undefined
    return {
      get: (key, read, isAway = false) =>
        Effect.gen(function* () {
          const entry = entryOf(key)
          const known = fresh(entry, yield* monotonicMs)
          if (known !== undefined) return { value: known, isOutdated: false }
          const result = yield* reading(entry, read)
          const { last } = entry
          if (last === null) {
            const value = yield* Deferred.await(result).pipe(
              Effect.timeoutFail({
                duration: isAway ? 0 : FIRST_WAIT_MS,
                onTimeout: () => timedOut
              })
            )
            return { value, isOutdated: false }
          }
          const hasFailed = entry.hasFailed || isAway
          const waitMs = isAway ? 0 : hasFailed ? WAIT_AFTER_FAILURE_MS : WAIT_MS
          const answer = yield* Deferred.await(result).pipe(
            Effect.exit,
            Effect.timeoutOption(waitMs)
          )
          if (Option.isSome(answer) && Exit.isSuccess(answer.value)) {
            return { value: answer.value.value, isOutdated: false }
          }
          const isOld = (yield* monotonicMs) - last.atMs > OUTDATED_AFTER_MS
          return { value: last.value, isOutdated: Option.isSome(answer) || hasFailed || isOld }
        }),
      live: (key, read) =>
        Effect.gen(function* () {
          const entry = entryOf(key)
          const known = fresh(entry, yield* monotonicMs)
          return known ?? (yield* Deferred.await(yield* reading(entry, read)))
        })
    }
  })

/** The first read did not finish in time. The read continues. */
const timedOut = new SupabaseError({
  operation: "read",
  reason: "NotExecuted",
  code: "TOO_SLOW",
  detail: `no answer within ${FIRST_WAIT_MS / 1_000} s`
})
