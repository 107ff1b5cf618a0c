import { Context, Effect } from "effect"
import { EngineConfig } from "../Config.ts"
import { recordContact } from "../Database/WarmUpRpc.ts"
import { isFromFunction, type Outcome } from "../Domain/Outcome.ts"
import { Invoker, type WarmUp } from "../Services/Invoker.ts"
import type { FirstContact } from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"

/** After this many consecutive failures to reach a function, the function's other runs wait for the next tick. */
const MAX_UNREACHED = 10
/** A first contact slower than this, in milliseconds, is a cold start, unless the function reports otherwise. */
const COLD_AFTER_MS = 1_000
const WARM_UP_CONCURRENCY = 5

export const NO_CONTACT: FirstContact = { cold_start: false, warm_up_ms: null }

/** Prefers the function's own report. Without a report, a failed or slow request counts as a cold start. */
export const isCold = (warm: WarmUp): boolean =>
  !warm.ok || (warm.cold ?? warm.latencyMs > COLD_AFTER_MS)

/** Tracks which functions this tick has warmed up and which ones do not respond. The name is null for the default function. */
export class Functions extends Context.Tag("@sync-scheduler/Functions")<
  Functions,
  {
    readonly isAvailable: (name: string | null) => boolean
    /** Records whether an invocation reached the function. */
    readonly observe: (name: string | null, outcome: Outcome) => void
    /** Warms up the function before its first invocation in the tick. Returns whether the function was cold, and the duration. */
    readonly firstContact: (name: string | null) => Effect.Effect<FirstContact>
    /** Warms up functions for future slots, each function once per tick. */
    readonly prewarm: (names: ReadonlyArray<string | null>) => Effect.Effect<void>
  }
>() {}

export const make = Effect.gen(function* () {
  const invoker = yield* Invoker
  const record = yield* makeRecorder
  const unreached = new Map<string | null, number>()
  const warmed = new Map<string | null, Effect.Effect<WarmUp>>()
  const warmUp = (name: string | null, inRun: boolean): Effect.Effect<WarmUp | null> =>
    Effect.suspend(() => {
      const known = warmed.get(name)
      if (known !== undefined) return Effect.as(known, null)
      return Effect.gen(function* () {
        const warming = yield* Effect.cached(invoker.warmUp(name))
        warmed.set(name, warming)
        const contact = yield* warming
        if (contact.isRefused) return null
        yield* record(name, contact, inRun)
        return contact
      })
    })
  return Functions.of({
    isAvailable: (name) => (unreached.get(name) ?? 0) < MAX_UNREACHED,
    observe: (name, outcome) => {
      unreached.set(name, isFromFunction(outcome) ? 0 : (unreached.get(name) ?? 0) + 1)
    },
    firstContact: (name) =>
      Effect.map(warmUp(name, true), (warm) =>
        warm === null
          ? NO_CONTACT
          : { cold_start: isCold(warm), warm_up_ms: Math.round(warm.latencyMs) }
      ),
    prewarm: (names) =>
      Effect.forEach(names, (name) => warmUp(name, false), {
        concurrency: WARM_UP_CONCURRENCY,
        discard: true
      })
  })
})

/** Records each first contact. If warm-ups have no benefit, the database stops them until the next measurement. */
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
                `Warming up ${name ?? "the function"} has no benefit (${verdict}); warm-ups stop for a day`
              )
        ),
        Effect.catchAll((error) =>
          Effect.logWarning(`A warm-up was not recorded: ${error.message}`)
        )
      )
})
