/** What the time of the next attempt depends on. Spans in milliseconds. */
export interface RetryTiming {
  /** Attempts made so far, from 1. */
  readonly attempt: number
  /** What the answer asked for (`Outcome.retryAfterMs`), null when it did not. */
  readonly retryAfterMs: number | null
  /** From 0 to 1; the caller draws it. */
  readonly random: number
  readonly baseMs: number
  readonly capMs: number
}

/**
 * How long to wait before the next attempt, in whole milliseconds from 0 to `capMs`.
 *
 * Full jitter: anywhere between nothing and `baseMs` doubled per attempt, so that runs that failed together do not come
 * back together. A Retry-After (from 1 s to the cap) is waited out first, and the jitter added to it for the same reason.
 * *Source*: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export const retryDelay = ({
  attempt,
  retryAfterMs,
  random,
  baseMs,
  capMs
}: RetryTiming): number => {
  const doublings = clamp(attempt - 1, 0, 52)
  const jitterMs = clamp(random, 0, 1) * Math.min(capMs, baseMs * 2 ** doublings)
  const leastMs = retryAfterMs === null ? 0 : Math.max(retryAfterMs, 1_000)
  return Math.floor(clamp(leastMs + jitterMs, 0, capMs))
}

/**
 * Reads a Retry-After header as milliseconds from now, null when there is none that can be read. Seconds, or an
 * HTTP-date in any of its three forms, measured from the answer's own `Date` header where it has one: the two clocks are
 * then the same. *Source*: RFC 9110 sections 5.6.7 and 10.2.3.
 */
export const readRetryAfter = (
  header: string | null,
  date: string | null,
  now: number
): number | null => {
  if (header === null) return null
  const text = header.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(Number(text) * 1_000, Number.MAX_SAFE_INTEGER)
  const until = readHttpDate(text)
  if (until === null) return null
  const from = date === null ? null : readHttpDate(date.trim())
  return Math.max(0, until - (from ?? now))
}

/** `Date.parse` alone takes almost anything, and an asctime date for local time. */
const readHttpDate = (text: string): number | null => {
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(text)) return null
  const ms = Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`)
  return Number.isNaN(ms) ? null : ms
}

const clamp = (value: number, least: number, most: number): number =>
  Math.max(least, Math.min(value, most))
