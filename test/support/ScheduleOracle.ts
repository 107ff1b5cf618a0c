/**
 * An oracle for Domain/Schedule/Schedule that shares no code with that module or with croner. Reads the local time of every
 * minute from Intl, and applies its own cron matcher and daylight-saving rule.
 */

const MINUTE = 60_000
const DAY_MINUTES = 1440
const HOUR_MINUTES = 60
/** How many minutes to read before a period. They show whether the period's first minutes repeat earlier local times. */
const LEAD = DAY_MINUTES

export interface ClockReadings {
  readonly start: number
  readonly shown: Int32Array
  /** 1 if the local time has occurred before, otherwise 0. */
  readonly repeated: Uint8Array
}

/** Returns minutes since 1970, as if the local time were UTC. */
export const localMinutes = (timezone: string): ((instant: number) => number) => {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: timezone,
    dateStyle: "short",
    timeStyle: "short"
  })
  return (instant) => {
    const text = format.format(instant)
    const field = (from: number, to: number): number => Number(text.slice(from, to))
    const year = field(0, 4)
    return Date.UTC(year, field(5, 7) - 1, field(8, 10), field(11, 13), field(14, 16)) / MINUTE
  }
}

/**
 * Also reads the day before `from`. Fills in the minutes of an hour that begins and ends with the same offset, because no zone
 * changes its clock twice within an hour.
 */
export const readClock = (timezone: string, from: number, to: number): ClockReadings => {
  const read = localMinutes(timezone)
  const start = Math.floor(from / MINUTE) * MINUTE - LEAD * MINUTE
  const length = Math.floor((to - start) / MINUTE) + 1
  const shown = new Int32Array(length)
  const readAt = (index: number): number => read(start + index * MINUTE)
  let first = readAt(0)
  for (let hour = 0; hour < length; hour += HOUR_MINUTES) {
    const next = readAt(hour + HOUR_MINUTES)
    const isSteady = next - first === HOUR_MINUTES
    for (let index = hour; index < Math.min(hour + HOUR_MINUTES, length); index++) {
      shown[index] = isSteady ? first + index - hour : readAt(index)
    }
    first = next
  }
  const base = shown.reduce((least, minute) => Math.min(least, minute), shown[0] ?? 0)
  const seen = new Uint8Array(length + 4 * DAY_MINUTES)
  const repeated = new Uint8Array(length)
  shown.forEach((minute, index) => {
    repeated[index] = seen[minute - base] ?? 0
    seen[minute - base] = 1
  })
  return { start, shown, repeated }
}

/** Checks whole weeks first, because no zone changes its clock twice within a week. A day is 24 hours, counted from `from`. */
export const daysWithChange = (timezone: string, from: number, to: number): Array<number> => {
  const read = localMinutes(timezone)
  const changed = (start: number, days: number): boolean =>
    read(start + days * DAY_MINUTES * MINUTE) - read(start) !== days * DAY_MINUTES
  const days: Array<number> = []
  let last = read(from)
  for (let week = from; week < to; week += 7 * DAY_MINUTES * MINUTE) {
    const first = last
    last = read(week + 7 * DAY_MINUTES * MINUTE)
    if (last - first === 7 * DAY_MINUTES) continue
    for (let day = 0; day < 7; day++) {
      const start = week + day * DAY_MINUTES * MINUTE
      if (changed(start, 1)) days.push(start)
    }
  }
  return days
}

const NICKNAMES: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *"
}
const NAMES = {
  month: ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  weekday: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
}

const numberOf = (text: string, names: ReadonlyArray<string>): number =>
  names.includes(text) ? names.indexOf(text) : Number.parseInt(text, 10)

const within = (
  value: number,
  list: string,
  [least, most]: readonly [number, number],
  names: ReadonlyArray<string> = []
): boolean =>
  list.split(",").some((item) => {
    if (/[LW#]/.test(names.reduce((text, name) => text.replaceAll(name || "!", ""), item))) {
      return false
    }
    const [range = "", step = "1"] = item.split("/")
    const [from = "", to = from] = range === "*" ? [`${least}`, `${most}`] : range.split("-")
    const first = numberOf(from, names)
    return value >= first && value <= numberOf(to, names) && (value - first) % Number(step) === 0
  })

const nearestWeekday = (year: number, month: number, target: number, length: number): number => {
  const isWorkday = (date: number): boolean =>
    date >= 1 && date <= length && new Date(Date.UTC(year, month, date)).getUTCDay() % 6 !== 0
  return [0, -1, 1, -2, 2].map((shift) => target + shift).find(isWorkday) ?? 0
}

const dayMatches = (date: Date, dates: string, months: string, weekdays: string): boolean => {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const weekday = date.getUTCDay()
  if (!within(month + 1, months, [1, 12], NAMES.month)) return false
  const length = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const byDate =
    within(day, dates, [1, 31]) ||
    dates.split(",").some((item) => {
      if (item === "L") return day === length
      if (item === "LW") return day === nearestWeekday(year, month, length, length)
      const target = /^(\d+)W$/.exec(item)?.[1]
      return (
        target !== undefined &&
        Number(target) <= length &&
        day === nearestWeekday(year, month, Number(target), length)
      )
    })
  const byWeekday =
    within(weekday, weekdays, [0, 6], NAMES.weekday) ||
    (weekday === 0 && within(7, weekdays, [0, 6], NAMES.weekday)) ||
    weekdays.split(",").some((item) => {
      const [, name = "", nth] = /^(.+?)(?:#(\d)|L)$/.exec(item) ?? []
      if (name === "" || numberOf(name, NAMES.weekday) % 7 !== weekday) return false
      return nth === undefined ? day + 7 > length : Math.ceil(day / 7) === Number(nth)
    })
  if (dates === "*") return weekdays === "*" || byWeekday
  return weekdays === "*" ? byDate : byDate || byWeekday
}

interface Compiled {
  readonly interval: boolean
  readonly seconds: ReadonlyArray<number>
  readonly matches: (local: number) => boolean
}

const compiled = new Map<string, Compiled>()

const compile = (expression: string): Compiled => {
  const fields = (NICKNAMES[expression] ?? expression).toUpperCase().split(/\s+/)
  const [second = "", minute = "", hour = "", dates = "", months = "", weekdays = ""] =
    fields.length === 5 ? ["0", ...fields] : fields
  const sixty = Array.from({ length: 60 }, (_, value) => value)
  const minutes = sixty.map((value) => within(value, minute, [0, 59]))
  const hours = sixty.map((value) => value < 24 && within(value, hour, [0, 23]))
  const days = new Map<number, boolean>()
  return {
    interval: /[*/]/.test(minute + hour),
    seconds: sixty.filter((value) => within(value, second, [0, 59])),
    matches: (local) => {
      if (!minutes[local % 60] || !hours[Math.floor(local / 60) % 24]) return false
      const day = Math.floor(local / DAY_MINUTES)
      const known = days.get(day)
      if (known !== undefined) return known
      const match = dayMatches(new Date(day * DAY_MINUTES * MINUTE), dates, months, weekdays)
      days.set(day, match)
      return match
    }
  }
}

export const oracleSlots = (
  expression: string,
  clock: ClockReadings,
  after: number,
  upTo: number
): Array<number> => {
  const { interval, matches, seconds } = compiled.get(expression) ?? compile(expression)
  compiled.set(expression, { interval, matches, seconds })
  const slots: Array<number> = []
  const emit = (slot: number): void => {
    if (slot > after && slot <= upTo && slot !== slots.at(-1)) slots.push(slot)
  }
  let last = clock.shown[0] ?? 0
  clock.shown.forEach((local, index) => {
    const instant = clock.start + index * MINUTE
    if (!interval) {
      for (let missing = last + 1; missing < local; missing++) if (matches(missing)) emit(instant)
    }
    if ((interval || clock.repeated[index] === 0) && matches(local)) {
      for (const value of seconds) emit(instant + value * 1000)
    }
    last = local
  })
  return slots
}

/** Expressions with slots around the hours of DST transitions. */
export const EXPRESSIONS: ReadonlyArray<string> = [
  ...["30 2 * * *", "0 0 * * *", "0 1 * * *", "30 0 * * *", "0 3 * * *", "59 23 * * *"],
  ...["0,30 2 * * *", "15,45 0-3 * * *", "0 0-23 * * *", "0 2,3 * * *", "0-59 1,2 * * *"],
  ...["45 1 * * SUN", "30 2 * 3,10 *", "0 4 1 * *", "0 6 1,15 * MON", "0 2 */2 * MON"],
  ...["0 0 1-7 * 6", "0 2 * JAN-MAR,OCT sun-tue", "0 3 * * 5-7", "0 12 29 2 *", "30 1 31 */2 *"],
  ...["0 2 L * *", "0 2 LW * *", "30 1 15W * *", "0 1 1W,30W,L * *", "0 2 * * SUN#2"],
  ...["0 2 * * 0#1,0#5", "30 2 * * SUNL", "0 2 15 * 5L", "@daily", "@weekly", "@monthly"],
  ...["@yearly", "@midnight", "15 30 2 * * *", "* 30 2 * * *", "0,30 59 1 * * *"],
  ...["*/20 0 3 * * *", "59 59 23 * * *", "@hourly", "0 * * * *", "30 * * * *"],
  ...["*/30 * * * *", "*/5 * * * *", "* * * * *", "*/15 2 * * *", "0 */2 * * *"],
  ...["0 */6 * * *", "10-50/20 * * * *", "0 1-23/3 * * *", "* 2 * * *", "*/10 0-3 * * SUN"],
  ...["7 */4 * * MON-FRI", "*/20 * * 3,10,11 0", "0 * L * *", "*/30 */30 2 * * *"],
  ...["30 15 */1 * * *", "0-59/7 0 0 * * *", "0 2-3/1 * * *"]
]
