import { Cause, Clock, Effect, Either, Random } from "effect"
import { EngineConfig } from "../Config.ts"
import { ApiHealth, claimProbes, readApis, recordProbe } from "../Database/HealthRpc.ts"
import { jsonbSafeText } from "../Database/JsonbSafe.ts"
import type { ProbeError, SupabaseError } from "../Domain/Errors.ts"
import { apiOf, type ProbeTarget } from "../Domain/Health/ApiHost.ts"
import { type HealthSignal, toHealthSign } from "../Domain/Health/HealthSignal.ts"
import { judgeVendor } from "../Domain/Health/Provider.ts"
import { providerNamed } from "../Domain/Health/ProviderTable.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import * as Metrics from "../Metrics.ts"
import { type ProbeAnswer, Prober } from "../Services/Prober.ts"
import { Supabase } from "../Services/Supabase.ts"
import { candidatesOf, gather, keyOf } from "./ProbeCandidates.ts"

const PROBE_CONCURRENCY = 5
/** The time limit for a probe round during a tick, in milliseconds. */
const ROUND_MS = 10_000

export interface ProbeOptions {
  /** Whether an operator requested the round. A requested round ignores idle times and backoffs. */
  readonly asked?: boolean
  /** Whether to list due APIs without probing them. */
  readonly dryRun?: boolean
}

/** A probed API. In a dry run, every field except `target` is null. */
export interface Probed {
  readonly target: ProbeTarget
  readonly sign: HealthSignal | null
  readonly latencyMs: number | null
  readonly health: ApiHealth | null
}

export interface ProbeRound {
  readonly now: number
  readonly probed: ReadonlyArray<Probed>
  /** APIs that are not probed now. `until` is when the wait ends, in epoch milliseconds, if known. */
  readonly waiting: ReadonlyArray<{
    readonly provider: string
    readonly host: string
    readonly reason: string
    readonly until: number | null
  }>
  /** Integrations whose API address is unknown. `health_url` is set if the URL is unusable. */
  readonly unknown: ReadonlyArray<{
    readonly integration_type: string
    readonly health_url: string | null
  }>
}

/**
 * Sends one request to each accounting API that has been idle for at least 15 minutes and that the database assigns to this
 * engine. If no probe is due, calls the database only once.
 *
 * *Fails with* SupabaseError if the database does not answer. If an API does not answer, the result says so.
 */
export const probeRound = Effect.fn("Engine.probeRound")(function* (options: ProbeOptions = {}) {
  const { asked = false, dryRun = false } = options
  const supabase = yield* Supabase
  const engineId = yield* engineName
  const { health, now, sources } = yield* supabase.call(readApis, {})
  const apis = gather(sources)
  const unknown = sources
    .filter((source) => apiOf(source) === null)
    .map(({ health_url, integration_type }) => ({ integration_type, health_url }))
  gaugeApis(health)
  const candidates = candidatesOf(sources, health, now, asked)
  if (candidates.length === 0) {
    return { now, probed: [], waiting: [], unknown } satisfies ProbeRound
  }
  const token = (yield* IdGenerator).next()
  const claims = yield* supabase.call(claimProbes, {
    p_engine_id: engineId,
    p_token: token,
    p_apis: candidates.map(({ target: { host, provider }, types, urls }) => ({
      ...{ provider, host },
      types: [...types],
      urls: [...urls]
    })),
    p_asked: asked,
    p_dry_run: dryRun
  })
  const targets = claims.probes.flatMap((one) => apis.get(keyOf(one))?.target ?? [])
  const probed: ReadonlyArray<Probed> = dryRun
    ? targets.map((target) => ({ target, sign: null, latencyMs: null, health: null }))
    : yield* Effect.forEach(targets, (target) => probeOne(target, token), {
        concurrency: PROBE_CONCURRENCY
      })
  return { now: claims.now, probed, waiting: claims.waiting, unknown } satisfies ProbeRound
})

/** Runs a probe round for at most 10 s. Logs errors and never fails. Does nothing without a Prober. */
export const probeQuietly: Effect.Effect<void, never, Supabase> = Effect.gen(function* () {
  const prober = yield* Effect.serviceOption(Prober)
  if (prober._tag === "None") return
  const round = yield* probeRound().pipe(Effect.provideService(Prober, prober.value))
  for (const { sign, target } of round.probed) {
    if (sign === null || sign.sign === "reachable") continue
    yield* Effect.logWarning(
      `${target.provider} at ${target.host} is ${sign.sign}: ${sign.code}, ${sign.message}`
    )
  }
}).pipe(
  Effect.disconnect,
  Effect.timeoutTo({
    duration: ROUND_MS,
    onSuccess: () => Effect.void,
    onTimeout: () => Effect.logDebug(`The probes were stopped after ${ROUND_MS / 1_000} s.`)
  }),
  Effect.flatten,
  Effect.catchAllCause((cause) =>
    Cause.isInterruptedOnly(cause)
      ? Effect.interrupt
      : Effect.logDebug(`Accounting APIs could not be probed: ${Cause.squash(cause)}`)
  )
)

/** The engine's id, or `probe` if a command runs the round without an engine. */
const engineName = Effect.map(Effect.serviceOption(EngineConfig), (config) =>
  config._tag === "Some" ? config.value.engineId : "probe"
)

/** Updates the gauge of APIs by provider and status. Hosts are not reported, because they might identify tenants. */
const gaugeApis = (health: ReadonlyArray<ApiHealth>): void => {
  for (const provider of new Set(health.map((one) => one.provider))) {
    for (const status of ApiHealth.fields.status.literals) {
      const those = health.filter((one) => one.provider === provider && one.status === status)
      Metrics.apis.set(those.length, provider, status)
    }
  }
}

const probeOne = (
  target: ProbeTarget,
  token: string
): Effect.Effect<Probed, SupabaseError, Prober | Supabase> =>
  Effect.gen(function* () {
    const prober = yield* Prober
    const supabase = yield* Supabase
    const answer = yield* Effect.either(prober.probe(target))
    const now = yield* Clock.currentTimeMillis
    const latencyMs = Either.isRight(answer) ? answer.right.latencyMs : null
    const sign = Either.match(answer, {
      onLeft: (error) => unreached(target, error),
      onRight: (one) => judge(target, one, now)
    })
    Metrics.probes.add(1, target.provider, sign.sign)
    const { health } = yield* supabase.call(recordProbe, {
      p_engine_id: yield* engineName,
      p_token: token,
      p_provider: target.provider,
      p_host: target.host,
      p_result: {
        ...sign,
        latency_ms: latencyMs,
        every_ms: providerNamed(target.provider).probeEveryMs
      },
      p_jitter: yield* Random.next
    })
    return { target, sign, latencyMs, health }
  })

const judge = (target: ProbeTarget, answer: ProbeAnswer, now: number): HealthSignal => {
  const provider = providerNamed(target.provider)
  return toHealthSign(provider, null, answer.status, judgeVendor(provider, answer, now))
}

const unreached = ({ provider }: ProbeTarget, { detail, reason }: ProbeError): HealthSignal => ({
  provider,
  host: null,
  sign: "unreachable",
  code: codes[reason],
  message: jsonbSafeText(detail, 500),
  http_status: null,
  wait_ms: null,
  ceiling: null,
  low: false,
  quota: null
})

const codes: Readonly<Record<ProbeError["reason"], string>> = {
  Refused: "ADDRESS_REFUSED",
  NotResolved: "NAME_NOT_RESOLVED",
  NotReached: "NOT_REACHED",
  TimedOut: "TIMED_OUT",
  Disconnected: "CONNECTION_LOST"
}
