import * as Duration from "../Domain/Duration.ts"
import type { ProviderHealth } from "../Domain/Standing.ts"
import type { IntegrationState } from "../Operator/Overview.ts"
import { clip, empty, type Html, html } from "./Html.ts"
import { moment, showDistance } from "./Moment.ts"
import { capital } from "./Naming.ts"
import { mark } from "./StateMark.ts"

const WORST = ["unhealthy", "throttled", "unknown", "healthy"]

/** Every provider once, the worst first. */
const providersOf = (
  integrations: ReadonlyArray<IntegrationState>
): ReadonlyArray<ProviderHealth> => {
  const known = new Map<string, ProviderHealth>()
  for (const { health } of integrations) {
    if (health !== null) known.set(`${health.provider} ${health.host}`, health)
  }
  const rank = ({ status }: ProviderHealth): number => WORST.indexOf(status)
  return [...known.values()].toSorted(
    (a, b) => rank(a) - rank(b) || (a.provider < b.provider ? -1 : 1)
  )
}

/** What is known of the systems that syncs write to: reached, throttled or down; nothing where nothing is known. */
export const vendors = (
  integrations: ReadonlyArray<IntegrationState>,
  timezone: string,
  now: number
): Html => {
  const providers = providersOf(integrations)
  if (providers.length === 0) return empty
  return html`<section aria-labelledby="h-vendors"><div class="head"><h2 id="h-vendors">Providers</h2></div><ul class="sheet providers">${providers.map(
    (one) => {
      const [name, word] =
        one.status === "unknown" ? ["no_data", "Not known"] : [one.status, capital(one.status)]
      return html`<li><b><bdi>${clip(one.provider, 60)}</bdi></b>${mark(name, word)}<span class="sub">${detail(one, timezone, now)}</span></li>`
    }
  )}</ul></section>`
}

/** `api.example.com, HTTP 503, 180 ms, 1 m ago`: what is known, in that order. */
const detail = (one: ProviderHealth, timezone: string, now: number): Html => {
  const until = one.throttled_until
  const isPassive = one.mode === "passive" && one.passive_until != null && one.passive_until > now
  const facts = [
    ...(one.http_status === null || one.status === "healthy" ? [] : [`HTTP ${one.http_status}`]),
    ...(one.error_code === null || one.status === "healthy" ? [] : [clip(one.error_code, 60)]),
    ...(one.latency_ms === null ? [] : [Duration.format(one.latency_ms)]),
    ...(one.checked_at === null ? [] : [showDistance(one.checked_at, now)]),
    ...(isPassive ? ["not probed for now"] : []),
    ...(one.start_limit == null ? [] : [`${one.start_limit} at once`])
  ]
  return html`<bdi>${clip(one.host, 80)}</bdi>${facts.map((fact) => html`, ${fact}`)}${until !== null && until > now && html`, until ${moment(until, timezone, now)}`}`
}
