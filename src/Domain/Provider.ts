import { readRetryAfter } from "./Retry.ts"

/**
 * One accounting API as data: how to see whether it can be reached without spending its quota, and how it says "slower".
 * What a vendor does not document is left out, and then the generic rule holds: 429 is a throttle, Retry-After says for how
 * long, any other answer below 500 is an API that can be reached. A vendor's facts and their sources stand in Domain/Providers.
 */
export interface Provider {
  /** As `integration_health.provider` has it. */
  readonly name: string
  /** As people call it. */
  readonly title: string
  /** Values of `integration_type` that mean it, in lower case without anything but letters and digits. */
  readonly types: ReadonlyArray<string>
  /** Hosts of it; `.example.com` stands for every host below. The first one without a dot in front is where it is probed. */
  readonly hosts: ReadonlyArray<string>
  /** One request without credentials and without a body. Null: its hosts differ by tenant, so only a `health_url` can be probed. */
  readonly probe: { readonly method: ProbeMethod; readonly path: string } | null
  /** How long it is silent before it is probed, and how long between two probes; 15 minutes at least, in milliseconds. */
  readonly probeEveryMs: number
  /** Ways in which it says that it throttles, besides 429. */
  readonly throttles: ReadonlyArray<ThrottleRule>
  /** How long to leave it alone when it does not say, in milliseconds. */
  readonly waitMs: number
  /** What its answers say about the quota, in headers. */
  readonly quotas: ReadonlyArray<QuotaHeaders>
  /** The wait in the text of the answer: the first group is a number of seconds. */
  readonly waitText: RegExp | null
  /** How many requests it works on at once, as documented; up to there a throttled API is brought back step by step. */
  readonly concurrency: number | null
}

export type ProbeMethod = "HEAD" | "GET" | "OPTIONS"

/** A throttle by status and code, or by code alone (`status` null), also inside HTTP 200. */
export interface ThrottleRule {
  readonly status: number | null
  readonly codes: ReadonlyArray<string>
}

/** Names of headers, lower case. `limit` is a header, or the documented number; `reset` counts seconds. */
export interface QuotaHeaders {
  readonly name: string
  readonly remaining: string
  readonly limit: string | number | null
  readonly reset: string | null
}

/** An answer of the vendor, as a probe got it or as a function reports it. */
export interface VendorAnswer {
  readonly status: number
  /** Header value by lower-case name. */
  readonly headers: { readonly get: (name: string) => string | null }
  /** Error codes in the body, wherever they stood. */
  readonly codes: ReadonlyArray<string>
  /** The body's text, for waits that are told in words. */
  readonly text: string
}

/** What is left of a quota. `resetMs` null: the vendor does not say when there will be more. */
export interface Quota {
  readonly name: string
  readonly remaining: number
  readonly limit: number | null
  readonly resetMs: number | null
}

/** What an answer says about the health of the API. */
export type Sign =
  | { readonly _tag: "Reachable"; readonly quota: Quota | null }
  | { readonly _tag: "Unreachable"; readonly code: string; readonly message: string }
  | {
      readonly _tag: "Throttled"
      readonly code: string
      readonly message: string
      /** How long to leave it alone; as the vendor says, else as its row in the table says. */
      readonly waitMs: number
      readonly quota: Quota | null
    }

/** No vendor's answer keeps real syncs waiting longer than this; then one of them asks again. */
export const MAX_WAIT_MS = 3_600_000
/** Below this share of a quota the syncs of a host go one at a time, so that it lasts. */
const LOW_SHARE = 0.1

/** Judges an answer of the vendor. Pure and total; `now` (epoch milliseconds) is used for dates in Retry-After only. */
export const judgeVendor = (provider: Provider, answer: VendorAnswer, now: number): Sign => {
  const quota = tightest(provider, answer)
  const code = throttleCode(provider, answer)
  const isEmpty = quota !== null && quota.remaining <= 0
  if (code !== null || isEmpty) {
    const told = readWait(provider, answer, now)
    const waitMs = Math.min(
      told ?? (isEmpty ? quota.resetMs : null) ?? provider.waitMs,
      MAX_WAIT_MS
    )
    const by = told === null ? "it does not say for how long" : "for as long as it says"
    return {
      _tag: "Throttled",
      code: code ?? "QUOTA_USED_UP",
      message: `${provider.title} throttles (HTTP ${answer.status}), ${by}.`,
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

/** Whether so little of a quota is left that syncs should go one at a time until it is filled again. */
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

/** The quota of which the smallest share is left; where no limit is known, the one with the least left. */
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

/** Error codes in a JSON body, wherever they stand: vendors put them in very different places. */
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
