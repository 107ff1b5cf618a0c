import { Option } from "effect"
import * as Duration from "../../Domain/Duration.ts"
import { format } from "../../Domain/Instant.ts"
import {
  readingAt,
  showDate,
  showTime,
  type WallClock,
  wallClock
} from "../../Domain/Schedule/WallClock.ts"
import { type Html, html } from "./Html.ts"

const DAY = 86_400_000
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")
const MAX_NAMES = 1000

const names = new Map<string, string>()

/** Returns the abbreviation of a time zone at an instant: `CET`, `EST`, `GMT+9`, `UTC`. */
export const zoneName = (clock: WallClock, at: number): string => {
  const { from, offset } = clock.offsetPeriodAt(at)
  const key = `${clock.timezone} ${offset} ${from}`
  const known = names.get(key)
  if (known !== undefined) return known
  const named = (locale: string): string =>
    new Intl.DateTimeFormat(locale, { timeZone: clock.timezone, timeZoneName: "short" })
      .formatToParts(at)
      .find(({ type }) => type === "timeZoneName")?.value ?? clock.timezone
  const american = named("en-US")
  const name = american.startsWith("GMT") ? named("en-GB") : american
  if (names.size >= MAX_NAMES) names.clear()
  names.set(key, name)
  return name
}

/** Returns UTC for an unknown time zone. */
export const clockOf = (timezone: string): WallClock =>
  Option.getOrThrow(Option.orElse(wallClock(timezone), () => wallClock("UTC")))

const weekday = (reading: number): string =>
  DAYS[(((Math.floor(reading / DAY) + 4) % 7) + 7) % 7] ?? ""

/** Formats a day as `1 Nov`, or as `1 Nov 2025` if it is not in the current year. */
export const showDay = (reading: number, today: number): string => {
  const [year = "", month = "", day = ""] = showDate(reading).split("-")
  const words = `${Number(day)} ${MONTHS[Number(month) - 1] ?? month}`
  return showDate(today).startsWith(year) ? words : `${words} ${year}`
}

/**
 * Formats an instant in local time, as short as possible: `02:00 CET`, `yesterday 02:00 CET`, `Mon 02:00 CET`, `3 Nov 02:00 CET`.
 */
export const showDateTime = (at: number, timezone: string, now: number): string =>
  relativeTo(at, timezone, now, ` ${zoneName(clockOf(timezone), at)}`)

const relativeTo = (at: number, timezone: string, now: number, zone: string): string => {
  const clock = clockOf(timezone)
  const [reading, today] = [readingAt(clock, at), readingAt(clock, now)]
  const days = Math.floor(reading / DAY) - Math.floor(today / DAY)
  const time = `${showTime(Math.floor(reading / 1000) * 1000)}${zone}`
  if (days === 0) return time
  if (days === -1) return `yesterday ${time}`
  if (days === 1) return `tomorrow ${time}`
  return Math.abs(days) < 7 ? `${weekday(reading)} ${time}` : `${showDay(reading, today)} ${time}`
}

/** Formats an instant with its day: `Fri 20 Nov 02:00 CET`. */
export const showDayAndTime = (at: number, timezone: string, now: number): string => {
  const clock = clockOf(timezone)
  const reading = readingAt(clock, Math.floor(at / 1000) * 1000)
  const day = showDay(reading, readingAt(clock, now))
  return `${weekday(reading)} ${day} ${showTime(reading)} ${zoneName(clock, at)}`
}

/** Renders an instant. The page's script shows the UTC time in a tooltip. */
export const moment = (at: number, timezone: string, now: number): Html =>
  html`<time datetime="${format(at).slice(0, 19)}Z">${showDateTime(at, timezone, now)}</time>`

/** Renders an instant without its time zone, for lists with the time zone in the heading. */
export const bareMoment = (at: number, timezone: string, now: number): Html =>
  html`<time datetime="${format(at).slice(0, 19)}Z">${relativeTo(at, timezone, now, "")}</time>`

/** Formats a duration: `4 s`, `12 m`, `3 h 20 m`, `2 d 4 h`. */
export const showSpan = (ms: number): string => {
  if (ms < 0) return `-${showSpan(-ms)}`
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m`
  return Duration.format(ms)
}

/** Formats the time between an instant and now: `12 m ago`, `in 3 h 20 m`, `now`. */
export const showDistance = (at: number, now: number): string => {
  if (Math.abs(at - now) < 1000) return "now"
  return at < now ? `${showSpan(now - at)} ago` : `in ${showSpan(at - now)}`
}
