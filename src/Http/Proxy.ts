export interface HttpProxy {
  readonly variable: string
  /** Scheme, host and port, without credentials. */
  readonly address: string
}

/** Returns the proxy for a request to `url`; null if the request uses no proxy. */
export type ProxyOf = (url: URL) => HttpProxy | null

export const noProxy: ProxyOf = () => null

/** Environment variables by URL scheme, in order of precedence. */
const VARIABLES: Readonly<Record<string, ReadonlyArray<string>>> = {
  "https:": ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  "http:": ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
}

/**
 * Returns the proxy that the runtime uses, so that messages can show the proxy's address.
 *
 * *Source*: observed in Bun 1.4.5. test/Http/Proxy.test.ts compares this function with Bun's fetch.
 */
export const proxyOf =
  (environment: Readonly<Record<string, string | undefined>>): ProxyOf =>
  (url) => {
    const variable = VARIABLES[url.protocol]?.find((name) => isSet(environment[name]))
    if (variable === undefined) return null
    const exceptions = isSet(environment.no_proxy) ? environment.no_proxy : environment.NO_PROXY
    return (exceptions ?? "").split(",").some((entry) => isExcepted(entry.trim(), url))
      ? null
      : { variable, address: addressOf(environment[variable] ?? "") }
  }

/** Returns a suffix for messages that identifies the proxy. The suffix is empty if there is no proxy. */
export const throughProxy = (proxy: HttpProxy | null): string =>
  proxy === null ? "" : `, through the proxy ${proxy.address} (${proxy.variable})`

const isSet = (text: string | undefined): boolean => text !== undefined && text !== ""

const addressOf = (text: string): string => {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  return URL.canParse(whole)
    ? `${new URL(whole).protocol}//${new URL(whole).host}`
    : "that cannot be read"
}

/** An entry is `*`, an IPv4 range, or a host name with an optional port. A host name also matches its subdomains. */
const isExcepted = (entry: string, url: URL): boolean => {
  const host = bare(url.hostname)
  if (entry === "*") return true
  const range = /^([\d.]+)\/(\d+)$/.exec(entry)
  if (range !== null) return isInside(host, range[1] ?? "", Number(range[2]))
  const [, name = entry, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? []
  if (port !== undefined && port !== (url.port || (url.protocol === "https:" ? "443" : "80"))) {
    return false
  }
  const wanted = bare(name.replace(/^\*?\./, ""))
  return wanted !== "" && (host === wanted || host.endsWith(`.${wanted}`))
}

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, "")

const isInside = (host: string, network: string, bits: number): boolean => {
  const [address, base] = [numberOf(host), numberOf(network)]
  if (address === null || base === null || bits > 32) return false
  const size = 2 ** (32 - bits)
  return Math.floor(address / size) === Math.floor(base / size)
}

const numberOf = (address: string): number | null =>
  /^\d+\.\d+\.\d+\.\d+$/.test(address)
    ? address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
    : null
