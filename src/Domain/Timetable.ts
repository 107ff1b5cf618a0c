import type { Calendar } from "./Calendar.ts"
import { countTimes, firstTime, lastTime } from "./Calendar.ts"
import type { Stretch, WallClock } from "./WallClock.ts"
import { firstInstant, furthestReading, REACH } from "./WallClock.ts"

/**
 * The local times of a calendar on the wall clock of a zone, and which daylight-saving rule maps them
 * to instants (stated at Domain/Schedule). Here the rule is carried out.
 *
 * - Fixed times: a time's slot is `firstInstant` of it. That one function says both halves of the
 *   rule, and since it never decreases, the slots of a period are the times in one range of readings.
 * - Interval-like: within a stretch of constant offset the slots are the times shifted by the offset.
 */
export interface Timetable {
  readonly intervalLike: boolean
  readonly calendar: Calendar
  readonly clock: WallClock
}

/** The readings that a stretch shows in (after, upTo], as such a pair. */
const shownIn = (stretch: Stretch, after: number, upTo: number): readonly [number, number] => [
  Math.max(after, stretch.from - 1) + stretch.offset,
  Math.min(upTo, stretch.to - 1) + stretch.offset
]

/** The first slot in (after, upTo], if there is one. */
export const firstSlot = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number | undefined => {
  if (!(after < upTo)) return undefined
  if (!intervalLike) {
    const time = firstTime(calendar, furthestReading(clock, after), upTo + REACH)
    const slot = time === undefined ? upTo + 1 : firstInstant(clock, time)
    return slot <= upTo ? slot : undefined
  }
  for (let at = clock.stretchAt(after); at.from <= upTo; at = clock.stretchAt(at.to)) {
    const time = firstTime(calendar, ...shownIn(at, after, upTo))
    if (time !== undefined) return time - at.offset
  }
  return undefined
}

/** The latest slot in (after, upTo], if there is one. */
export const latestSlot = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number | undefined => {
  if (!(after < upTo)) return undefined
  if (!intervalLike) {
    const time = lastTime(calendar, furthestReading(clock, after), furthestReading(clock, upTo))
    return time === undefined ? undefined : firstInstant(clock, time)
  }
  for (let at = clock.stretchAt(upTo); at.to > after; at = clock.stretchAt(at.from - 1)) {
    const time = lastTime(calendar, ...shownIn(at, after, upTo))
    if (time !== undefined) return time - at.offset
  }
  return undefined
}

/** How many slots lie in (after, upTo], without visiting them. */
export const countSlots = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number => {
  if (!(after < upTo)) return 0
  let count = intervalLike
    ? 0
    : countTimes(calendar, furthestReading(clock, after), furthestReading(clock, upTo))
  for (let at = clock.stretchAt(after); at.from <= upTo; at = clock.stretchAt(at.to)) {
    if (intervalLike) count += countTimes(calendar, ...shownIn(at, after, upTo))
    else if (at.from > after) {
      // All times that a gap swallowed run together at its end, also with a time that is there.
      const swallowed = countTimes(
        calendar,
        furthestReading(clock, at.from - 1),
        at.from + at.offset
      )
      count -= Math.max(0, swallowed - 1)
    }
  }
  return count
}
