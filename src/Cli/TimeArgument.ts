import { DateTime, Effect, Either, Option } from "effect"
import * as Duration from "../Domain/Duration.ts"
import { dayOf, firstInstant, readingAt, wallClock } from "../Domain/Schedule/WallClock.ts"
import type { Arguments } from "./Command.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { instantFlag } from "./Values.ts"

/**
 * Returns the time zone from `--utc` or `--tz`. Without these flags, returns the zone from TZ or the machine. *Fails with* a
 * usage error for an unknown zone.
 */
export const zoneFlag = (
  given: Pick<Arguments, "value" | "has">
): Effect.Effect<string, CommandError> => {
  const wanted = given.value("tz")
  if (wanted === undefined) {
    const own = given.has("utc") ? "UTC" : new Intl.DateTimeFormat().resolvedOptions().timeZone
    return Effect.succeed(/^(?:etc\/)?utc$/i.test(own) ? "UTC" : own)
  }
  if (given.has("utc")) {
    return Effect.fail(usageError("--tz and --utc both name a zone", "Omit one of them."))
  }
  return Option.match(wallClock(wanted), {
    onNone: () =>
      Effect.fail(
        usageError(`--tz is "${wanted}": there is no such zone`, "Use a zone such as Europe/Oslo.")
      ),
    onSome: ({ timezone }) => Effect.succeed(timezone)
  })
}

const DATE = /^\d{4}-\d{2}-\d{2}$/
const DAY_MS = 86_400_000

/** Matches `2026-11-20 02:00 Europe/Oslo`. */
const LOCAL = /^(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2}(?::\d{2})?))? ([a-z][a-z0-9_+/-]*)$/i

/**
 * Returns the point in time that the flag specifies, in epoch milliseconds, or undefined if the flag is not given. Accepts an
 * instant with its zone, a date, `now`, `today`, `yesterday`, or an age such as `7d`. A date means the start of that day in
 * `timezone`.
 */
export const momentFlag = (
  given: Pick<Arguments, "value">,
  flag: string,
  now: number,
  timezone = "UTC"
): Effect.Effect<number | undefined, CommandError> => {
  const text = given.value(flag)?.trim().toLowerCase()
  if (text === undefined) return Effect.succeed(undefined)
  const clock = Option.getOrElse(wallClock(timezone), () => UTC)
  if (text === "now") return Effect.succeed(now)
  if (text === "today") return Effect.succeed(dayOf(clock, now).from)
  if (text === "yesterday") return Effect.succeed(dayOf(clock, now, 1).from)
  const ago = Duration.parse(text)
  if (Either.isRight(ago)) return Effect.succeed(now - ago.right)
  const local = localInstant(given.value(flag)?.trim() ?? "")
  if (local !== undefined) return Effect.succeed(local)
  if (!DATE.test(text)) {
    return Effect.mapError(instantFlag(given, flag), () =>
      usageError(
        `--${flag} is "${given.value(flag)}": this is not a point in time`,
        `Use --${flag} 2026-11-24, 2026-11-24T01:00:00+01:00, "2026-11-24 01:00 Europe/Oslo", yesterday, or 7d for seven days ago.`
      )
    )
  }
  const day = localInstant(`${text} ${clock.timezone}`)
  return day !== undefined
    ? Effect.succeed(day)
    : Effect.fail(
        usageError(
          `--${flag} is "${text}": there is no such date`,
          `For example: --${flag} 2026-11-24`
        )
      )
}

/**
 * Returns the instant of a local time, or undefined for any other text. A time in a clock-change gap becomes the first instant
 * after the gap.
 */
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

/** Returns a duration in milliseconds, or undefined if the flag is not given. */
export const spanFlag = (
  given: Pick<Arguments, "value">,
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
 * Returns the window that `--on`, or `--from` and `--to`, specify. The default is the last 24 hours. `to` is exclusive. `--on`
 * accepts a day in `timezone`, or `last night`, which means 18:00 yesterday to 12:00 today.
 */
export const windowOn = (
  given: Pick<Arguments, "value" | "has">,
  timezone: string,
  now: number
): Effect.Effect<{ readonly from: number; readonly to: number }, CommandError> =>
  Effect.gen(function* () {
    const on = given.value("on")?.trim().toLowerCase()
    if (on === undefined) {
      const to = (yield* momentFlag(given, "to", now)) ?? now + 1
      const from = (yield* momentFlag(given, "from", now)) ?? to - DAY_MS
      if (from < to) return { from, to }
      return yield* Effect.fail(usageError("--from is not before --to", "Use an earlier --from."))
    }
    if (given.has("from") || given.has("to")) {
      return yield* Effect.fail(
        usageError("--on already covers a whole day", "Omit --from and --to.")
      )
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
        `--on is "${given.value("on")}": this is not a day`,
        'Write yesterday, today, "last night", or a date such as 2026-11-19.'
      )
    )
  })

const UTC = Option.getOrThrow(wallClock("UTC"))
