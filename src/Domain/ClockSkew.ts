/** How far this machine's clock is ahead of the database's, and the maximum error of that measurement, in milliseconds. */
export interface ClockSkew {
  readonly ms: number
  readonly plusMinusMs: number
}

/** The largest skew that does not open an incident. A larger skew makes deadlines and the timestamps of logs and alerts wrong. */
const ALERT_MS = 5_000

/**
 * Measures the skew with one successful call. The database read its clock between `askedAt` and `answeredAt`, so the error is at
 * most half the time between these two instants. Retries would lengthen the measured round trip and hide a skew that is shorter
 * than the round trip.
 *
 * *Source*: RFC 5905, section 4: the error of the offset is at most half the round-trip delay.
 */
export const measureSkew = (
  askedAt: number,
  answeredAt: number,
  databaseNow: number
): ClockSkew => {
  const plusMinusMs = (answeredAt - askedAt) / 2
  return { ms: askedAt + plusMinusMs - databaseNow, plusMinusMs }
}

/**
 * Judges whether the clocks agree. The answers `apart` and `together` are proven. `unknown` means that the call took too long to
 * prove either.
 */
export const judgeSkew = ({ ms, plusMinusMs }: ClockSkew): "apart" | "together" | "unknown" => {
  if (Math.abs(ms) - plusMinusMs > ALERT_MS) return "apart"
  return Math.abs(ms) + plusMinusMs <= ALERT_MS ? "together" : "unknown"
}

/**
 * Returns the milliseconds to subtract from this machine's clock to get the time of the database's clock; 0 while the clocks may
 * agree.
 */
export const correctionOf = ({ ms, plusMinusMs }: ClockSkew): number =>
  Math.abs(ms) > plusMinusMs ? ms : 0
