import { Hash } from "effect"
import type { ProbeMethod, Provider } from "./Provider.ts"
import { providerNamed, providerOf } from "./ProviderTable.ts"

/**
 * The accounting API of an integration: one row of `integration_health`. `host` is a host name, or `host/path` if only the
 * integration's `health_url` shows the API's health; the result then applies only to the integrations with that URL.
 */
export interface ApiHost {
  readonly provider: string
  readonly host: string
}

/** The request that probes an API, without credentials. */
export interface ProbeTarget extends ApiHost {
  readonly method: ProbeMethod
  readonly url: string
}

/** The fields of an integration that identify its API. */
export interface ApiSource {
  readonly integration_type: string
  readonly health_url?: string | null
}

/** The maximum number of APIs in the cache; an installation has a few dozen. */
const MAX_KNOWN = 1_000
const known = new Map<string, ApiHost | null>()

/**
 * Returns the API of an integration: its provider's API, or its `health_url` if the provider has no probe for that host. Returns
 * null if the provider is unknown or has one host per tenant, and there is no usable `health_url`; the API's health is then
 * unknown.
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

/**
 * Returns the probe of an integration's API; null when the API cannot be probed. `health_method` applies to a `health_url` only.
 */
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

/** Returns the single address of a provider; null when every tenant has its own address. */
const addressOf = ({ hosts }: Provider): string | null =>
  hosts.find((host) => !host.startsWith(".")) ?? null

/** Returns whether a `health_url` identifies the API, which then applies only to the integrations with that URL. */
export const isOwn = ({ host }: ApiHost): boolean => host.includes("/")

/** Returns `host/path`, cut to the column's length. A query may hold a secret, so only its hash is used. */
const ownName = (host: string, url: string): string => {
  const { pathname = "/", search = "" } = URL.parse(url) ?? {}
  const name = host + pathname
  return search === "" && name.length <= MAX_NAME
    ? name
    : `${name.slice(0, MAX_NAME)}~${(Hash.string(url) >>> 0).toString(16)}`
}
const MAX_NAME = 200

/** Returns the host of a URL in lower case, without the trailing dot; a non-default port is part of the host. */
const hostIn = (url: string): string | null => {
  const parsed = URL.parse(url)
  if (parsed === null || parsed.protocol !== "https:" || parsed.hostname === "") return null
  const name = parsed.hostname.replace(/\.$/, "")
  return parsed.port === "" ? name : `${name}:${parsed.port}`
}
