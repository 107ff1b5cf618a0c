import * as Duration from "../../Domain/Duration.ts"
import { isHeard, type ProviderHealth } from "../../Domain/IntegrationStatus.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"
import { capital } from "./DisplayNames.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { mark } from "./StateMark.ts"
import { moment, showDistance } from "./TimeFormat.ts"

const WORST = ["unhealthy", "throttled", "unknown", "healthy"]

/** Returns each known provider once, worst health first. */
const providersOf = (
  integrations: ReadonlyArray<IntegrationState>
): ReadonlyArray<ProviderHealth> => {
  const known = new Map<string, ProviderHealth>()
  for (const { health } of integrations) {
    if (health !== null && (health.status !== "unknown" || health.synced_at !== null))
      known.set(`${health.provider} ${health.host}`, health)
  }
  const rank = ({ status }: ProviderHealth): number => WORST.indexOf(status)
  return [...known.values()].toSorted(
    (a, b) => rank(a) - rank(b) || (a.provider < b.provider ? -1 : 1)
  )
}

export const vendors = (
  integrations: ReadonlyArray<IntegrationState>,
  timezone: string,
  now: number
): Html => {
  const providers = providersOf(integrations)
  if (providers.length === 0) return empty
  return html`<section id="vendors" aria-labelledby="h-vendors"><div class="head"><h2 id="h-vendors">Providers</h2></div><ul class="sheet providers">${providers.map(
    (one) => {
      const [name, word] = appearanceOf(one)
      return html`<li><b><bdi>${clip(one.provider, 60)}</bdi></b>${mark(name, word)}<span class="sub">${detail(one, timezone, now)}</span></li>`
    }
  )}</ul></section>`
}

/** A completed sync does not prove that an API is healthy; only a probe does. */
const appearanceOf = (one: ProviderHealth): readonly [name: string, word: string] => {
  const { status } = one
  if (status === "unknown") return ["never_ran", "Unknown"]
  if (status !== "healthy") return [status, capital(status)]
  return isHeard(one) ? ["healthy", "Answers"] : ["never_ran", "Not probed"]
}

/** Renders what is known about a provider: `api.example.com, HTTP 503, 180 ms, 1 m ago`. */
const detail = (one: ProviderHealth, timezone: string, now: number): Html => {
  const until = one.throttled_until
  const isPassive = one.mode === "passive" && one.passive_until != null && one.passive_until > now
  const facts = [
    ...(one.http_status === null || one.status === "healthy" ? [] : [`HTTP ${one.http_status}`]),
    ...(one.error_code === null || one.status === "healthy" ? [] : [clip(one.error_code, 60)]),
    ...(one.synced_at === null ? [] : [`last sync completed ${showDistance(one.synced_at, now)}`]),
    ...(one.latency_ms === null || one.probed_at === null
      ? []
      : [`probed ${showDistance(one.probed_at, now)}, ${Duration.format(one.latency_ms)}`]),
    ...(isPassive ? ["currently not probed"] : [])
  ]
  // Without a probe, the host is only inferred from the integration type.
  const host = isHeard(one) ? [clip(one.host, 80)] : []
  return html`<bdi>${[...host, ...facts].join(", ")}</bdi>${until !== null && until > now && html`, until ${moment(until, timezone, now)}`}`
}
