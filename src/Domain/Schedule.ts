import { CronPattern } from "croner"
import { Either, Option } from "effect"
import type { Calendar } from "./Calendar.ts"
import { fromSets } from "./Calendar.ts"
import type { ClockChange } from "./ClockChange.ts"
import { changesOf } from "./ClockChange.ts"
import type { Fault } from "./CronExpression.ts"
import { explain, isIntervalLike, MAX_LENGTH, splitFields } from "./CronExpression.ts"
import { ScheduleError } from "./Errors.ts"
import type { Timetable } from "./Timetable.ts"
import { countSlots, firstSlot, latestSlot } from "./Timetable.ts"
import { readingAt, showDate, showOffset, showTime, wallClock } from "./WallClock.ts"

/**
 * When an integration is due: a cron expression read on the wall clock of one time zone. Its
 * *slots* are UTC instants in epoch milliseconds, on whole seconds.
 *
 * **The daylight-saving rule.**
 * - A fixed time that does not exist because the clock was put forward runs at the first valid
 *   instant after the gap. A fixed time that occurs twice because the clock was put back runs once,
 *   the first time.
 * - An interval-like schedule (a wildcard `*` or a step `/` in the minute or hour field, so also
 *   `@hourly`) matches the local clock literally at every real instant: in both passes of a
 *   repeated hour, and nothing extra for a gap.
 * - Slots that fall together count once. Slots strictly increase in UTC.
 *
 * **Days.** When day of month and weekday are both given, either matches. Given means anything but a
 * bare `*`: `0 0 *\/2 * MON` is every odd day and every Monday. `L` is the last day of the month, `LW`
 * its last Monday to Friday, `15W` the one nearest to the 15th within the month, `MON#2` the second
 * Monday, `5L` the last Friday. Weekdays count from 0 (or 7) = Sunday.
 *
 * *Source*: croner 11 decides what an expression means; the zone data are the runtime's.
 */
export interface Schedule extends Timetable {
  readonly expression: string
  readonly timezone: string
}

/** The slots inside a period: how many, the first and the latest (both none when there are none). */
export interface SlotSummary {
  readonly count: number
  readonly first: Option.Option<number>
  readonly latest: Option.Option<number>
}

/** Every weekday falls on every date, 29 February included, within this time, also around 2100. */
const HORIZON = 41 * 366 * 86_400_000
/** Whether any date ever matches is asked from here on. */
const REFERENCE = Date.UTC(2024, 0, 1)
const EARLIEST = Date.UTC(1900, 0, 1)
const LATEST = Date.UTC(9000, 0, 1)
const MAX_PARSED = 1000

const parsed = new Map<string, Schedule>()

const readCalendar = (fields: ReadonlyArray<string>): Either.Either<Calendar, Fault> =>
  Either.try({
    try: () => fromSets(new CronPattern(fields.join(" "), undefined, { mode: "6-part" })),
    catch: (cause) => explain(fields, cause instanceof Error ? cause.message : String(cause))
  })

const compile = (expression: string, timezone: string): Either.Either<Schedule, ScheduleError> => {
  const refuse =
    (reason: ScheduleError["reason"]) =>
    ({ detail, hint }: Fault): ScheduleError =>
      new ScheduleError({
        reason,
        expression: expression.slice(0, MAX_LENGTH),
        timezone: timezone.slice(0, MAX_LENGTH),
        detail,
        hint
      })
  return Either.gen(function* () {
    const fields = yield* Either.mapLeft(splitFields(expression), refuse("Expression"))
    const calendar = yield* Either.mapLeft(readCalendar(fields), refuse("Expression"))
    const clock = yield* Either.fromOption(wallClock(timezone), () =>
      refuse("Timezone")({
        detail: `"${timezone.slice(0, 64)}" is not an IANA time zone`,
        hint: "Use a name such as Europe/Oslo, America/New_York or UTC; an offset has no summer time."
      })
    )
    const intervalLike = isIntervalLike(fields)
    const schedule: Schedule = { expression, timezone, intervalLike, calendar, clock }
    if (Option.isSome(next(schedule, REFERENCE))) return schedule
    return yield* Either.left(
      refuse("Impossible")({
        detail: `"${expression}" parses, but no time ever matches it`,
        hint: "Check the day against the month (February has 29 days at most); L is a month's last day."
      })
    )
  })
}

/**
 * Reads a schedule: five fields (minute hour day-of-month month day-of-week), six with seconds first,
 * or `@yearly @annually @monthly @weekly @daily @midnight @hourly`; and an IANA time zone.
 *
 * *Fails with* ScheduleError: `Expression` (also for a year field, a date, `?`, `+`, or more than 256
 * characters), `Timezone`, or `Impossible` when nothing ever matches (`0 0 30 2 *`). Never throws.
 * Results are remembered, in bounded number.
 */
export const parse = (
  expression: string,
  timezone: string
): Either.Either<Schedule, ScheduleError> => {
  const key = JSON.stringify([timezone, expression])
  const known = parsed.get(key)
  if (known !== undefined) return Either.right(known)
  return Either.map(compile(expression, timezone), (schedule) => {
    if (parsed.size >= MAX_PARSED) parsed.clear()
    parsed.set(key, schedule)
    return schedule
  })
}

/** Instants outside 1900 to 9000 are moved to the edge; a period bounded by NaN is empty. */
const clamp = (instant: number): number => Math.min(Math.max(instant, EARLIEST), LATEST)

/**
 * The first slot strictly after an instant; none when there is none in the following 41 years.
 *
 * *Guarantees*: a whole second, greater than `after`; so repeated calls strictly increase.
 */
export const next = (schedule: Schedule, after: number): Option.Option<number> =>
  Option.fromNullable(firstSlot(schedule, clamp(after), clamp(clamp(after) + HORIZON)))

/** The slots in (after, upTo], oldest first, at most `limit` of them: the oldest. */
export const between = (
  schedule: Schedule,
  after: number,
  upTo: number,
  limit: number
): ReadonlyArray<number> => {
  const slots: Array<number> = []
  const end = clamp(upTo)
  let slot = firstSlot(schedule, clamp(after), end)
  while (slot !== undefined && slots.length < limit) {
    slots.push(slot)
    slot = firstSlot(schedule, slot, end)
  }
  return slots
}

/**
 * Counts the slots in (after, upTo] without visiting them, and names the first and the latest. The
 * work grows with the months and the clock changes in the period, not with the slots.
 */
export const summarise = (schedule: Schedule, after: number, upTo: number): SlotSummary => {
  const [from, to] = [clamp(after), clamp(upTo)]
  return {
    count: countSlots(schedule, from, to),
    first: Option.fromNullable(firstSlot(schedule, from, to)),
    latest: Option.fromNullable(latestSlot(schedule, from, to))
  }
}

/**
 * The changes of the zone's clock in (from, to] that touch the schedule, that is, at which one of its
 * local times does not exist or occurs twice; with one English sentence on what happens then.
 */
export const clockChanges = (
  schedule: Schedule,
  from: number,
  to: number
): ReadonlyArray<ClockChange> => changesOf(schedule, clamp(from), clamp(to))

/**
 * An instant as local time with its numeric offset and zone: `2026-11-20 02:00 +01:00 Europe/Oslo`;
 * seconds only when there are any. In UTC when the zone is not known.
 */
export const describeInstant = (ms: number, timezone: string): string => {
  if (Number.isNaN(ms)) return "not an instant"
  return Option.match(
    Option.orElse(wallClock(timezone), () => wallClock("UTC")),
    {
      onNone: () => `${ms} ms`,
      onSome: (clock) => {
        const reading = readingAt(clock, clamp(ms))
        const offset = showOffset(clock, clamp(ms))
        return `${showDate(reading)} ${showTime(reading)} ${offset} ${clock.timezone}`
      }
    }
  )
}
