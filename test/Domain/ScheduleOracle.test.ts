import { describe, expect, it } from "bun:test"
import { Either } from "effect"
import * as Schedule from "../../src/Domain/Schedule/Schedule.ts"
import * as Oracle from "../support/ScheduleOracle.ts"

// A sample of the cases that scripts/compare-schedules.ts checks in full.

const DAY = 86_400_000
const FROM = Date.UTC(2024, 0, 1)
const TO = Date.UTC(2031, 0, 1)

/** Returns the number of slots compared. *Throws* on the first mismatch. */
const compare = (timezone: string, after: number, upTo: number): number => {
  const clock = Oracle.readClock(timezone, after, upTo)
  let compared = 0
  for (const expression of Oracle.EXPRESSIONS) {
    const expected = Oracle.oracleSlots(expression, clock, after, upTo)
    const parsed = Schedule.parse(expression, timezone)
    if (Either.isLeft(parsed)) {
      expect(expected).toEqual([])
      expect(parsed.left.reason).toBe("Impossible")
      continue
    }
    const actual = Schedule.between(parsed.right, after, upTo, Number.POSITIVE_INFINITY)
    const differs = actual.findIndex((slot, index) => slot !== expected[index])
    const where = { timezone, expression, length: expected.length }
    const summary = Schedule.summarise(parsed.right, after, upTo)
    expect({ ...where, differs: -1, count: expected.length }).toEqual({
      ...where,
      length: actual.length,
      differs,
      count: summary.count
    })
    compared += expected.length
  }
  return compared
}

describe("the schedule and an oracle that steps through real minutes agree", () => {
  it("in every zone whose clock changes from 2024 to 2030, around two of its changes", () => {
    const zones = Intl.supportedValuesOf("timeZone").flatMap((timezone) => {
      const days = Oracle.daysWithChange(timezone, FROM, TO)
      return days.length === 0 ? [] : [{ timezone, days }]
    })
    expect(zones.length).toBeGreaterThan(100)
    let compared = 0
    for (const [index, { days, timezone }] of zones.entries()) {
      // Two consecutive clock changes, usually one forward and one back, in a year that varies by zone.
      const chosen = (index * 2) % days.length
      for (const day of days.slice(chosen, chosen + 2)) {
        compared += compare(timezone, day, day + 1.5 * DAY)
      }
    }
    expect(compared).toBeGreaterThan(900_000)
  }, 120_000)

  it("in a whole year", () => {
    const [from, to] = [Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1)]
    expect(compare("Europe/Oslo", from, to)).toBeGreaterThan(800_000)
  }, 120_000)

  it.each([
    ["Pacific/Apia", "2011-12-30", "a day left out"],
    ["Pacific/Kwajalein", "1993-08-20", "a day left out"],
    ["America/Caracas", "2016-05-01", "half an hour, permanently"],
    ["Asia/Pyongyang", "2018-05-04", "half an hour, permanently"],
    ["America/Asuncion", "2024-10-06", "summer time, permanently"],
    ["Antarctica/Troll", "2030-10-27", "two hours"],
    ["Antarctica/Casey", "2012-02-21", "three hours back"],
    ["Asia/Beirut", "2027-03-28", "at midnight"],
    ["America/Havana", "2028-11-05", "back over midnight"],
    ["Africa/Cairo", "2030-10-31", "back over midnight"],
    ["Africa/El_Aaiun", "2029-01-14", "Ramadan"]
  ])("for %s, %s: %s", (timezone, date) => {
    const day = Date.parse(date)
    expect(compare(timezone, day - 2 * DAY, day + 2 * DAY)).toBeGreaterThan(1000)
  })
})
