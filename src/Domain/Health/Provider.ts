import { readRetryAfter } from "../Retry.ts"

/**
 * One accounting API as data: how to check that it is reachable without spending its quota, and how it throttles.
 * Undocumented facts are left out, and the generic rule applies: 429 is a throttle, Retry-After gives its duration, any other
 * answer below 500 means that the API is reachable. Each vendor's facts and their sources are in ProviderTable.
 */
export interface Provider {
  /** The value of `integration_health.provider`. */
  readonly name: string
  /** The display name. */
  readonly title: string
  /** The values of `integration_type` for this provider, in lower case, letters and digits only. */
  readonly types: ReadonlyArray<string>
  /** Its hosts; `.example.com` matches every subdomain. The first one without a leading dot is probed. */
  readonly hosts: ReadonlyArray<string>
  /**
   * The probe: one request without credentials or body. Null if the hosts differ by tenant, so that only a `health_url` can be
   * probed.
   */
  readonly probe: { readonly method: ProbeMethod; readonly path: string } | null
  /**
   * How long the API must be idle before it is probed, and the interval between two probes; in milliseconds, at least 15 minutes.
   */
  readonly probeEveryMs: number
  /** How the API signals a throttle, in addition to 429. */
  readonly throttles: ReadonlyArray<ThrottleRule>
  /** How long to wait when the response does not state the wait, in milliseconds. */
  readonly waitMs: number
  /** The quota headers of its answers. */
  readonly quotas: ReadonlyArray<QuotaHeaders>
  /** Matches the wait in the text of the answer: the first group is a number of seconds. */
  readonly waitText: RegExp | null
  /** The documented number of concurrent requests. A throttled API's limit rises step by step up to this number. */
  readonly concurrency: number | null
}

export type ProbeMethod = "HEAD" | "GET" | "OPTIONS"

/** Recognises a throttle by status and code, or by code alone if `status` is null, even in an HTTP 200 response. */
export interface ThrottleRule {
  readonly status: number | null
  readonly codes: ReadonlyArray<string>
}

/**
 * The names of quota headers, in lower case. `limit` is a header's name or the documented number; the `reset` header contains
 * seconds.
 */
export interface QuotaHeaders {
  readonly name: string
  readonly remaining: string
  readonly limit: string | number | null
  readonly reset: string | null
}

/** A response of the vendor, from a probe or as a function reports it. */
export interface VendorAnswer {
  readonly status: number
  /** Header value by lower-case name. */
  readonly headers: { readonly get: (name: string) => string | null }
  /** Error codes anywhere in the body. */
  readonly codes: ReadonlyArray<string>
  /** The body's text, for waits that are given in words. */
  readonly text: string
}

/** The remaining part of a quota. `resetMs` is null if the vendor does not say when the quota is refilled. */
export interface Quota {
  readonly name: string
  readonly remaining: number
  readonly limit: number | null
  readonly resetMs: number | null
}

/** The judgement of a response about the health of the API. */
export type Sign =
  | { readonly _tag: "Reachable"; readonly quota: Quota | null }
  | { readonly _tag: "Unreachable"; readonly code: string; readonly message: string }
  | {
      readonly _tag: "Throttled"
      readonly code: string
      readonly message: string
      /** How long to wait: from the response, or else from the provider's row in the table. */
      readonly waitMs: number
      readonly quota: Quota | null
    }

/** The longest wait, in milliseconds, that a vendor can impose on syncs. After this wait, one sync is retried. */
export const MAX_WAIT_MS = 3_600_000
/** When less than this share of a quota is left, the syncs of a host run one at a time, so that the quota lasts. */
const LOW_SHARE = 0.1

/** Judges a vendor's response. Pure and total; `now` (epoch milliseconds) is used only for dates in Retry-After. */
export const judgeVendor = (provider: Provider, answer: VendorAnswer, now: number): Sign => {
  const quota = tightest(provider, answer)
  const code = throttleCode(provider, answer)
  const isEmpty = quota !== null && quota.remaining <= 0
  if (code !== null || isEmpty) {
    const statedMs = readWait(provider, answer, now)
    const waitMs = Math.min(
      statedMs ?? (isEmpty ? quota.resetMs : null) ?? provider.waitMs,
      MAX_WAIT_MS
    )
    const by = statedMs === null ? "does not say for how long" : "says for how long"
    return {
      _tag: "Throttled",
      code: code ?? "QUOTA_USED_UP",
      message: `${provider.title} is throttling (HTTP ${answer.status}) and ${by}.`,
      waitMs: Math.max(waitMs, 1_000),
      quota
    }
  }
  if (answer.status >= 500) {
    return {
      _tag: "Unreachable",
      code: `HTTP_${answer.status}`,
      message: `${provider.title} answered with HTTP ${answer.status}.`
    }
  }
  return { _tag: "Reachable", quota }
}

/** Returns whether so little of a quota is left that syncs should run one at a time until it is refilled. */
export const isLow = (quota: Quota): boolean =>
  quota.limit !== null && quota.limit > 0 && quota.remaining / quota.limit < LOW_SHARE

const throttleCode = (provider: Provider, { status, codes }: VendorAnswer): string | null => {
  const rule = provider.throttles.find(
    (one) =>
      (one.status === null || one.status === status) &&
      one.codes.some((code) => codes.includes(code))
  )
  if (rule !== undefined) return rule.codes.find((code) => codes.includes(code)) ?? null
  return status === 429 ? "HTTP_429" : null
}

const readWait = (
  provider: Provider,
  { headers, text }: VendorAnswer,
  now: number
): number | null => {
  const header = readRetryAfter(headers.get("retry-after"), headers.get("date"), now)
  if (header !== null) return header
  const seconds = provider.waitText?.exec(text)?.[1]
  if (seconds !== undefined) return Number(seconds) * 1_000
  const resets = provider.quotas.map(({ reset }) => numberIn(headers, reset))
  const reset = resets.find((one) => one !== null)
  return reset === undefined || reset === null ? null : reset * 1_000
}

/** Returns the quota with the smallest share left or, without a known limit, with the smallest number left. */
const tightest = ({ quotas }: Provider, { headers }: VendorAnswer): Quota | null => {
  const known = quotas.flatMap((one): ReadonlyArray<Quota> => {
    const remaining = numberIn(headers, one.remaining)
    if (remaining === null) return []
    const limit = typeof one.limit === "number" ? one.limit : numberIn(headers, one.limit)
    const reset = numberIn(headers, one.reset)
    return [{ name: one.name, remaining, limit, resetMs: reset === null ? null : reset * 1_000 }]
  })
  const share = ({ limit, remaining }: Quota) => (limit === null ? remaining : remaining / limit)
  return known.toSorted((a, b) => share(a) - share(b))[0] ?? null
}

const numberIn = (headers: VendorAnswer["headers"], name: string | null): number | null => {
  const text = name === null ? null : headers.get(name)
  return text !== null && /^\d{1,15}(\.\d+)?$/.test(text.trim()) ? Number(text) : null
}

/** Keys under which vendors put a code: `code`, `errorCode`, `ErrorCode`, `o:errorCode`, ... */
const CODE_KEY = /^(?:\w+:)?(?:error_?)?code$/i
const MAX_CODES = 20
const MAX_DEPTH = 6

/** Finds error codes anywhere in a JSON body, because vendors put them in different places. */
export const codesIn = (body: unknown): ReadonlyArray<string> => {
  const codes: Array<string> = []
  let level: ReadonlyArray<unknown> = [body]
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    level = level.flatMap((value) => {
      if (typeof value !== "object" || value === null) return []
      for (const [key, inner] of Object.entries(value)) {
        const isCode = typeof inner === "string" || typeof inner === "number"
        if (isCode && CODE_KEY.test(key) && codes.length < MAX_CODES) codes.push(String(inner))
      }
      return Object.values(value)
    })
  }
  return codes
}
