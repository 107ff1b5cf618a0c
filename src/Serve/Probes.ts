import { Effect, Either } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { tickError } from "../Domain/Tally.ts"
import { readUpcomingWarmUps } from "../Domain/WarmUpRpc.ts"
import { Supabase } from "../Services/Supabase.ts"
import { monotonicMs, type Vitals } from "./Vitals.ts"

/** One thing that has to be so for `serve` to be ready. `detail` never names a host, a key or an organisation. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** A database that has not answered by then is not there. */
const DATABASE_WITHIN_MS = 3_000
/** However often anybody asks, the database is asked once in this time. */
const REMEMBER_MS = 1_000

const text = (status: 200 | 503, body: string): Response =>
  new Response(`${body}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }
  })

/** `/livez`: whether this process ticks. Asks nobody: a database that is away is no reason to restart it. */
export const livez = (vitals: Vitals): Effect.Effect<Response> =>
  Effect.map(monotonicMs, (now) => {
    const stuckMs = vitals.stuckMs(now)
    return stuckMs === 0
      ? text(200, "ok")
      : text(503, `stuck: a tick should have gone on ${Duration.format(stuckMs)} ago`)
  })

/** `/readyz`: whether ticks can do their work right now; with `?verbose`, one line for each check. */
export const makeReadyz = (
  vitals: Vitals
): Effect.Effect<(verbose: boolean) => Effect.Effect<Response>, never, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const asking = yield* Effect.cachedWithTTL(askDatabase(supabase), REMEMBER_MS)
    return (verbose) =>
      Effect.gen(function* () {
        const checks = [yield* asking, ...ownChecks(vitals, yield* monotonicMs)]
        const failing = checks.filter(({ ok }) => !ok)
        const lines = checks.map(({ detail, name, ok }) => `[${ok ? "+" : "-"}] ${name}: ${detail}`)
        const verdict =
          failing.length === 0
            ? "ready"
            : `not ready: ${failing.map(({ name }) => name).join(", ")}`
        return text(
          failing.length === 0 ? 200 : 503,
          verbose ? [...lines, verdict].join("\n") : verdict
        )
      })
  })

const askDatabase = (supabase: typeof Supabase.Service): Effect.Effect<Check> =>
  Effect.gen(function* () {
    const began = yield* monotonicMs
    const answer = yield* supabase.call(readUpcomingWarmUps, { p_within_seconds: 0 }).pipe(
      Effect.mapError(explain),
      Effect.disconnect,
      Effect.timeoutFail({
        duration: DATABASE_WITHIN_MS,
        onTimeout: () => `no answer within ${Duration.format(DATABASE_WITHIN_MS)}`
      }),
      Effect.either
    )
    const took = (yield* monotonicMs) - began
    return Either.match(answer, {
      onLeft: (detail) => ({ name: "database", ok: false, detail }),
      onRight: () => ({
        name: "database",
        ok: true,
        detail: `answered in ${Duration.format(took)}`
      })
    })
  })

const explain = (error: SupabaseError): string => {
  const { code, hint } = tickError(error)
  return `${code} (${error.code}). ${hint}`
}

const ownChecks = (vitals: Vitals, now: number): ReadonlyArray<Check> => {
  const stuckMs = vitals.stuckMs(now)
  const { lastTick, tickBeganMs } = vitals
  const last =
    lastTick === null
      ? "none has ended yet"
      : `the last one ended ${Duration.format(now - lastTick.endedMs)} ago, after ${Duration.format(lastTick.summary.duration_ms)}` +
        errorsOf(lastTick.summary.errors)
  const under = tickBeganMs === null ? "" : `; one began ${Duration.format(now - tickBeganMs)} ago`
  return [
    {
      name: "ticks",
      ok: stuckMs === 0,
      detail: `${last}${under}; ${vitals.skippedBeats} beats skipped${stuckMs === 0 ? "" : `; stuck for ${Duration.format(stuckMs)}`}`
    },
    {
      name: "running",
      ok: !vitals.isDraining,
      detail: vitals.isDraining
        ? `stopping: nothing new is started, ${vitals.inFlight} in flight`
        : `${vitals.inFlight} in flight`
    }
  ]
}

const errorsOf = (errors: ReadonlyArray<{ readonly code: string }>): string =>
  errors.length === 0 ? "" : `, with ${[...new Set(errors.map(({ code }) => code))].join(", ")}`
