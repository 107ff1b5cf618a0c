import { oracleSlots, readClock } from "../support/ScheduleOracle.ts"

const HOUR = 3_600_000

/** When worlds start: on ordinary days and on days with DST transitions. */
export const STARTS: readonly [number, ...ReadonlyArray<number>] = [
  Date.UTC(2026, 10, 24, 1, 40),
  Date.UTC(2026, 10, 30, 23, 10),
  Date.UTC(2026, 11, 31, 22, 50),
  // Shortly before DST transitions: at 01:00Z in Oslo, and at 06:00Z (autumn) or 07:00Z (spring) in New York.
  Date.UTC(2026, 9, 24, 23, 50),
  Date.UTC(2026, 9, 25, 0, 20),
  Date.UTC(2027, 2, 28, 0, 25),
  Date.UTC(2026, 10, 1, 5, 15),
  Date.UTC(2027, 2, 14, 6, 20)
]

type Scheduled = readonly [expression: string, timezone: string]
type Some = readonly [Scheduled, ...ReadonlyArray<Scheduled>]

export const SCHEDULES: Readonly<Record<"seldom" | "hourly" | "often" | "never", Some>> = {
  seldom: [
    ["30 2 * * *", "Europe/Oslo"],
    ["0 2 * * *", "Europe/Oslo"],
    ["15 1,2,3 * * *", "America/New_York"],
    ["0 1-3 * * *", "Europe/Oslo"],
    ["5 0 * * *", "UTC"],
    ["0 8 * * *", "Asia/Kolkata"]
  ],
  hourly: [
    ["0 * * * *", "Europe/Oslo"],
    ["*/30 * * * *", "Europe/Oslo"],
    ["*/20 * * * *", "America/New_York"],
    ["7,37 * * * *", "UTC"],
    ["30 */15 * * * *", "Asia/Kathmandu"]
  ],
  often: [
    ["* * * * *", "UTC"],
    ["*/2 * * * *", "Europe/Oslo"],
    ["*/5 * * * *", "UTC"],
    ["*/5 * * * *", "Asia/Kolkata"],
    ["*/10 * * * *", "America/New_York"]
  ],
  never: [
    ["0 0 30 2 *", "UTC"],
    ["every night", "UTC"]
  ]
}

const known = new Map<string, ReadonlyArray<number>>()
const clocks = new Map<string, ReturnType<typeof readClock>>()

const isComputable = (expression: string): boolean =>
  SCHEDULES.never.every(([never]) => never !== expression)

/** Returns all slots around a world's start, from an oracle that shares no code with Domain/Schedule. */
const allSlots = (expression: string, timezone: string, start: number): ReadonlyArray<number> => {
  if (!isComputable(expression)) return []
  const key = `${start}|${timezone}|${expression}`
  const remembered = known.get(key)
  if (remembered !== undefined) return remembered
  const [from, to] = [start - 8 * HOUR, start + 36 * HOUR]
  const clockKey = `${start}|${timezone}`
  const clock = clocks.get(clockKey) ?? readClock(timezone, from, to)
  clocks.set(clockKey, clock)
  const slots = oracleSlots(expression, clock, from, to)
  known.set(key, slots)
  return slots
}

/** Returns the slots in (after, upTo]. */
export const slotsBetween = (
  expression: string,
  timezone: string,
  start: number,
  after: number,
  upTo: number
): ReadonlyArray<number> => {
  const slots = allSlots(expression, timezone, start)
  return slots.slice(indexAfter(slots, after), indexAfter(slots, upTo))
}

/** Returns the number of slots at or before an instant. */
const indexAfter = (slots: ReadonlyArray<number>, instant: number): number => {
  let [low, high] = [0, slots.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((slots[middle] ?? 0) <= instant) low = middle + 1
    else high = middle
  }
  return low
}
