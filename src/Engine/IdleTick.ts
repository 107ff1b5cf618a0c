import { Clock, Effect, Either, Predicate } from "effect"
import { EngineConfig } from "../Config.ts"
import { openTickArguments, openTickUndecoded } from "../Database/OpenTick.ts"
import { judgeSkew, measureSkew } from "../Domain/ClockSkew.ts"
import type { Summary } from "../Domain/Summary.ts"
import type { FirstAttempt, Scope } from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"
import { SCHEMA_VERSION } from "../Version.ts"
import { candidatesOf, type HealthFacts } from "./ProbeCandidates.ts"
import { empty, toSummary } from "./SummaryBuilder.ts"
import { MAX_BATCH } from "./TickFrame.ts"

/** Returns the number of runs that a tick's first call fetches: two for each worker, up to `limit`. */
export const firstFetch = (concurrency: number, limit: number): number =>
  Math.max(Math.min(2 * concurrency, limit, MAX_BATCH), 1)

export interface IdleOptions {
  readonly tickId: string
  readonly scope: Scope
  readonly limit?: number | undefined
  readonly alerts: boolean
  readonly probes: boolean
}

/**
 * The result of opening a tick. `Idle`: the tick is complete. If `areProbesDue` is true, a probe round might send requests.
 * `Busy`: the engine must continue with `attempt`.
 */
export type FirstOpening =
  | { readonly _tag: "Idle"; readonly summary: Summary; readonly areProbesDue: boolean }
  | { readonly _tag: "Busy"; readonly attempt: FirstAttempt }

/**
 * Opens a tick without loading the engine. If a timer starts a process for each tick, most ticks find nothing due. This file and
 * its imports therefore evaluate no schemas and load only what an idle tick needs (ADR 26; a test checks the imports).
 *
 * *Guarantees*: makes one attempt and never fails. Returns `Idle` only if nothing is due, the schema versions match, the clocks
 * agree, and there is no function to warm up and no alert to send.
 */
export const openFirst = (
  options: IdleOptions
): Effect.Effect<FirstOpening, never, Supabase | EngineConfig> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const settings = yield* EngineConfig
    const { alerts, limit = Number.POSITIVE_INFINITY, probes, scope, tickId } = options
    const askedAt = yield* Clock.currentTimeMillis
    const answer = yield* Effect.either(
      supabase.call(
        openTickUndecoded,
        openTickArguments({
          ...settings,
          ...scope,
          tickId,
          limit: firstFetch(settings.concurrency, limit),
          withApis: probes
        })
      )
    )
    const answeredAt = yield* Clock.currentTimeMillis
    const attempt: FirstAttempt = { askedAt, answeredAt, answer }
    if (Either.isLeft(answer) || !isIdle(answer.right, attempt, alerts)) {
      return { _tag: "Busy", attempt } as const
    }
    const facts = {
      tickId,
      engineId: settings.engineId,
      startedAt: askedAt,
      finishedAt: answeredAt
    }
    return {
      _tag: "Idle",
      summary: toSummary(empty(settings.driftAlertMs), facts),
      areProbesDue: probes && mayProbe(answer.right)
    } as const
  })

/** Returns false for an unexpected value, so that the engine handles it. */
const isIdle = (
  answer: unknown,
  { answeredAt, askedAt }: FirstAttempt,
  alerts: boolean
): boolean => {
  if (!Predicate.isRecord(answer)) return false
  const now = Date.parse(String(answer.now))
  return (
    answer.idle === true &&
    answer.schema_version === SCHEMA_VERSION &&
    answer.clock_skew_open === false &&
    judgeSkew(measureSkew(askedAt, answeredAt, now)) === "together" &&
    isEmpty(answer.warm_ups) &&
    (!alerts || answer.alerts === false)
  )
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Returns true for an unexpected value, so that a probe round handles it. */
const mayProbe = (answer: unknown): boolean => {
  const apis = Predicate.isRecord(answer) ? answer.apis : null
  if (!Predicate.isRecord(apis) || !Array.isArray(apis.sources) || !Array.isArray(apis.health)) {
    return true
  }
  const sources = apis.sources.filter(isSource)
  const health = apis.health.flatMap((one) => healthOf(one) ?? [])
  return (
    sources.length < apis.sources.length ||
    health.length < apis.health.length ||
    candidatesOf(sources, health, Date.parse(String(apis.now)), false).length > 0
  )
}

const isSource = (value: unknown): value is Parameters<typeof candidatesOf>[0][number] =>
  Predicate.isRecord(value) &&
  typeof value.integration_type === "string" &&
  (value.health_url === null || typeof value.health_url === "string") &&
  (value.health_method === "HEAD" ||
    value.health_method === "GET" ||
    value.health_method === "OPTIONS")

const healthOf = (value: unknown): HealthFacts | null => {
  if (!Predicate.isRecord(value)) return null
  const { consecutive_failures, host, provider } = value
  if (
    typeof provider !== "string" ||
    typeof host !== "string" ||
    typeof consecutive_failures !== "number"
  ) {
    return null
  }
  return {
    provider,
    host,
    consecutive_failures,
    next_probe_at: instantOf(value.next_probe_at),
    passive_until: instantOf(value.passive_until),
    last_probe_at: instantOf(value.last_probe_at),
    last_sync_at: instantOf(value.last_sync_at)
  }
}

const instantOf = (value: unknown): number | null =>
  value === null ? null : Date.parse(String(value))
