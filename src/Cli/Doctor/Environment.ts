import { ambientOf } from "../../Config/Ambient.ts"
import { type Settings, table } from "../../Config.ts"
import { parseUrl } from "../../Domain/Url.ts"
import { type HttpProxy, proxyOf } from "../../Http/Proxy.ts"
import { type CheckResult, ok } from "./CheckResult.ts"

/** Lists the proxies in use, and the trusted certificate authorities that are not built into Bun. */
export const environmentFindings = (
  environment: Readonly<Record<string, string | undefined>>,
  settings: Settings
): ReadonlyArray<CheckResult> => {
  const via = (url: string | null): HttpProxy | null => {
    const parsed = url === null ? null : parseUrl(url)
    return parsed === null ? null : proxyOf(environment)(parsed)
  }
  const isApi = settings.databaseUrl === null
  const proxied = [
    [isApi ? table.supabaseUrl.key : "the functions", via(settings.supabaseUrl)],
    [table.functionUrl.key, via(settings.functionUrl)]
  ] as const
  const trusted = ambientOf(environment).filter(({ effect }) => effect.includes("trust"))
  const findings = [
    ...proxied.flatMap(([what, proxy]) =>
      proxy === null
        ? []
        : [ok("environment", `${what} is reached through ${proxy.address} (${proxy.variable})`)]
    ),
    ...trusted.map(({ effect, name, value }) => ok("environment", `${name}=${value}: ${effect}`))
  ]
  return findings.length > 0
    ? findings
    : [ok("environment", "no proxy; only the built-in certificate authorities are trusted")]
}
