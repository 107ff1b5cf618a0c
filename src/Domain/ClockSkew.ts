/** How far this machine's clock is ahead of the database's, and the maximum error of that measurement, in milliseconds. */
export interface ClockSkew {
  readonly ms: number
  readonly plusMinusMs: number
}

/** The largest skew that is not an incident. With a larger skew, deadlines and the timestamps of logs and alerts are wrong. */
const ALERT_MS = 5_000

/**
 * Measures the skew with one successful call. The database read its clock between the two instants, so half of their distance
 * bounds the error. Retries in between would lengthen the measured round trip and hide any shorter skew.
 *
 * *Source*: RFC 5905, section 4: the offset is known to within half of the delay.
 */
export const measureSkew = (
  askedAt: number,
  answeredAt: number,
  databaseNow: number
): ClockSkew => {
  const plusMinusMs = (answeredAt - askedAt) / 2
  return { ms: askedAt + plusMinusMs - databaseNow, plusMinusMs }
}

/** Judges whether the clocks agree. `apart` and `together` are proven; `unknown` means that the call was too slow to tell. */
export const judgeSkew = ({ ms, plusMinusMs }: ClockSkew): "apart" | "together" | "unknown" => {
  if (Math.abs(ms) - plusMinusMs > ALERT_MS) return "apart"
  return Math.abs(ms) + plusMinusMs <= ALERT_MS ? "together" : "unknown"
}

/** Returns the correction from this machine's clock to the database's clock; 0 while the clocks may agree. */
export const correctionOf = ({ ms, plusMinusMs }: ClockSkew): number =>
  Math.abs(ms) > plusMinusMs ? ms : 0
