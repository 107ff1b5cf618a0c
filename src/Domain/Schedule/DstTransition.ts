import { countTimes, firstTime, lastTime } from "./Calendar.ts"
import type { Timetable } from "./Occurrences.ts"
import { firstSlot } from "./Occurrences.ts"
import type { WallClock } from "./WallClock.ts"
import { maxLocalTime, readingAt, showDate, showOffset, showTime } from "./WallClock.ts"

/** An instant (`at`, epoch milliseconds) at which the clock skips (`gap`) or repeats (`overlap`) local times of a schedule. */
export interface DstTransition {
  readonly at: number
  readonly kind: "gap" | "overlap"
  readonly effect: string
}

const MAX_LISTED = 3
/** How far ahead to search for the next slot of an interval-like schedule, in milliseconds. */
const LOOKAHEAD = 400 * 86_400_000

/** Lists the schedule's local times in (after, upTo]: `02:00 and 02:30`. The range must contain at least one. */
const listTimes = ({ calendar }: Timetable, after: number, upTo: number): string => {
  const count = countTimes(calendar, after, upTo)
  const times: Array<string> = []
  let time = firstTime(calendar, after, upTo)
  while (time !== undefined && times.length < MAX_LISTED) {
    times.push(showTime(time))
    time = firstTime(calendar, time, upTo)
  }
  if (count === 1) return times.join()
  if (count <= MAX_LISTED) return `${times.slice(0, -1).join(", ")} and ${times.at(-1)}`
  return `${times[0]} to ${showTime(lastTime(calendar, after, upTo) ?? upTo)} (${count} times)`
}

/** Formats the local time of a slot. Adds the local date only if it differs from `date`. */
const showSlot = (clock: WallClock, slot: number, date: string): string => {
  const reading = readingAt(clock, slot)
  const day = showDate(reading) === date ? "" : `${showDate(reading)} `
  return `${day}${showTime(reading)} ${showOffset(clock, slot)}`
}

const gapEffect = (timetable: Timetable, at: number, after: number, upTo: number): string => {
  const { calendar, clock, intervalLike } = timetable
  const one = countTimes(calendar, after, upTo) === 1
  const date = showDate(firstTime(calendar, after, upTo) ?? upTo)
  const subject = `${listTimes(timetable, after, upTo)} ${one ? "does" : "do"} not exist on ${date}`
  if (!intervalLike) {
    return `${subject}; ${one ? "it runs" : "they run once, together,"} at ${showSlot(clock, at, date)}`
  }
  const slot = firstSlot(timetable, at - 1, at + LOOKAHEAD)
  const then = slot === undefined ? "" : `, and the next slot is ${showSlot(clock, slot, date)}`
  return `${subject}; ${one ? "it is" : "they are"} not run${then}`
}

const overlapEffect = (timetable: Timetable, at: number, after: number, upTo: number): string => {
  const { calendar, clock, intervalLike } = timetable
  const one = countTimes(calendar, after, upTo) === 1
  const date = showDate(firstTime(calendar, after, upTo) ?? upTo)
  const subject = `${listTimes(timetable, after, upTo)} ${one ? "occurs" : "occur"} twice on ${date}`
  const [first, second] = [showOffset(clock, at - 1), showOffset(clock, at)]
  if (intervalLike)
    return `${subject}; ${one ? "it runs" : "they run"} both times, at ${first} and at ${second}`
  return `${subject}; ${one ? "it" : "each"} runs once, the first time, at ${first}`
}

/** Returns the clock changes in (from, to] that affect a schedule, earliest first. */
export const changesOf = (
  timetable: Timetable,
  from: number,
  to: number
): ReadonlyArray<DstTransition> => {
  const { calendar, clock } = timetable
  const changes: Array<DstTransition> = []
  if (!(from < to)) return changes
  let before = clock.offsetPeriodAt(from)
  while (before.to <= to) {
    const at = before.to
    const period = clock.offsetPeriodAt(at)
    const [last, first] = [maxLocalTime(clock, at - 1), at + period.offset - 1]
    if (period.offset > before.offset && countTimes(calendar, last, first) > 0) {
      changes.push({ at, kind: "gap", effect: gapEffect(timetable, at, last, first) })
    }
    if (period.offset < before.offset && countTimes(calendar, first, last) > 0) {
      changes.push({ at, kind: "overlap", effect: overlapEffect(timetable, at, first, last) })
    }
    before = period
  }
  return changes
}
