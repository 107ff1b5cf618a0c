import { Effect } from "effect"
import { EngineConfig } from "../Config.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import { recordContact } from "../Domain/WarmUpRpc.ts"
import { Invoker, type WarmUp } from "../Services/Invoker.ts"
import { Supabase } from "../Services/Supabase.ts"

/** After so many attempts in a row that did not reach a function, the rest of its runs wait for the next tick. */
const MAX_UNREACHED = 10
/** A first contact slower than this is a cold start when the function does not say so itself. */
const COLD_AFTER_MS = 1_000
/** Functions woken at the same time for slots to come. */
const WAKE_AT_ONCE = 5

/** Whether a first contact was a cold start: by the function's own word, else by its time, or it failed. */
export const isCold = (warm: WarmUp): boolean =>
  !warm.ok || (warm.cold ?? warm.latencyMs > COLD_AFTER_MS)

/** What a tick knows of its functions: who was woken, and who does not answer. Functions by name; null is the default. */
export interface Functions {
  readonly isAvailable: (name: string | null) => boolean
  /** Learns from an outcome whether the function was reached. */
  readonly observe: (name: string | null, outcome: Outcome) => void
  /** Wakes the function before its first invocation of the tick; null when that was done already. Never fails. */
  readonly warmUp: (name: string | null, inRun: boolean) => Effect.Effect<WarmUp | null>
}

/** The functions of one tick. */
export const makeFunctions: Effect.Effect<Functions, never, Invoker | Supabase | EngineConfig> =
  Effect.gen(function* () {
    const invoker = yield* Invoker
    const record = yield* makeRecorder
    const unreached = new Map<string | null, number>()
    const woken = new Map<string | null, Effect.Effect<WarmUp>>()
    return {
      isAvailable: (name) => (unreached.get(name) ?? 0) < MAX_UNREACHED,
      // A function that refuses one run (409) is reached all the same.
      observe: (name, outcome) => {
        const isReached = outcome._tag !== "NotExecuted" || outcome.httpStatus === 409
        unreached.set(name, isReached ? 0 : (unreached.get(name) ?? 0) + 1)
      },
      warmUp: (name, inRun) =>
        Effect.suspend(() => {
          const known = woken.get(name)
          if (known !== undefined) return Effect.as(known, null)
          return Effect.gen(function* () {
            const warming = yield* Effect.cached(invoker.warmUp(name))
            woken.set(name, warming)
            const contact = yield* warming
            yield* record(name, contact, inRun)
            return contact
          })
        })
    }
  })

/**
 * Records each first contact, from which the database learns what a cold start costs and whether warming pays; where it
 * does not, it says so here and asks for no more warm-ups of that function until the next measurement.
 */
const makeRecorder = Effect.gen(function* () {
  const supabase = yield* Supabase
  const { engineId } = yield* EngineConfig
  return (name: string | null, contact: WarmUp, inRun: boolean): Effect.Effect<void> =>
    supabase
      .call(recordContact, {
        p_engine_id: engineId,
        p_function_name: name,
        p_latency_ms: contact.latencyMs,
        p_ok: contact.ok,
        p_cold: contact.ok ? contact.cold : null,
        p_detail: contact.detail,
        p_in_run: inRun
      })
      .pipe(
        Effect.flatMap(({ pays, verdict }) =>
          pays
            ? Effect.void
            : Effect.logInfo(
                `Warming ${name ?? "the function"} does not pay (${verdict}); it is not warmed for a day`
              )
        ),
        Effect.catchAll((error) =>
          Effect.logWarning(`A warm-up was not recorded: ${error.message}`)
        )
      )
})

/** Wakes the functions of slots to come, each once in a tick. Nothing is exported by it, and it never fails. */
export const prewarm = (names: ReadonlyArray<string | null>, functions: Functions) =>
  Effect.forEach(names, (name) => functions.warmUp(name, false), {
    concurrency: WAKE_AT_ONCE,
    discard: true
  })
