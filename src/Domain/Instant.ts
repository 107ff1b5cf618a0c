import { DateTime, Option, ParseResult, Schema } from "effect"

/** As our SQL functions write it; all else goes the long way. */
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const parse = (text: string): number =>
  CANONICAL.test(text)
    ? Date.parse(text)
    : Option.match(DateTime.make(text), {
        onNone: () => Number.NaN,
        onSome: DateTime.toEpochMillis
      })

/**
 * An instant as every JSON of ours shows it (`2026-11-24T02:00:00.000Z`), held as epoch milliseconds.
 * Numbers, not dates: slots are compared and subtracted all the time, and a number cannot be mutated.
 */
export const Instant = Schema.transformOrFail(Schema.String, Schema.Int, {
  strict: true,
  decode: (text, _, ast) => {
    const ms = parse(text)
    return Number.isNaN(ms)
      ? ParseResult.fail(new ParseResult.Type(ast, text, "not an instant"))
      : ParseResult.succeed(ms)
  },
  encode: (ms) => ParseResult.succeed(format(ms))
}).annotations({ identifier: "Instant" })

/** `2026-11-24T02:00:00.000Z`: UTC, always with three digits of milliseconds. `ms` must be a valid instant. */
export const format = (ms: number): string => new Date(ms).toISOString()
