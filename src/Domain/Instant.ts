import { DateTime, Schema } from "effect"

/**
 * An instant as every JSON of ours shows it (`2026-11-24T02:00:00.000Z`), held as epoch milliseconds.
 * Numbers, not dates: slots are compared and subtracted all the time, and a number cannot be mutated.
 */
export const Instant = Schema.transform(Schema.DateTimeUtc, Schema.Int, {
  strict: true,
  decode: (at) => at.epochMillis,
  encode: (ms) => DateTime.unsafeMake(ms)
}).annotations({ identifier: "Instant" })

/** `2026-11-24T02:00:00.000Z`: UTC, always with three digits of milliseconds. `ms` must be a valid instant. */
export const format = (ms: number): string => DateTime.formatIso(DateTime.unsafeMake(ms))
