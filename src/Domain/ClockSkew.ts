/** How far this machine's clock is ahead of the database's, and the maximum error of the measurement, in milliseconds. */
export interface ClockSkew {
  readonly ms: number
  readonly plusMinusMs: number
}

/** The maximum skew that does not open an incident, in milliseconds. */
const ALERT_MS = 5_000

/** Measures the skew from one call without retries. The error is at most half the round trip (RFC 5905, section 4). */
export const measureSkew = (
  askedAt: number,
  answeredAt: number,
  databaseNow: number
): ClockSkew => {
  const plusMinusMs = (answeredAt - askedAt) / 2
  return { ms: askedAt + plusMinusMs - databaseNow, plusMinusMs }
}

/** `unknown` means that the measurement error is too large to decide. */
export const judgeSkew = ({ ms, plusMinusMs }: ClockSkew): "apart" | "together" | "unknown" => {
  if (Math.abs(ms) - plusMinusMs > ALERT_MS) return "apart"
  return Math.abs(ms) + plusMinusMs <= ALERT_MS ? "together" : "unknown"
}

/**
 * Returns how many milliseconds to subtract from this machine's time to get the database's time. Returns 0 if the clocks might
 * agree.
 */
export const correctionOf = ({ ms, plusMinusMs }: ClockSkew): number =>
  Math.abs(ms) > plusMinusMs ? ms : 0
