import { DateTime, Effect, Either, Option } from "effect"
import * as Duration from "../Domain/Duration.ts"
import type { Arguments } from "./Command.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { instantFlag } from "./Values.ts"

const DATE = /^\d{4}-\d{2}-\d{2}$/
const DAY_MS = 86_400_000

/**
 * A flag's point in time, in epoch milliseconds: an instant with its zone, a date (its beginning, UTC), `now`, `today`,
 * `yesterday`, or how long ago (`36h`, `7d`). Undefined when the flag is not given.
 */
export const momentFlag = (
  given: Arguments,
  flag: string,
  now: number
): Effect.Effect<number | undefined, CommandError> => {
  const text = given.value(flag)?.trim().toLowerCase()
  if (text === undefined) return Effect.succeed(undefined)
  if (text === "now") return Effect.succeed(now)
  if (text === "today") return Effect.succeed(now - (now % DAY_MS))
  if (text === "yesterday") return Effect.succeed(now - (now % DAY_MS) - DAY_MS)
  const ago = Duration.parse(text)
  if (Either.isRight(ago)) return Effect.succeed(now - ago.right)
  if (!DATE.test(text)) {
    return Effect.mapError(instantFlag(given, flag), () =>
      usageError(
        `--${flag} is "${given.value(flag)}": it is not a point in time`,
        `Write --${flag} 2026-11-24, 2026-11-24T01:00:00+01:00, yesterday, or 7d for seven days ago.`
      )
    )
  }
  const day = DateTime.make(text)
  return Option.isSome(day) && DateTime.formatIsoDateUtc(day.value) === text
    ? Effect.succeed(DateTime.toEpochMillis(day.value))
    : Effect.fail(
        usageError(`--${flag} is "${text}": there is no such date`, "Write year-month-day.")
      )
}
