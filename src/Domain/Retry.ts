export interface RetryTiming {
  /** The number of attempts made so far, at least 1. */
  readonly attempt: number
  /** The wait that the response requested, or null. */
  readonly retryAfterMs: number | null
  /** A random number from 0 to 1. */
  readonly random: number
  readonly baseMs: number
  readonly capMs: number
}

/**
 * Returns the wait before the next attempt, in whole milliseconds from 0 to `capMs`.
 *
 * Full jitter: the wait is random between 0 and a limit, so that runs that failed together are not retried together. The limit
 * starts at `baseMs` and doubles with each attempt. If the response requests a wait, the random wait is added to the
 * requested wait, which is raised to 1 s if it is shorter.
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
 * Parses a Retry-After header as milliseconds from now; null if absent or invalid. Accepts seconds, or an HTTP-date in any of its
 * three forms. Measures a date from the `Date` header, if present, because both come from the server's clock.
 * *Source*: RFC 9110 sections 5.6.7 and 10.2.3.
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

/** Checks the format, because `Date.parse` accepts almost any text. Adds GMT to an asctime date, which is in UTC. */
const readHttpDate = (text: string): number | null => {
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(text)) return null
  const ms = Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`)
  return Number.isNaN(ms) ? null : ms
}

const clamp = (value: number, least: number, most: number): number =>
  Math.max(least, Math.min(value, most))
