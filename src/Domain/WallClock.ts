import { DateTime, Option } from "effect"

/**
 * A stretch of real time, `from` inclusive and `to` exclusive, in which a zone's offset from UTC
 * does not change: local reading = instant + `offset`. All three in milliseconds.
 */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly offset: number
}

/**
 * The clock on a wall in one IANA time zone.
 *
 * A *reading* is what that clock shows, written as the epoch milliseconds that the same digits
 * would have in UTC; so arithmetic on readings is arithmetic on local times. `stretchAt` gives the
 * stretch that holds an instant; neighbouring stretches may have the same offset.
 *
 * *Source*: the zone data of the runtime, through `Intl.DateTimeFormat`.
 */
export interface WallClock {
  readonly timezone: string
  readonly stretchAt: (instant: number) => Stretch
}

const SECOND = 1000
const DAY = 86_400_000
/** Stretches are found and remembered in blocks of this size; a year of one zone costs about 0.1 ms. */
const BLOCK = 400 * DAY
/** Two changes of one zone since 1970 are never less than 6 days and 23 hours apart. */
const PROBE = 4 * DAY
/** More than any clock was ever put forward or back (a day), and than any offset from UTC. In ms. */
export const REACH = 2 * DAY
const MAX_CLOCKS = 1000
const MAX_BLOCKS = 100

/** How far a zone's clock is ahead of UTC, in milliseconds. UTC's own is not asked for: a process's first format takes 14 ms. */
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

/** The first whole second in (low, high] at which the offset is no longer that of `low`. */
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

const stretchesOf = (timezone: string, start: number): [Stretch, ...Array<Stretch>] => {
  const offsetAt = offsetReader(timezone)
  const end = start + BLOCK
  const done: Array<Stretch> = []
  let open: Stretch = { from: start, to: end, offset: offsetAt(start) }
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
  const blocks = new Map<number, [Stretch, ...Array<Stretch>]>()
  const blockAt = (start: number): [Stretch, ...Array<Stretch>] => {
    const known = blocks.get(start)
    if (known !== undefined) return known
    if (blocks.size >= MAX_BLOCKS) blocks.clear()
    const block = stretchesOf(timezone, start)
    blocks.set(start, block)
    return block
  }
  return {
    timezone,
    stretchAt: (instant) => {
      const block = blockAt(Math.floor(instant / BLOCK) * BLOCK)
      let found = block[0]
      for (const stretch of block) if (stretch.from <= instant) found = stretch
      return found
    }
  }
}

const clocks = new Map<string, WallClock>()

/**
 * The wall clock of an IANA time zone (`Europe/Oslo`, `UTC`); none for anything else, also for
 * bare offsets such as `+01:00`. Clocks are remembered, in bounded number.
 */
export const wallClock = (timezone: string): Option.Option<WallClock> => {
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

/** What the clock shows at an instant. */
export const readingAt = (clock: WallClock, instant: number): number =>
  instant + clock.stretchAt(instant).offset

/**
 * The furthest reading that the clock has shown up to and including an instant. Differs from
 * `readingAt` only while a repeated hour is repeating.
 */
export const furthestReading = (clock: WallClock, instant: number): number => {
  let stretch = clock.stretchAt(instant)
  let furthest = instant + stretch.offset
  while (stretch.from > instant - REACH) {
    stretch = clock.stretchAt(stretch.from - 1)
    furthest = Math.max(furthest, stretch.to - 1 + stretch.offset)
  }
  return furthest
}

/**
 * The first instant at which the clock shows this reading or a later one: the only one for an
 * ordinary time, the first for a repeated time, the end of the gap for a time that does not exist.
 *
 * *Guarantees*: never decreases as the reading grows; and `firstInstant(r) > t` exactly when
 * `r > furthestReading(t)`.
 */
export const firstInstant = (clock: WallClock, reading: number): number => {
  let stretch = clock.stretchAt(reading - REACH)
  while (stretch.to + stretch.offset <= reading) stretch = clock.stretchAt(stretch.to)
  return Math.max(stretch.from, reading - stretch.offset)
}

/**
 * The day that an instant falls on by this clock, or one `daysBefore` it, as [from, to): 23 or 25 hours long when the clock
 * is changed on it.
 */
export const dayOf = (
  clock: WallClock,
  instant: number,
  daysBefore = 0
): { readonly from: number; readonly to: number } => {
  const midnight = (Math.floor(readingAt(clock, instant) / DAY) - daysBefore) * DAY
  return { from: firstInstant(clock, midnight), to: firstInstant(clock, midnight + DAY) }
}

const show = (reading: number): string => DateTime.formatIso(DateTime.unsafeMake(reading))

/** The date of a reading, `2026-11-20`. */
export const showDate = (reading: number): string => show(reading).slice(0, 10)

/** The time of day of a reading, `02:00`, or `02:00:15` when there are seconds. */
export const showTime = (reading: number): string =>
  show(reading).slice(11, Math.floor(reading / SECOND) % 60 === 0 ? 16 : 19)

/** The offset from UTC in force at an instant, `+01:00`. */
export const showOffset = (clock: WallClock, instant: number): string => {
  const { offset } = clock.stretchAt(instant)
  return `${offset < 0 ? "-" : "+"}${showTime(Math.abs(offset))}`
}
