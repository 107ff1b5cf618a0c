import type { ProbeMethod, Provider } from "./Provider.ts"
import { providerOf } from "./Providers.ts"

/** The accounting API behind an integration: one row of `integration_health`. */
export interface ApiHost {
  readonly provider: string
  readonly host: string
}

/** Where and how an API is probed, without credentials. */
export interface ProbeTarget extends ApiHost {
  readonly method: ProbeMethod
  readonly url: string
}

/** What of an integration says which API it uses. */
export interface ApiSource {
  readonly integration_type: string
  readonly health_url?: string | null
}

/** The most of them that are remembered; an installation has a few dozen. */
const MAX_KNOWN = 1_000
const known = new Map<string, ApiHost | null>()

/**
 * The API of an integration: the host of its `health_url`, else the one address of its provider. Null: its provider has a host
 * for each tenant, or is not known, and there is no (usable) `health_url`; then nothing is known of its health.
 */
export const apiOf = ({ integration_type, health_url = null }: ApiSource): ApiHost | null => {
  const key = `${integration_type}\n${health_url ?? ""}`
  const before = known.get(key)
  if (before !== undefined) return before
  const host = health_url === null ? null : hostIn(health_url)
  const provider = providerOf(integration_type, host)
  const found = health_url === null ? addressOf(provider) : host
  const api = found === null ? null : { provider: provider.name, host: found }
  if (known.size < MAX_KNOWN) known.set(key, api)
  return api
}

/** Where to probe the API of an integration; null when there is nothing to probe. `health_method` holds for a `health_url` only. */
export const probeOf = (
  source: ApiSource & { readonly health_method: ProbeMethod }
): ProbeTarget | null => {
  const api = apiOf(source)
  if (api === null) return null
  const url = source.health_url ?? null
  if (url !== null) return { ...api, method: source.health_method, url }
  const { probe } = providerOf(source.integration_type, null)
  return probe === null
    ? null
    : { ...api, method: probe.method, url: `https://${api.host}${probe.path}` }
}

/** The one address of a provider; null when every tenant has its own. */
const addressOf = ({ hosts }: Provider): string | null =>
  hosts.find((host) => !host.startsWith(".")) ?? null

/** Host names are compared in lower case and without the root's dot; a port of its own makes another host. */
const hostIn = (url: string): string | null => {
  const parsed = URL.parse(url)
  if (parsed === null || parsed.protocol !== "https:" || parsed.hostname === "") return null
  const name = parsed.hostname.replace(/\.$/, "")
  return parsed.port === "" ? name : `${name}:${parsed.port}`
}
