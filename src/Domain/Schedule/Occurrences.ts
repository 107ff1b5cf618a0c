import type { Calendar } from "./Calendar.ts"
import { countTimes, firstTime, lastTime } from "./Calendar.ts"
import type { OffsetPeriod, WallClock } from "./WallClock.ts"
import { firstInstant, MAX_OFFSET_SHIFT, maxLocalTime } from "./WallClock.ts"

/**
 * A calendar's local times in one zone. This file implements the daylight-saving rule in Domain/Schedule/Schedule:
 *
 * - Fixed times: the slot of a local time is its `firstInstant`. Because `firstInstant` never decreases, the slots in a period
 * correspond to one range of readings.
 * - Interval-like: within a period of constant offset, the slots are the local times minus the offset.
 */
export interface Timetable {
  readonly intervalLike: boolean
  readonly calendar: Calendar
  readonly clock: WallClock
}

/** Returns the range of readings, as (start, end], that the clock shows while the offset period overlaps (after, upTo]. */
const shownIn = (period: OffsetPeriod, after: number, upTo: number): readonly [number, number] => [
  Math.max(after, period.from - 1) + period.offset,
  Math.min(upTo, period.to - 1) + period.offset
]

/** Returns the first slot in (after, upTo]. */
export const firstSlot = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number | undefined => {
  if (!(after < upTo)) return undefined
  if (!intervalLike) {
    const time = firstTime(calendar, maxLocalTime(clock, after), upTo + MAX_OFFSET_SHIFT)
    const slot = time === undefined ? upTo + 1 : firstInstant(clock, time)
    return slot <= upTo ? slot : undefined
  }
  for (let at = clock.offsetPeriodAt(after); at.from <= upTo; at = clock.offsetPeriodAt(at.to)) {
    const time = firstTime(calendar, ...shownIn(at, after, upTo))
    if (time !== undefined) return time - at.offset
  }
  return undefined
}

/** Returns the latest slot in (after, upTo]. */
export const latestSlot = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number | undefined => {
  if (!(after < upTo)) return undefined
  if (!intervalLike) {
    const time = lastTime(calendar, maxLocalTime(clock, after), maxLocalTime(clock, upTo))
    return time === undefined ? undefined : firstInstant(clock, time)
  }
  for (let at = clock.offsetPeriodAt(upTo); at.to > after; at = clock.offsetPeriodAt(at.from - 1)) {
    const time = lastTime(calendar, ...shownIn(at, after, upTo))
    if (time !== undefined) return time - at.offset
  }
  return undefined
}

/** Counts the slots in (after, upTo] without enumerating them. */
export const countSlots = (
  { calendar, clock, intervalLike }: Timetable,
  after: number,
  upTo: number
): number => {
  if (!(after < upTo)) return 0
  let count = intervalLike
    ? 0
    : countTimes(calendar, maxLocalTime(clock, after), maxLocalTime(clock, upTo))
  for (let at = clock.offsetPeriodAt(after); at.from <= upTo; at = clock.offsetPeriodAt(at.to)) {
    if (intervalLike) count += countTimes(calendar, ...shownIn(at, after, upTo))
    else if (at.from > after) {
      // For a time inside a gap, or exactly at the end of the gap, the slot is the end of the gap.
      const swallowed = countTimes(calendar, maxLocalTime(clock, at.from - 1), at.from + at.offset)
      count -= Math.max(0, swallowed - 1)
    }
  }
  return count
}
