import { Cause, Clock, Effect, Either, Random } from "effect"
import { EngineConfig } from "../Config.ts"
import { apiOf, type ProbeTarget, probeOf } from "../Domain/ApiHost.ts"
import type { ProbeError, SupabaseError } from "../Domain/Errors.ts"
import { ApiHealth, claimProbes, readApis, recordProbe } from "../Domain/HealthRpc.ts"
import { type HealthSign, toHealthSign } from "../Domain/HealthSign.ts"
import { judgeVendor } from "../Domain/Provider.ts"
import { providerNamed } from "../Domain/Providers.ts"
import { storableText } from "../Domain/Storable.ts"
import { Token } from "../Domain/Token.ts"
import * as Metrics from "../Metrics.ts"
import { type ProbeAnswer, Prober } from "../Services/Prober.ts"
import { Supabase } from "../Services/Supabase.ts"

/** Probes at the same time: each is one small request to another host. */
const AT_ONCE = 5
const MAX_APIS = 1_000
/** A round beside a tick. */
const ROUND_MS = 10_000
const QUIET_MS = 15 * 60_000

export interface ProbeOptions {
  /** A person asks: silence and backoffs are not waited for. */
  readonly asked?: boolean
  /** Says only what would be probed. */
  readonly dryRun?: boolean
}

/** One API of a round: what the probe found, null in a dry run, and what is known of it now. */
export interface Probed {
  readonly target: ProbeTarget
  readonly sign: HealthSign | null
  readonly latencyMs: number | null
  readonly health: ApiHealth | null
}

/** What a round came to. */
export interface ProbeRound {
  readonly now: number
  readonly probed: ReadonlyArray<Probed>
  /** Not now, why, and until when where that is known. */
  readonly waiting: ReadonlyArray<{
    readonly provider: string
    readonly host: string
    readonly reason: string
    readonly until: number | null
  }>
  /** Types of integrations of which nobody knows where to look, and unusable health_urls. */
  readonly unknown: ReadonlyArray<{
    readonly integration_type: string
    readonly health_url: string | null
  }>
}

/**
 * One round of probes: one request for each accounting API that was silent for 15 minutes, whatever the number of tenants, and only
 * for those that the database lets this engine probe. A round in which none can be due costs one read.
 *
 * *Fails with* SupabaseError when the database does not answer; what an API answers, or does not, is its health.
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
  const known = new Map(health.map((one) => [keyOf(one), one]))
  gaugeApis(health)
  const candidates = [...apis.values()]
    .filter(({ target }) => asked || mayBeDue(known.get(keyOf(target)), now))
    .slice(0, MAX_APIS)
  if (candidates.length === 0) {
    return { now, probed: [], waiting: [], unknown } satisfies ProbeRound
  }
  const token = (yield* Token).next()
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
    : yield* Effect.forEach(targets, (target) => probeOne(target, token), { concurrency: AT_ONCE })
  return { now: claims.now, probed, waiting: claims.waiting, unknown } satisfies ProbeRound
})

/**
 * A round beside a tick, that takes at most 10 s. Never fails: what goes wrong is a log line, and the next round comes. Where there is no
 * Prober, nothing is probed.
 */
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
  Effect.timeoutOption(ROUND_MS),
  Effect.flatMap((ended) =>
    ended._tag === "Some"
      ? Effect.void
      : Effect.logDebug(`Probes took longer than ${ROUND_MS / 1_000} s.`)
  ),
  Effect.catchAllCause((cause) =>
    Cause.isInterruptedOnly(cause)
      ? Effect.failCause(cause)
      : Effect.logDebug(`Accounting APIs could not be probed: ${Cause.squash(cause)}`)
  ),
  Effect.catchAll(() => Effect.void)
)

/** A person's round has no engine behind it. */
const engineName = Effect.map(Effect.serviceOption(EngineConfig), (config) =>
  config._tag === "Some" ? config.value.engineId : "probe"
)

interface Api {
  readonly target: ProbeTarget
  readonly types: Set<string>
  readonly urls: Set<string>
}

const keyOf = ({ host, provider }: { readonly provider: string; readonly host: string }): string =>
  `${provider}/${host}`

/** All integrations of an API together; the first of them says how it is probed. */
const gather = (sources: ReadonlyArray<Parameters<typeof probeOf>[0]>): Map<string, Api> => {
  const apis = new Map<string, Api>()
  for (const source of sources) {
    const target = probeOf(source)
    if (target === null) continue
    const api = apis.get(keyOf(target)) ?? { target, types: new Set(), urls: new Set() }
    if (source.health_url == null) api.types.add(source.integration_type)
    else api.urls.add(source.health_url)
    apis.set(keyOf(target), api)
  }
  return apis
}

/** How many APIs of each provider stand how, for /metrics: hosts may tell tenants, so they are not named there. */
const gaugeApis = (health: ReadonlyArray<ApiHealth>): void => {
  for (const provider of new Set(health.map((one) => one.provider))) {
    for (const status of ApiHealth.fields.status.literals) {
      const those = health.filter((one) => one.provider === provider && one.status === status)
      Metrics.apis.set(those.length, provider, status)
    }
  }
}

/** Spares the database a claim that it would refuse; it has the last word. */
const mayBeDue = (health: ApiHealth | undefined, now: number): boolean => {
  if (health === undefined) return true
  const isLater = (at: number | null) => at !== null && at > now
  const isQuiet = (at: number | null, ms = QUIET_MS) => at === null || at <= now - ms
  return (
    !isLater(health.next_probe_at) &&
    !isLater(health.passive_until) &&
    isQuiet(health.last_probe_at) &&
    (isQuiet(health.last_sync_at, providerNamed(health.provider).probeEveryMs) ||
      health.consecutive_failures > 0)
  )
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

const judge = (target: ProbeTarget, answer: ProbeAnswer, now: number): HealthSign => {
  const provider = providerNamed(target.provider)
  return toHealthSign(provider, null, answer.status, judgeVendor(provider, answer, now))
}

/** Nobody answered: there is no status, and the database knows what that is worth. */
const unreached = ({ provider }: ProbeTarget, { detail, reason }: ProbeError): HealthSign => ({
  provider,
  host: null,
  sign: "unreachable",
  code: codes[reason],
  message: storableText(detail, 500),
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
