/**
 * A parsed cron expression: for each field, one flag per value. Flags are indexed from the 1st in `day` and `nearestWeekdays`,
 * from January in `month`, and from Sunday in `dayOfWeek`. A weekday's flag is a bit mask: 1, 2, 4, 8 and 16 stand for its first
 * to fifth occurrence in the month, and 32 stands for its last. The field names are croner's.
 */
export interface CronSets {
  readonly second: ReadonlyArray<number>
  readonly minute: ReadonlyArray<number>
  readonly hour: ReadonlyArray<number>
  readonly day: ReadonlyArray<number>
  readonly month: ReadonlyArray<number>
  readonly dayOfWeek: ReadonlyArray<number>
  readonly nearestWeekdays: ReadonlyArray<number>
  readonly lastDayOfMonth: boolean
  readonly lastWeekday: boolean
  readonly starDOM: boolean
  readonly starDOW: boolean
}

/**
 * The matching days. Each of these days has the same matching times. Local times are *readings*: epoch milliseconds, as if they
 * were UTC.
 */
export interface Calendar {
  readonly seconds: ReadonlyArray<number>
  readonly minutes: ReadonlyArray<number>
  readonly hours: ReadonlyArray<number>
  readonly sets: CronSets
}

const DAY = 86_400_000
const DAY_SECONDS = 86_400
const MEAN_MONTH_DAYS = 30.436875

const valuesOf = (flags: ReadonlyArray<number>): ReadonlyArray<number> =>
  flags.flatMap((flag, value) => (flag === 0 ? [] : [value]))

/** Copies only the sets, so that the parser's larger tables can be garbage-collected. */
export const fromSets = ({
  second,
  minute,
  hour,
  day,
  month,
  dayOfWeek,
  nearestWeekdays,
  lastDayOfMonth,
  lastWeekday,
  starDOM,
  starDOW
}: CronSets): Calendar => ({
  seconds: valuesOf(second),
  minutes: valuesOf(minute),
  hours: valuesOf(hour),
  sets: {
    second,
    minute,
    hour,
    day,
    month,
    dayOfWeek,
    nearestWeekdays,
    lastDayOfMonth,
    lastWeekday,
    starDOM,
    starDOW
  }
})

// Months are numbered from January of year 0, days from 1970-01-01, and weekdays from Sunday (0).
const firstDayOf = (month: number): number => Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY
const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7
const monthOf = (day: number): number => {
  let month = 1970 * 12 + Math.floor(day / MEAN_MONTH_DAYS)
  while (firstDayOf(month) > day) month -= 1
  while (firstDayOf(month + 1) <= day) month += 1
  return month
}

/** Returns the weekday (Monday to Friday) nearest to `date` within the month. */
const nearestWeekday = (first: number, date: number, length: number): number => {
  const weekday = weekdayOf(first + date - 1)
  if (weekday === 6) return date === 1 ? 3 : date - 1
  if (weekday === 0) return date === length ? date - 2 : date + 1
  return date
}

const isDateOfMonth = (sets: CronSets, first: number, date: number, length: number): boolean =>
  sets.day[date - 1] === 1 ||
  (sets.lastDayOfMonth && date === length) ||
  (sets.lastWeekday && date === nearestWeekday(first, length, length)) ||
  sets.nearestWeekdays.some(
    (flag, index) =>
      flag !== 0 && index < length && nearestWeekday(first, index + 1, length) === date
  )

const isDayOfWeek = (sets: CronSets, first: number, date: number, length: number): boolean => {
  const flags = sets.dayOfWeek[weekdayOf(first + date - 1)] ?? 0
  const occurrence = 1 << Math.floor((date - 1) / 7)
  return (flags & (date + 7 > length ? occurrence | 32 : occurrence)) !== 0
}

/** Returns a month's matching days as a bit mask. Bit 0 stands for the 1st. */
const daysIn = (sets: CronSets, month: number): number => {
  if (sets.month[month % 12] === 0) return 0
  const first = firstDayOf(month)
  const length = firstDayOf(month + 1) - first
  let mask = 0
  for (let date = 1; date <= length; date++) {
    const matches =
      (!sets.starDOM && isDateOfMonth(sets, first, date, length)) ||
      (!sets.starDOW && isDayOfWeek(sets, first, date, length)) ||
      (sets.starDOM && sets.starDOW)
    if (matches) mask |= 1 << (date - 1)
  }
  return mask
}

const lowestBit = (mask: number): number => 31 - Math.clz32(mask & -mask)
const highestBit = (mask: number): number => 31 - Math.clz32(mask)
const bitCount = (mask: number): number => {
  let count = 0
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Returns a month's matching days from `from` to `to`, both inclusive, as a bit mask. */
const daysWithin = (sets: CronSets, month: number, from: number, to: number): number => {
  const first = firstDayOf(month)
  if (from > first + 30 || to < first) return 0
  const mask = daysIn(sets, month) & (-1 << Math.max(0, from - first))
  return to >= first + 30 ? mask : mask & ((2 << (to - first)) - 1)
}

const firstDay = (sets: CronSets, from: number, to: number): number | undefined => {
  const last = monthOf(to)
  for (let month = monthOf(from); month <= last; month++) {
    const mask = daysWithin(sets, month, from, to)
    if (mask !== 0) return firstDayOf(month) + lowestBit(mask)
  }
  return undefined
}

const lastDay = (sets: CronSets, from: number, to: number): number | undefined => {
  const first = monthOf(from)
  for (let month = monthOf(to); month >= first; month--) {
    const mask = daysWithin(sets, month, from, to)
    if (mask !== 0) return firstDayOf(month) + highestBit(mask)
  }
  return undefined
}

const countDays = (sets: CronSets, from: number, to: number): number => {
  const last = monthOf(to)
  let count = 0
  for (let month = monthOf(from); month <= last; month++) {
    count += bitCount(daysWithin(sets, month, from, to))
  }
  return count
}

/** Counts a day's matching times up to and including `second`, measured from midnight. */
const timesUpTo = (calendar: Calendar, second: number): number => {
  const { hours, minutes, seconds } = calendar
  const below = (values: ReadonlyArray<number>, limit: number): number => {
    let count = 0
    for (const value of values) if (value < limit) count++
    return count
  }
  const hour = Math.floor(second / 3600)
  const minute = Math.floor(second / 60) % 60
  const inMinute = calendar.sets.minute[minute] === 0 ? 0 : below(seconds, (second % 60) + 1)
  const inHour =
    calendar.sets.hour[hour] === 0 ? 0 : below(minutes, minute) * seconds.length + inMinute
  return below(hours, hour) * minutes.length * seconds.length + inHour
}

/** Returns a day's n-th matching time, in seconds from midnight. `n` starts at 0. */
const timeNumber = (calendar: Calendar, n: number): number => {
  const { hours, minutes, seconds } = calendar
  const hour = hours[Math.floor(n / (minutes.length * seconds.length))] ?? 0
  const minute = minutes[Math.floor(n / seconds.length) % minutes.length] ?? 0
  return hour * 3600 + minute * 60 + (seconds[n % seconds.length] ?? 0)
}

const timesPerDay = (calendar: Calendar): number =>
  calendar.hours.length * calendar.minutes.length * calendar.seconds.length

const split = (reading: number): readonly [day: number, second: number] => {
  const seconds = Math.floor(reading / 1000)
  const day = Math.floor(seconds / DAY_SECONDS)
  return [day, seconds - day * DAY_SECONDS]
}

const join = (day: number, second: number): number => (day * DAY_SECONDS + second) * 1000

/** Returns the earliest matching reading in (after, upTo]. */
export const firstTime = (calendar: Calendar, after: number, upTo: number): number | undefined => {
  const [day, second] = split(after)
  const passed = timesUpTo(calendar, second)
  const from = passed < timesPerDay(calendar) ? day : day + 1
  const found = firstDay(calendar.sets, from, Math.floor(upTo / DAY))
  if (found === undefined) return undefined
  const reading = join(found, timeNumber(calendar, found === day ? passed : 0))
  return reading <= upTo ? reading : undefined
}

/** Returns the latest matching reading in (after, upTo]. */
export const lastTime = (calendar: Calendar, after: number, upTo: number): number | undefined => {
  const [day, second] = split(upTo)
  const passed = timesUpTo(calendar, second)
  const to = passed > 0 ? day : day - 1
  const found = lastDay(calendar.sets, Math.floor(after / DAY), to)
  if (found === undefined) return undefined
  const last = found === day ? passed : timesPerDay(calendar)
  const reading = join(found, timeNumber(calendar, last - 1))
  return reading > after ? reading : undefined
}

/** Counts the matching readings in (after, upTo]. The cost grows with the number of months. */
export const countTimes = (calendar: Calendar, after: number, upTo: number): number => {
  if (upTo <= after) return 0
  const [fromDay, fromSecond] = split(after)
  const [toDay, toSecond] = split(upTo)
  const timesOn = (day: number, second: number): number =>
    countDays(calendar.sets, day, day) * timesUpTo(calendar, second)
  const whole = fromDay < toDay ? countDays(calendar.sets, fromDay, toDay - 1) : 0
  return whole * timesPerDay(calendar) - timesOn(fromDay, fromSecond) + timesOn(toDay, toSecond)
}
