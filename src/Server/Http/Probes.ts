import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Either } from "effect"
import { readUpcomingWarmUps } from "../../Database/WarmUpRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { tickError } from "../../Engine/SummaryBuilder.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { monotonicMs, type Watchdog } from "../Watchdog.ts"

/** A readiness check. `detail` never contains a host, a key or an organisation. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** How long the database can take to respond, in milliseconds. */
const DATABASE_WITHIN_MS = 3_000
/** The minimum time between two database checks, in milliseconds. */
const REMEMBER_MS = 1_000

const text = (isOk: boolean, body: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${body}\n`, {
    status: isOk ? 200 : 503,
    contentType: "text/plain; charset=utf-8"
  })

/**
 * `/livez` reports whether ticks make progress. It does not call the database, because an unreachable database is no reason to
 * restart the process. `/readyz` also checks the database, and fails while the server is stopping.
 */
export const makeProbeRoutes = (watchdog: Watchdog) =>
  Effect.gen(function* () {
    const asking = yield* Effect.cachedWithTTL(askDatabase(yield* Supabase), REMEMBER_MS)
    const readyz = Effect.gen(function* () {
      const checks = [yield* asking, ...ownChecks(watchdog, yield* monotonicMs)]
      const failing = checks.filter(({ ok }) => !ok)
      const isReady = failing.length === 0
      const verdict = isReady ? "ready" : `not ready: ${failing.map(({ name }) => name).join(", ")}`
      const isVerbose = "verbose" in (yield* HttpServerRequest.ParsedSearchParams)
      const lines = checks.map(({ detail, name, ok }) => `[${ok ? "+" : "-"}] ${name}: ${detail}`)
      return text(isReady, isVerbose ? [...lines, verdict].join("\n") : verdict)
    })
    return HttpRouter.empty.pipe(
      HttpRouter.all(
        "/livez",
        Effect.map(monotonicMs, (now) => livez(watchdog.stalledForMs(now)))
      ),
      HttpRouter.all("/readyz", readyz)
    )
  })

const livez = (stalledForMs: number) =>
  stalledForMs === 0
    ? text(true, "ok")
    : text(
        false,
        `stalled: ticks have made no progress for ${Duration.format(stalledForMs)} longer than allowed`
      )

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

const ownChecks = (watchdog: Watchdog, now: number): ReadonlyArray<Check> => {
  const stalledForMs = watchdog.stalledForMs(now)
  const { lastTick, tickStartedMs } = watchdog
  const last =
    lastTick === null
      ? "no tick has ended yet"
      : `the last tick ended ${Duration.format(now - lastTick.endedMs)} ago and took ${Duration.format(lastTick.summary.duration_ms)}` +
        errorsOf(lastTick.summary.errors)
  const under =
    tickStartedMs === null ? "" : `; a tick began ${Duration.format(now - tickStartedMs)} ago`
  return [
    {
      name: "ticks",
      ok: stalledForMs === 0,
      detail: `${last}${under}; ${watchdog.missedIntervals} intervals missed${stalledForMs === 0 ? "" : `; stalled for ${Duration.format(stalledForMs)}`}`
    },
    {
      name: "running",
      ok: !watchdog.isDraining,
      detail: watchdog.isDraining
        ? `stopping: no new runs start, ${watchdog.inFlight} in progress`
        : `${watchdog.inFlight} in flight`
    }
  ]
}

const errorsOf = (errors: ReadonlyArray<{ readonly code: string }>): string =>
  errors.length === 0 ? "" : `, with ${[...new Set(errors.map(({ code }) => code))].join(", ")}`
