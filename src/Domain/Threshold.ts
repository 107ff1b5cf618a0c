import { Either } from "effect"
import { type Fault, parse as parseDuration } from "./Duration.ts"

/** From when on something is a warning, and from when on it is critical; null: never. */
export interface Threshold {
  readonly warning: number | null
  readonly critical: number | null
}

/** Nagios' words for how something stands, the worst last; their places are the exit codes. */
export const LEVELS = ["OK", "WARNING", "CRITICAL"] as const
export type Level = (typeof LEVELS)[number]

/** `<critical>`, or `<warning>,<critical>`; a part may be left empty. How a part is read, the caller says. */
const parse =
  (read: (text: string) => Either.Either<number, Fault>) =>
  (text: string): Either.Either<Threshold, Fault> =>
    Either.gen(function* () {
      const parts = text.split(",").map((part) => part.trim())
      const [first = "", second] = parts
      if (parts.length > 2 || parts.every((part) => part === "")) {
        return yield* Either.left({
          why: "it is not one threshold or two",
          fix: "Write the critical one, or <warning>,<critical>."
        })
      }
      const of = (part: string) => (part === "" ? Either.right(null) : read(part))
      const warning = second === undefined ? null : yield* of(first)
      const critical = yield* of(second ?? first)
      return warning !== null && critical !== null && warning > critical
        ? yield* Either.left({
            why: "the warning comes after the critical one",
            fix: "Write the smaller one first."
          })
        : { warning, critical }
    })

/** Spans of time in milliseconds: `5m,10m`, `10m`, `5m,`. */
export const spans: (text: string) => Either.Either<Threshold, Fault> = parse(parseDuration)

/** Counts: `1,5`, `5`, `1,`. */
export const counts: (text: string) => Either.Either<Threshold, Fault> = parse((text) =>
  /^\d{1,9}$/.test(text)
    ? Either.right(Number(text))
    : Either.left({ why: `"${text}" is not a whole number`, fix: "Write for example 1,5." })
)

/** How a value stands: at its threshold it has reached it. */
export const judge = (value: number, { critical, warning }: Threshold): Level => {
  if (critical !== null && value >= critical) return "CRITICAL"
  return warning !== null && value >= warning ? "WARNING" : "OK"
}

/** The worst of all. */
export const worst = (levels: ReadonlyArray<Level>): Level =>
  levels.reduce((a, b) => (LEVELS.indexOf(b) > LEVELS.indexOf(a) ? b : a), "OK")
