import { type ProbeTarget, probeOf } from "../Domain/Health/ApiHost.ts"
import { providerNamed } from "../Domain/Health/ProviderTable.ts"

const MAX_APIS = 1_000
const QUIET_MS = 15 * 60_000

/** An accounting API that can be probed, with the types and health URLs of its integrations. */
export interface ProbedApi {
  readonly target: ProbeTarget
  readonly types: Set<string>
  readonly urls: Set<string>
}

/** The facts that determine whether a probe is due. Instants are epoch milliseconds. */
export interface HealthFacts {
  readonly provider: string
  readonly host: string
  readonly consecutive_failures: number
  readonly next_probe_at: number | null
  readonly passive_until: number | null
  readonly last_probe_at: number | null
  readonly last_sync_at: number | null
}

export const keyOf = ({
  host,
  provider
}: {
  readonly provider: string
  readonly host: string
}): string => `${provider}/${host}`

/** Groups integrations by API: all integrations of one vendor, or all integrations with the same `health_url`. */
export const gather = (
  sources: ReadonlyArray<Parameters<typeof probeOf>[0]>
): Map<string, ProbedApi> => {
  const apis = new Map<string, ProbedApi>()
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

/** Returns the APIs that might be due for a probe, or all APIs if an operator requested the round. */
export const candidatesOf = (
  sources: ReadonlyArray<Parameters<typeof probeOf>[0]>,
  health: ReadonlyArray<HealthFacts>,
  now: number,
  asked: boolean
): ReadonlyArray<ProbedApi> => {
  const known = new Map(health.map((one) => [keyOf(one), one]))
  return [...gather(sources).values()]
    .filter(({ target }) => asked || mayBeDue(known.get(keyOf(target)), now))
    .slice(0, MAX_APIS)
}

/** Returns false only if the database would reject a probe of this API. */
const mayBeDue = (health: HealthFacts | undefined, now: number): boolean => {
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
