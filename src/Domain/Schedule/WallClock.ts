import { DateTime, Option } from "effect"

/** A period with a constant offset from UTC, in milliseconds: local reading = instant + `offset`. `to` is exclusive. */
export interface OffsetPeriod {
  readonly from: number
  readonly to: number
  readonly offset: number
}

/**
 * The local clock of one IANA time zone. A *reading* is a local time, encoded as epoch milliseconds as if it were UTC.
 * Neighbouring offset periods can have the same offset. *Source*: the zone data of the runtime, through `Intl.DateTimeFormat`.
 */
export interface WallClock {
  readonly timezone: string
  readonly offsetPeriodAt: (instant: number) => OffsetPeriod
}

const SECOND = 1000
const DAY = 86_400_000
/** The length of a cached block of offset periods, in milliseconds. Computing one year for one zone takes about 0.1 ms. */
const BLOCK = 400 * DAY
/**
 * Offset changes are searched for in steps of this size, in milliseconds. Since 1970, changes are at least 6 days and 23 hours
 * apart.
 */
const PROBE = 4 * DAY
/** No clock change and no offset from UTC is larger than this, in milliseconds. */
export const MAX_OFFSET_SHIFT = 2 * DAY
const MAX_CLOCKS = 1000
const MAX_BLOCKS = 100

/**
 * Returns a function that reads the offset in milliseconds. Avoids `Intl` for UTC, because the first use of `Intl` takes 14 ms.
 */
const offsetReader = (timezone: string): ((instant: number) => number) => {
  if (timezone === "UTC") return () => 0
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit"
  })
  return (instant) => {
    const digits = format.format(instant).match(/\d+/g) ?? []
    const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = digits.map(Number)
    return Date.UTC(year, month - 1, day, hour, minute, second) - instant
  }
}

/** Returns the first whole second in (low, high] at which the offset differs from the offset at `low`. */
const changeIn = (offsetAt: (instant: number) => number, low: number, high: number): number => {
  const before = offsetAt(low)
  let [same, changed] = [low, high]
  while (changed - same > SECOND) {
    const middle = same + Math.floor((changed - same) / (2 * SECOND)) * SECOND
    if (offsetAt(middle) === before) same = middle
    else changed = middle
  }
  return changed
}

const offsetPeriodsOf = (
  timezone: string,
  start: number
): [OffsetPeriod, ...Array<OffsetPeriod>] => {
  const offsetAt = offsetReader(timezone)
  const end = start + BLOCK
  const done: Array<OffsetPeriod> = []
  let open: OffsetPeriod = { from: start, to: end, offset: offsetAt(start) }
  for (let probe = start; probe < end; probe += PROBE) {
    const offset = offsetAt(probe + PROBE)
    if (offset === open.offset) continue
    const change = changeIn(offsetAt, probe, probe + PROBE)
    if (change === end) continue
    done.push({ ...open, to: change })
    open = { from: change, to: end, offset }
  }
  const [first = open, ...rest] = done
  return done.length === 0 ? [open] : [first, ...rest, open]
}

const make = (timezone: string): WallClock => {
  const blocks = new Map<number, [OffsetPeriod, ...Array<OffsetPeriod>]>()
  const blockAt = (start: number): [OffsetPeriod, ...Array<OffsetPeriod>] => {
    const known = blocks.get(start)
    if (known !== undefined) return known
    if (blocks.size >= MAX_BLOCKS) blocks.clear()
    const block = offsetPeriodsOf(timezone, start)
    blocks.set(start, block)
    return block
  }
  return {
    timezone,
    offsetPeriodAt: (instant) => {
      const block = blockAt(Math.floor(instant / BLOCK) * BLOCK)
      let found = block[0]
      for (const period of block) if (period.from <= instant) found = period
      return found
    }
  }
}

const clocks = new Map<string, WallClock>()

/** Returns the clock of an IANA time zone, or None for any other name, including offsets such as `+01:00`. */
export const wallClock = (name: string): Option.Option<WallClock> => {
  const timezone = name.trim()
  const known = clocks.get(timezone)
  if (known !== undefined) return Option.some(known)
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(timezone)) return Option.none()
  return Option.liftThrowable(() => {
    offsetReader(timezone)
    if (clocks.size >= MAX_CLOCKS) clocks.clear()
    const clock = make(timezone)
    clocks.set(timezone, clock)
    return clock
  })()
}

export const readingAt = (clock: WallClock, instant: number): number =>
  instant + clock.offsetPeriodAt(instant).offset

/**
 * Returns the latest reading that the clock has shown by an instant. Differs from `readingAt` only in the second pass of a
 * repeated hour.
 */
export const maxLocalTime = (clock: WallClock, instant: number): number => {
  let period = clock.offsetPeriodAt(instant)
  let latest = instant + period.offset
  while (period.from > instant - MAX_OFFSET_SHIFT) {
    period = clock.offsetPeriodAt(period.from - 1)
    latest = Math.max(latest, period.to - 1 + period.offset)
  }
  return latest
}

/**
 * Returns the first instant at which the clock shows `reading` or later. If the clock skips `reading`, this is the end of the
 * gap.
 * *Guarantees*: never decreases, and `firstInstant(r) > t` if and only if `r > maxLocalTime(t)`.
 */
export const firstInstant = (clock: WallClock, reading: number): number => {
  let period = clock.offsetPeriodAt(reading - MAX_OFFSET_SHIFT)
  while (period.to + period.offset <= reading) period = clock.offsetPeriodAt(period.to)
  return Math.max(period.from, reading - period.offset)
}

/** Returns whether the clock shows the same reading at another instant, because the clock is put back. */
export const isRepeated = (clock: WallClock, instant: number): boolean => {
  const reading = readingAt(clock, instant)
  if (firstInstant(clock, reading) !== instant) return true
  let period = clock.offsetPeriodAt(instant)
  while (period.to <= instant + MAX_OFFSET_SHIFT) {
    period = clock.offsetPeriodAt(period.to)
    const other = reading - period.offset
    if (other >= period.from && other < period.to && other !== instant) return true
  }
  return false
}

/** Returns the local day that is `daysBefore` days before an instant, as [from, to). The day can have 23 or 25 hours. */
export const dayOf = (
  clock: WallClock,
  instant: number,
  daysBefore = 0
): { readonly from: number; readonly to: number } => {
  const midnight = (Math.floor(readingAt(clock, instant) / DAY) - daysBefore) * DAY
  return { from: firstInstant(clock, midnight), to: firstInstant(clock, midnight + DAY) }
}

const show = (reading: number): string => DateTime.formatIso(DateTime.unsafeMake(reading))

/** Formats the date of a reading: `2026-11-20`. */
export const showDate = (reading: number): string => show(reading).slice(0, 10)

/** Formats the time of day of a reading: `02:00`, or `02:00:15` if the seconds are not zero. */
export const showTime = (reading: number): string =>
  show(reading).slice(11, Math.floor(reading / SECOND) % 60 === 0 ? 16 : 19)

/** Formats the offset from UTC that applies at an instant: `+01:00`. */
export const showOffset = (clock: WallClock, instant: number): string => {
  const { offset } = clock.offsetPeriodAt(instant)
  return `${offset < 0 ? "-" : "+"}${showTime(Math.abs(offset))}`
}
