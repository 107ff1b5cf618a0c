import { DateTime, Effect, Either, Option } from "effect"
import * as Duration from "../Domain/Duration.ts"
import { dayOf, firstInstant, readingAt, wallClock } from "../Domain/WallClock.ts"
import type { Arguments } from "./Command.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { instantFlag } from "./Values.ts"

const DATE = /^\d{4}-\d{2}-\d{2}$/
const DAY_MS = 86_400_000

/** `2026-11-20 02:00 Europe/Oslo`: a local time and the zone that it is of. */
const LOCAL = /^(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2}(?::\d{2})?))? ([a-z][a-z0-9_+/-]*)$/i

/**
 * A flag's point in time, in epoch milliseconds: an instant with its zone, also as `2026-11-20 02:00 Europe/Oslo`, a date
 * (its beginning, UTC), `now`, `today`, `yesterday`, or how long ago (`36h`, `7d`). Undefined when the flag is not given.
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
  const local = localInstant(given.value(flag)?.trim() ?? "")
  if (local !== undefined) return Effect.succeed(local)
  if (!DATE.test(text)) {
    return Effect.mapError(instantFlag(given, flag), () =>
      usageError(
        `--${flag} is "${given.value(flag)}": it is not a point in time`,
        `Write --${flag} 2026-11-24, 2026-11-24T01:00:00+01:00, "2026-11-24 01:00 Europe/Oslo", yesterday, or 7d for seven days ago.`
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

/** A time on the clock of a zone; in a gap of that clock the first instant after it. Undefined when it is none. */
export const localInstant = (text: string): number | undefined => {
  const [, date = "", time = "00:00", zone = ""] = LOCAL.exec(text) ?? []
  const reading = Option.filter(
    DateTime.make(`${date}T${time}Z`),
    (at) => DateTime.formatIsoDateUtc(at) === date
  )
  return Option.getOrUndefined(
    Option.zipWith(wallClock(zone), reading, (clock, at) =>
      firstInstant(clock, DateTime.toEpochMillis(at))
    )
  )
}

/** A flag's span of time in milliseconds, such as `90s`; undefined when the flag is not given. */
export const spanFlag = (
  given: Arguments,
  flag: string
): Effect.Effect<number | undefined, CommandError> => {
  const text = given.value(flag)
  if (text === undefined) return Effect.succeed(undefined)
  return Either.match(Duration.parse(text), {
    onLeft: ({ fix, why }) => Effect.fail(usageError(`--${flag} is "${text}": ${why}`, fix)),
    onRight: (ms) => Effect.succeed(ms)
  })
}

const NIGHT = { from: -6 * 3_600_000, to: 12 * 3_600_000 }

/**
 * The time that `--on` or `--from` and `--to` ask about, `to` exclusive: a day on the clock of the integration's own zone
 * (`yesterday`, `today`, a date), `last night` (18:00 yesterday to 12:00 today), or the last 24 hours.
 */
export const windowOn = (
  given: Arguments,
  timezone: string,
  now: number
): Effect.Effect<{ readonly from: number; readonly to: number }, CommandError> =>
  Effect.gen(function* () {
    const on = given.value("on")?.trim().toLowerCase()
    if (on === undefined) {
      const to = (yield* momentFlag(given, "to", now)) ?? now + 1
      const from = (yield* momentFlag(given, "from", now)) ?? to - DAY_MS
      if (from < to) return { from, to }
      return yield* Effect.fail(usageError("--from is not before --to", "Write an earlier --from."))
    }
    if (given.has("from") || given.has("to")) {
      return yield* Effect.fail(usageError("--on names a whole day", "Leave out --from and --to."))
    }
    const clock = Option.getOrElse(wallClock(timezone), () => UTC)
    if (on === "today" || on === "yesterday") return dayOf(clock, now, on === "today" ? 0 : 1)
    if (on === "last night") {
      const midnight = Math.floor(readingAt(clock, now) / DAY_MS) * DAY_MS
      return {
        from: firstInstant(clock, midnight + NIGHT.from),
        to: firstInstant(clock, midnight + NIGHT.to)
      }
    }
    const day = DATE.test(on) ? localInstant(`${on} ${clock.timezone}`) : undefined
    if (day !== undefined) return dayOf(clock, day)
    return yield* Effect.fail(
      usageError(
        `--on is "${given.value("on")}": it is no day`,
        'Write yesterday, today, "last night", or a date such as 2026-11-19.'
      )
    )
  })

const UTC = Option.getOrThrow(wallClock("UTC"))
