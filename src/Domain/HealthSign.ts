import { Schema } from "effect"
import { type ApiSource, apiOf } from "./ApiHost.ts"
import type { Outcome } from "./Outcome.ts"
import { codesIn, isLow, judgeVendor, type Provider, type Sign } from "./Provider.ts"
import { providerNamed, providerOf } from "./Providers.ts"

/** What an answer of a vendor means for its API, on its way to the database, which decides what follows. */
export const HealthSign = Schema.Struct({
  provider: Schema.String,
  /** Where the function says it was; used where the integration does not say which API it uses. */
  host: Schema.NullOr(Schema.String),
  sign: Schema.Literal("throttled", "unreachable", "reachable"),
  code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  http_status: Schema.NullOr(Schema.Int),
  /** throttled: how long to leave it alone; a low quota: until there is more. */
  wait_ms: Schema.NullOr(Schema.Number),
  /** At how many runs at once a throttled API needs no limit any more. */
  ceiling: Schema.NullOr(Schema.Int),
  /** Little is left of the quota. */
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
export type HealthSign = typeof HealthSign.Type

/** A judgement as the database takes it. `status` null: it is not known. */
export const toHealthSign = (
  provider: Provider,
  host: string | null,
  status: number | null,
  sign: Sign
): HealthSign => {
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
 * What the outcome of a run says about its accounting API, null when it says nothing beyond whether the run went well. The function
 * may report what the vendor answered; else its 429 is taken for the vendor's, and so is a failure with one of the vendor's own
 * codes. `now`: epoch milliseconds.
 */
export const signOf = (source: ApiSource, outcome: Outcome, now: number): HealthSign | null => {
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

/** A throttle that shows in the function's own answer. */
const throttleIn = (provider: Provider, outcome: Outcome, now: number): Sign | null => {
  if (outcome._tag !== "NotExecuted" && outcome._tag !== "Failed") return null
  const isOwn429 = outcome._tag === "NotExecuted" && outcome.code === "HTTP_429"
  const inBody = outcome._tag === "Failed" ? codesIn(outcome.response) : []
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
