import { Either } from "effect"
import { type DurationProblem, parse as parseDuration } from "./Duration.ts"

/** The values at which WARNING and CRITICAL begin; null for a level that is never reached. */
export interface Threshold {
  readonly warning: number | null
  readonly critical: number | null
}

/** Nagios levels, worst last. UNKNOWN is worse than WARNING, because an unknown state could be critical. */
export const LEVELS = ["OK", "WARNING", "UNKNOWN", "CRITICAL"] as const
export type Level = (typeof LEVELS)[number]

/** Parses `<critical>` or `<warning>,<critical>`. Either part can be empty. */
const parse =
  (read: (text: string) => Either.Either<number, DurationProblem>) =>
  (text: string): Either.Either<Threshold, DurationProblem> =>
    Either.gen(function* () {
      const parts = text.split(",").map((part) => part.trim())
      const [first = "", second] = parts
      if (parts.length > 2 || parts.every((part) => part === "")) {
        return yield* Either.left({
          why: "it must be one or two thresholds",
          fix: "Write <critical>, or <warning>,<critical>."
        })
      }
      const of = (part: string) => (part === "" ? Either.right(null) : read(part))
      const warning = second === undefined ? null : yield* of(first)
      const critical = yield* of(second ?? first)
      return warning !== null && critical !== null && warning > critical
        ? yield* Either.left({
            why: "the warning threshold is above the critical one",
            fix: "Write the smaller threshold first."
          })
        : { warning, critical }
    })

/** Parses duration thresholds into milliseconds: `5m,10m`, `10m`, `5m,`. */
export const spans: (text: string) => Either.Either<Threshold, DurationProblem> =
  parse(parseDuration)

export const counts: (text: string) => Either.Either<Threshold, DurationProblem> = parse((text) =>
  /^\d{1,9}$/.test(text)
    ? Either.right(Number(text))
    : Either.left({
        why: `"${text}" is not a whole number`,
        fix: "Write a number such as 5, or two such as 1,5."
      })
)

export const levelOf = (value: number, { critical, warning }: Threshold): Level => {
  if (critical !== null && value >= critical) return "CRITICAL"
  return warning !== null && value >= warning ? "WARNING" : "OK"
}

export const worst = (levels: ReadonlyArray<Level>): Level =>
  levels.reduce((a, b) => (LEVELS.indexOf(b) > LEVELS.indexOf(a) ? b : a), "OK")
