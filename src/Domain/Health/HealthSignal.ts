import { Schema } from "effect"
import type { Outcome } from "../Outcome.ts"
import { type ApiSource, apiOf } from "./ApiHost.ts"
import { codesIn, isLow, judgeVendor, type Provider, type Sign } from "./Provider.ts"
import { providerNamed, providerOf } from "./ProviderTable.ts"

/** A health signal derived from an accounting API's response, as sent to the database. */
export const HealthSignal = Schema.Struct({
  provider: Schema.String,
  /** The host that the function reports; used if the integration does not identify its API. */
  host: Schema.NullOr(Schema.String),
  sign: Schema.Literal("throttled", "unreachable", "reachable"),
  code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  http_status: Schema.NullOr(Schema.Int),
  /** How long syncs must wait, in milliseconds. Null unless the API throttles requests or the quota is low. */
  wait_ms: Schema.NullOr(Schema.Number),
  /** After throttling, the limit on concurrent runs rises in steps. The limit is removed when it reaches this number. */
  ceiling: Schema.NullOr(Schema.Int),
  /** Whether the quota is nearly used up. */
  low: Schema.Boolean,
  quota: Schema.NullOr(
    Schema.Struct({
      name: Schema.String,
      remaining: Schema.Number,
      limit: Schema.NullOr(Schema.Number),
      reset_ms: Schema.NullOr(Schema.Number)
    })
  )
})
export type HealthSignal = typeof HealthSignal.Type

export const toHealthSign = (
  provider: Provider,
  host: string | null,
  status: number | null,
  sign: Sign
): HealthSignal => {
  const quota = sign._tag === "Unreachable" ? null : sign.quota
  const low = quota !== null && isLow(quota)
  return {
    provider: provider.name,
    host,
    sign: names[sign._tag],
    code: sign._tag === "Reachable" ? null : sign.code,
    message: sign._tag === "Reachable" ? null : sign.message,
    http_status: status,
    wait_ms:
      sign._tag === "Throttled" ? sign.waitMs : low ? (quota.resetMs ?? provider.waitMs) : null,
    ceiling: provider.concurrency,
    low,
    quota:
      quota === null
        ? null
        : {
            name: quota.name,
            remaining: quota.remaining,
            limit: quota.limit,
            reset_ms: quota.resetMs
          }
  }
}

const names = {
  Reachable: "reachable",
  Unreachable: "unreachable",
  Throttled: "throttled"
} as const

/**
 * Returns what a run's outcome reveals about the health of the accounting API; null if the outcome reveals nothing. Uses the
 * vendor's response if the function reported it. Otherwise, recognises throttling by a 429 or by a vendor's error code in the
 * function's response.
 */
export const signalOf = (source: ApiSource, outcome: Outcome, now: number): HealthSignal | null => {
  const { vendor } = outcome
  if (outcome._tag === "Completed" && vendor === undefined) return null
  const api = apiOf(source)
  const host = vendor?.host ?? null
  const provider =
    api === null ? providerOf(source.integration_type, host) : providerNamed(api.provider)
  if (vendor !== undefined) {
    const sign = judgeVendor(provider, vendor, now)
    const isNews = sign._tag !== "Reachable" || sign.quota !== null
    return isNews ? toHealthSign(provider, host, vendor.status, sign) : null
  }
  const sign = throttleIn(provider, outcome, now)
  return sign === null ? null : toHealthSign(provider, null, outcome.httpStatus, sign)
}

const throttleIn = (provider: Provider, outcome: Outcome, now: number): Sign | null => {
  if (outcome._tag === "Completed" || outcome._tag === "Accepted") return null
  const isOwn429 = outcome._tag === "NotExecuted" && outcome.code === "HTTP_429"
  const inBody = "response" in outcome ? codesIn(outcome.response) : []
  const answer = {
    status: isOwn429 ? 429 : 200,
    headers: { get: () => null },
    codes: [outcome.code, ...inBody],
    text: outcome.message
  }
  const sign = judgeVendor(provider, answer, now)
  if (sign._tag !== "Throttled") return null
  const told = outcome._tag === "NotExecuted" ? outcome.retryAfterMs : null
  return told === null ? sign : { ...sign, waitMs: told }
}
