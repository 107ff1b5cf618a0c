import { readRetryAfter } from "../Retry.ts"

/**
 * Describes how to probe an accounting API and how the API signals throttling. Unless documented otherwise, 429 signals
 * throttling, Retry-After states the wait, and any other status below 500 means that the API is reachable.
 */
export interface Provider {
  /** Stored in `integration_health.provider`. */
  readonly name: string
  readonly title: string
  /** The values of `integration_type` for this provider, written in lower case without punctuation. */
  readonly types: ReadonlyArray<string>
  /** The hosts of the API. `.example.com` matches every subdomain. The first host without a leading dot is probed. */
  readonly hosts: ReadonlyArray<string>
  /**
   * The probe request, which has no credentials and no body. Null if each tenant has its own host. Only a `health_url` can then
   * be probed.
   */
  readonly probe: { readonly method: ProbeMethod; readonly path: string } | null
  /** The idle time before a probe and the interval between probes, in milliseconds. At least 15 minutes. */
  readonly probeEveryMs: number
  /** How the API signals throttling, in addition to 429. */
  readonly throttles: ReadonlyArray<ThrottleRule>
  /** How long to wait, in milliseconds, if the response does not say. */
  readonly waitMs: number
  readonly quotas: ReadonlyArray<QuotaHeaders>
  /** Matches the wait in a response's text. The first capture group is the number of seconds. */
  readonly waitText: RegExp | null
  /**
   * The documented maximum number of concurrent requests. After throttling, the limit on concurrent runs rises in steps up to
   * this number.
   */
  readonly concurrency: number | null
}

export type ProbeMethod = "HEAD" | "GET" | "OPTIONS"

/** A response that signals throttling. A null `status` matches every status, even 200. */
export interface ThrottleRule {
  readonly status: number | null
  readonly codes: ReadonlyArray<string>
}

/**
 * The names of quota headers, in lower case. `limit` is a header name or the documented limit. The `reset` header contains
 * seconds.
 */
export interface QuotaHeaders {
  readonly name: string
  readonly remaining: string
  readonly limit: string | number | null
  readonly reset: string | null
}

/** A response from the vendor, either to a probe or as reported by a function. */
export interface VendorAnswer {
  readonly status: number
  /** Looks up a header by its lower-case name. */
  readonly headers: { readonly get: (name: string) => string | null }
  /** The error codes found anywhere in the body. */
  readonly codes: ReadonlyArray<string>
  /** The body's text, which can state the wait in words. */
  readonly text: string
}

/** What is left of a quota. `resetMs` is null if unknown. */
export interface Quota {
  readonly name: string
  readonly remaining: number
  readonly limit: number | null
  readonly resetMs: number | null
}

export type Sign =
  | { readonly _tag: "Reachable"; readonly quota: Quota | null }
  | { readonly _tag: "Unreachable"; readonly code: string; readonly message: string }
  | {
      readonly _tag: "Throttled"
      readonly code: string
      readonly message: string
      /** The wait that the response states, or else the wait from ProviderTable. */
      readonly waitMs: number
      readonly quota: Quota | null
    }

/** The maximum wait that a vendor can impose on syncs, in milliseconds. */
export const MAX_WAIT_MS = 3_600_000
/** Below this share of a quota, the host's syncs run one at a time, so that the quota lasts longer. */
const LOW_SHARE = 0.1

/** Classifies a vendor's response. Pure and total; `now` (epoch milliseconds) is used only for dates in Retry-After. */
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
      message: `${provider.title} responded with HTTP ${answer.status}.`
    }
  }
  return { _tag: "Reachable", quota }
}

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

/** Returns the quota with the smallest remaining share. For a quota without a known limit, compares the remaining amount. */
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

/** Keys that vendors use for error codes: `code`, `errorCode`, `ErrorCode`, `o:errorCode`, ... */
const CODE_KEY = /^(?:\w+:)?(?:error_?)?code$/i
const MAX_CODES = 20
const MAX_DEPTH = 6

/** Finds error codes anywhere in a JSON body, because each vendor puts them in a different field. */
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
