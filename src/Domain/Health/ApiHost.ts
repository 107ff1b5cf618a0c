import { Hash } from "effect"
import type { ProbeMethod, Provider } from "./Provider.ts"
import { providerNamed, providerOf } from "./ProviderTable.ts"

/** One row in `integration_health`. `host` is a host name, or `host/path` if only a `health_url` identifies the API. */
export interface ApiHost {
  readonly provider: string
  readonly host: string
}

/** A probe request to an API, without credentials. */
export interface ProbeTarget extends ApiHost {
  readonly method: ProbeMethod
  readonly url: string
}

export interface ApiSource {
  readonly integration_type: string
  readonly health_url?: string | null
}

/** The maximum number of cached APIs. */
const MAX_KNOWN = 1_000
const known = new Map<string, ApiHost | null>()

/**
 * Returns the provider's API if there is no `health_url`, or if `health_url` is on a host for which the provider has a probe.
 * Otherwise, returns the API at `health_url`, or null if the URL is unusable. Without a `health_url`, returns null if the
 * provider is unknown or has one host per tenant.
 */
export const apiOf = ({ integration_type, health_url = null }: ApiSource): ApiHost | null => {
  const key = `${integration_type}\n${health_url ?? ""}`
  const before = known.get(key)
  if (before !== undefined) return before
  const host = health_url === null ? null : hostIn(health_url)
  const provider = providerOf(integration_type, host)
  const address = addressOf(provider)
  const found =
    health_url === null || (host !== null && host === address && provider.probe !== null)
      ? address
      : host === null
        ? null
        : ownName(host, health_url)
  const api = found === null ? null : { provider: provider.name, host: found }
  if (known.size < MAX_KNOWN) known.set(key, api)
  return api
}

/** Returns null if the API cannot be probed. `health_method` is used only with a `health_url`. */
export const probeOf = (
  source: ApiSource & { readonly health_method: ProbeMethod }
): ProbeTarget | null => {
  const api = apiOf(source)
  if (api === null) return null
  const url = source.health_url ?? null
  if (url !== null && isOwn(api)) return { ...api, method: source.health_method, url }
  const { probe } = providerNamed(api.provider)
  return probe === null
    ? null
    : { ...api, method: probe.method, url: `https://${api.host}${probe.path}` }
}

/** Returns the host shared by all of a provider's tenants; null if every tenant has its own host. */
const addressOf = ({ hosts }: Provider): string | null =>
  hosts.find((host) => !host.startsWith(".")) ?? null

/** Returns whether a `health_url` identifies the API. If so, the API's health applies only to integrations with that URL. */
export const isOwn = ({ host }: ApiHost): boolean => host.includes("/")

/** Returns `host/path`, truncated to the column's length. A hash replaces the query, which might contain a secret. */
const ownName = (host: string, url: string): string => {
  const { pathname = "/", search = "" } = URL.parse(url) ?? {}
  const name = host + pathname
  return search === "" && name.length <= MAX_NAME
    ? name
    : `${name.slice(0, MAX_NAME)}~${(Hash.string(url) >>> 0).toString(16)}`
}
const MAX_NAME = 200

/** Returns the host of an https URL, with the port if it is not 443. Removes a trailing dot. */
const hostIn = (url: string): string | null => {
  const parsed = URL.parse(url)
  if (parsed === null || parsed.protocol !== "https:" || parsed.hostname === "") return null
  const name = parsed.hostname.replace(/\.$/, "")
  return parsed.port === "" ? name : `${name}:${parsed.port}`
}
