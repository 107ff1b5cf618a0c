/** How far this machine's clock is ahead of the database's, and the maximum measurement error, in milliseconds. */
export interface ClockSkew {
  readonly ms: number
  readonly plusMinusMs: number
}

/** The maximum skew that does not open an incident. A larger skew makes deadlines, log times and alert times wrong. */
const ALERT_MS = 5_000

/**
 * Measures the skew from one successful call. The database reads its clock between `askedAt` and `answeredAt`, so the error is at
 * most half the time between these two instants. Retries would lengthen the round trip and hide a small skew.
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
 * Decides whether the clocks agree. `apart` and `together` are certain; `unknown` means that the measurement error is too large to
 * decide.
 */
export const judgeSkew = ({ ms, plusMinusMs }: ClockSkew): "apart" | "together" | "unknown" => {
  if (Math.abs(ms) - plusMinusMs > ALERT_MS) return "apart"
  return Math.abs(ms) + plusMinusMs <= ALERT_MS ? "together" : "unknown"
}

/** Returns the milliseconds to subtract from this machine's clock to get the database's time; 0 if they might agree. */
export const correctionOf = ({ ms, plusMinusMs }: ClockSkew): number =>
  Math.abs(ms) > plusMinusMs ? ms : 0
