import { CronPattern } from "croner"
import { Either, Option } from "effect"
import { ScheduleError } from "../Errors.ts"
import type { Calendar } from "./Calendar.ts"
import { fromSets } from "./Calendar.ts"
import type { ExpressionProblem } from "./CronExpression.ts"
import { explainExpression, isIntervalLike, MAX_LENGTH, splitFields } from "./CronExpression.ts"
import type { DstTransition } from "./DstTransition.ts"
import { changesOf } from "./DstTransition.ts"
import type { Timetable } from "./Occurrences.ts"
import { countSlots, firstSlot, latestSlot } from "./Occurrences.ts"
import { isRepeated, readingAt, showDate, showOffset, showTime, wallClock } from "./WallClock.ts"

/**
 * An integration's schedule: a cron expression evaluated on the wall clock of one time zone. Its *slots* are UTC instants in
 * epoch milliseconds, on whole seconds.
 *
 * **The daylight-saving rule.**
 * - A fixed time that does not exist because the clock was put forward runs at the first valid instant after the gap. A fixed
 *   time that occurs twice because the clock was put back runs once, the first time.
 * - A schedule is interval-like if its minute or hour field contains a wildcard `*` or a step `/`; `@hourly` is interval-like,
 *   too. An interval-like schedule runs whenever the local clock shows a matching time. It runs in both passes of a repeated
 *   hour, and a gap adds no slots.
 * - Two matching times at the same instant give one slot. Each slot is later than the slot before it.
 *
 * **Days.** If both the day of month and the weekday are given, a date matches if either field matches. A field is given unless
 * it is a bare `*`: `0 0 *\/2 * MON` matches every odd day and every Monday. `L` is the last day of the month, `LW` the last
 * weekday (Monday to Friday) of the month, `15W` the weekday nearest to the 15th within the month, `MON#2` the second Monday, and
 * `5L` the last Friday. Weekdays are numbered from Sunday, which is 0 (or 7).
 *
 * *Source*: croner 11 defines the meaning of an expression. The time zone data come from the runtime.
 */
export interface Schedule extends Timetable {
  readonly expression: string
  readonly timezone: string
}

export interface SlotSummary {
  readonly count: number
  readonly first: Option.Option<number>
  readonly latest: Option.Option<number>
}

/** 41 years in milliseconds: long enough for every date, including 29 February, to fall on every weekday, even around 2100. */
const HORIZON = 41 * 366 * 86_400_000
/** `parse` rejects a schedule that has no slot after this instant. */
const REFERENCE = Date.UTC(2024, 0, 1)
const EARLIEST = Date.UTC(1900, 0, 1)
const LATEST = Date.UTC(9000, 0, 1)
const MAX_PARSED = 1000

const parsed = new Map<string, Schedule>()

const readCalendar = (fields: ReadonlyArray<string>): Either.Either<Calendar, ExpressionProblem> =>
  Either.try({
    try: () => fromSets(new CronPattern(fields.join(" "), undefined, { mode: "6-part" })),
    catch: (cause) =>
      explainExpression(fields, cause instanceof Error ? cause.message : String(cause))
  })

const compile = (expression: string, timezone: string): Either.Either<Schedule, ScheduleError> => {
  const refuse =
    (reason: ScheduleError["reason"]) =>
    ({ detail, hint }: ExpressionProblem): ScheduleError =>
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
        hint: "Use a name such as Europe/Oslo, America/New_York or UTC; an offset has no daylight-saving time."
      })
    )
    const intervalLike = isIntervalLike(fields)
    const schedule: Schedule = { expression, timezone, intervalLike, calendar, clock }
    if (Option.isSome(next(schedule, REFERENCE))) return schedule
    return yield* Either.left(
      refuse("Impossible")({
        detail: `"${expression}" is valid, but it matches no time`,
        hint: "Check that the month has this day (February has at most 29 days), or use L for the last day of a month."
      })
    )
  })
}

/**
 * Parses a cron expression and an IANA time zone. The expression has five fields (minute hour day-of-month month day-of-week) or
 * six (with seconds first), or is one of `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly`.
 *
 * *Fails with* ScheduleError: `Expression` (also for a year field, a date, `?`, `+`, or more than 256 characters), `Timezone`, or
 * `Impossible` if the expression never matches a date (`0 0 30 2 *`). Never throws. Caches a bounded number of results.
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

/** Clamps an instant to the years 1900 to 9000. NaN stays NaN, so a period bounded by NaN is empty. */
const clamp = (instant: number): number => Math.min(Math.max(instant, EARLIEST), LATEST)

/** Returns the first slot strictly after an instant, or None if there is no slot within 41 years. */
export const next = (schedule: Schedule, after: number): Option.Option<number> =>
  Option.fromNullable(firstSlot(schedule, clamp(after), clamp(clamp(after) + HORIZON)))

/** Returns the first `limit` slots in (after, upTo], oldest first. */
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

/** Counts the slots in (after, upTo] without enumerating them. The cost grows with the number of months and clock changes. */
export const summarise = (schedule: Schedule, after: number, upTo: number): SlotSummary => {
  const [from, to] = [clamp(after), clamp(upTo)]
  return {
    count: countSlots(schedule, from, to),
    first: Option.fromNullable(firstSlot(schedule, from, to)),
    latest: Option.fromNullable(latestSlot(schedule, from, to))
  }
}

/** Returns the clock changes in (from, to] at which a local time of the schedule does not exist or occurs twice. */
export const clockChanges = (
  schedule: Schedule,
  from: number,
  to: number
): ReadonlyArray<DstTransition> => changesOf(schedule, clamp(from), clamp(to))

/** Formats an instant as `2026-11-20 02:00 Europe/Oslo`. Adds the UTC offset to a local time that occurs twice. */
export const describeInstant = (ms: number, timezone: string): string => {
  const local = localTime(ms, timezone)
  return local === undefined
    ? "not an instant"
    : `${local.date} ${local.time} ${local.clock.timezone}`
}

/**
 * Formats an instant relative to `now`: `09:00` on the same day, `11-19 02:00` in the same year, otherwise `2025-11-19 02:00`.
 */
export const shortInstant = (ms: number, timezone: string, now: number): string => {
  const [local, today] = [localTime(ms, timezone), localTime(now, timezone)]
  if (local === undefined) return "not an instant"
  if (local.date === today?.date) return local.time
  const isThisYear = local.date.slice(0, 4) === today?.date.slice(0, 4)
  return `${isThisYear ? local.date.slice(5) : local.date} ${local.time}`
}

const UTC = Option.getOrThrow(wallClock("UTC"))

const localTime = (ms: number, timezone: string) => {
  if (Number.isNaN(ms)) return undefined
  const clock = Option.getOrElse(wallClock(timezone), () => UTC)
  const at = clamp(ms)
  const reading = readingAt(clock, at)
  const offset = isRepeated(clock, at) ? ` ${showOffset(clock, at)}` : ""
  return { clock, date: showDate(reading), time: `${showTime(reading)}${offset}` }
}
