import { DateTime, Option, ParseResult, Schema } from "effect"

/** The format that the scheduler's SQL functions return. Other formats take a slower path. */
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const parse = (text: string): number =>
  CANONICAL.test(text)
    ? Date.parse(text)
    : Option.match(DateTime.make(text), {
        onNone: () => Number.NaN,
        onSome: DateTime.toEpochMillis
      })

/** An instant: a string in JSON (`2026-11-24T02:00:00.000Z`) and epoch milliseconds in memory. A Date would be mutable. */
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

/** Formats an instant as `2026-11-24T02:00:00.000Z`. Throws if `ms` is not a valid instant. */
export const format = (ms: number): string => new Date(ms).toISOString()
