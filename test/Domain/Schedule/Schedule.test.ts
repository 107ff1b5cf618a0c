import { describe, expect, it } from "bun:test"
import { Cron } from "croner"
import { Either, FastCheck as fc, Option } from "effect"
import * as Schedule from "../../../src/Domain/Schedule/Schedule.ts"
import { EXPRESSIONS } from "../../support/ScheduleOracle.ts"

const DAY = 86_400_000

const ms = (iso: string): number => Date.parse(iso)
const iso = (instant: number): string => new Date(instant).toISOString().replace(":00.000Z", "Z")

const schedule = (expression: string, timezone = "Europe/Oslo"): Schedule.Schedule =>
  Either.getOrThrowWith(Schedule.parse(expression, timezone), (error) => error)

const slots = (
  expression: string,
  after: string,
  upTo: string,
  timezone?: string
): ReadonlyArray<string> =>
  Schedule.between(schedule(expression, timezone), ms(after), ms(upTo), 1000).map(iso)

const refusal = (expression: string, timezone = "Europe/Oslo") =>
  Either.getOrThrowWith(Either.flip(Schedule.parse(expression, timezone)), () => expression)

const spring = ["2026-03-28T12:00Z", "2026-03-29T22:00Z"] as const
const autumn = ["2026-10-24T12:00Z", "2026-10-25T12:00Z"] as const

it("spaces around a zone's name are ignored", () => {
  for (const zone of [" Europe/Oslo", "Europe/Oslo ", "\tEurope/Oslo\n", "\u00a0Europe/Oslo"]) {
    expect(slots("30 2 * * *", ...autumn, zone)).toEqual(["2026-10-25T00:30Z"])
  }
  expect(refusal("0 2 * * *", "Europe / Oslo")).toMatchObject({ reason: "Timezone" })
  expect(refusal("0 2 * * *", "  ")).toMatchObject({ reason: "Timezone" })
})

describe("a fixed time", () => {
  it("inside the gap runs at the first valid instant after the gap", () => {
    expect(slots("30 2 * * *", ...spring)).toEqual(["2026-03-29T01:00Z"])
  })

  it("in the repeated hour runs only the first time", () => {
    expect(slots("30 2 * * *", ...autumn)).toEqual(["2026-10-25T00:30Z"])
  })

  it("does not run again if the search starts inside the second pass", () => {
    const after = ms("2026-10-25T01:10Z")
    expect(Schedule.next(schedule("30 2 * * *"), after)).toEqual(
      Option.some(ms("2026-10-26T01:30Z"))
    )
  })

  it("runs once if a gap moves several times to the same instant", () => {
    expect(slots("0,30 2 * * *", ...spring)).toEqual(["2026-03-29T01:00Z"])
    expect(slots("0,30 2,3 * * *", ...spring)).toEqual(["2026-03-29T01:00Z", "2026-03-29T01:30Z"])
  })

  it("is distinguished from an interval by its spelling, not by its meaning", () => {
    const [after, upTo] = ["2026-10-25T00:30Z", "2026-10-25T03:30Z"]
    expect(slots("0 0-23 * * *", after, upTo)).toEqual(["2026-10-25T02:00Z", "2026-10-25T03:00Z"])
    expect(slots("0 */1 * * *", after, upTo)).toHaveLength(3)
    expect(slots("* 30 2 * * *", "2026-03-28T12:00Z", "2026-03-29T22:00Z")).toHaveLength(1)
  })

  it("at a midnight that does not exist runs when the day begins", () => {
    // Cairo's clocks jump from 00:00 to 01:00 on 2026-04-24. Havana's go back from 01:00 to 00:00 on 2026-11-01.
    expect(slots("@daily", "2026-04-23T12:00Z", "2026-04-24T12:00Z", "Africa/Cairo")).toEqual([
      "2026-04-23T22:00Z"
    ])
    expect(slots("@daily", "2026-10-31T12:00Z", "2026-11-01T12:00Z", "America/Havana")).toEqual([
      "2026-11-01T04:00Z"
    ])
  })

  it("on a day that does not exist runs when the next day begins", () => {
    expect(slots("0 8 * * *", "2011-12-29T20:00Z", "2011-12-31T00:00Z", "Pacific/Apia")).toEqual([
      "2011-12-30T10:00Z",
      "2011-12-30T18:00Z"
    ])
  })
})

describe("an interval-like schedule", () => {
  it("runs in both passes of a repeated hour", () => {
    const [after, upTo] = ["2026-10-24T23:45Z", "2026-10-25T02:00Z"]
    expect(slots("*/30 * * * *", after, upTo)).toEqual([
      "2026-10-25T00:00Z",
      "2026-10-25T00:30Z",
      "2026-10-25T01:00Z",
      "2026-10-25T01:30Z",
      "2026-10-25T02:00Z"
    ])
  })

  it("has no missing and no extra slot at a gap", () => {
    const after = "2026-03-28T22:30Z"
    for (const expression of ["0 * * * *", "@hourly"]) {
      expect(slots(expression, after, "2026-03-29T03:30Z")).toEqual([
        "2026-03-28T23:00Z",
        "2026-03-29T00:00Z",
        "2026-03-29T01:00Z",
        "2026-03-29T02:00Z",
        "2026-03-29T03:00Z"
      ])
    }
    expect(slots("*/15 2 * * *", ...spring)).toEqual([])
  })

  it("follows offset changes of half an hour and of two hours", () => {
    const half = slots("0 * * * *", "2026-04-04T13:30Z", "2026-04-04T16:45Z", "Australia/Lord_Howe")
    expect(half).toEqual(["2026-04-04T14:00Z", "2026-04-04T15:30Z", "2026-04-04T16:30Z"])
    const two = slots("0 * * * *", "2026-03-28T23:30Z", "2026-03-29T02:30Z", "Antarctica/Troll")
    expect(two).toEqual(["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z"])
  })
})

describe("the fields of an expression", () => {
  it("begin with seconds if there are six", () => {
    const [after, upTo] = ["2026-06-01T00:29:45Z", "2026-06-01T00:30:15Z"]
    expect(slots("*/15 30 2 * * *", after, upTo)).toEqual([
      "2026-06-01T00:30Z",
      "2026-06-01T00:30:15.000Z"
    ])
  })

  it("match either the day of month or the weekday, unless one of the two is a bare star", () => {
    const days = (expression: string): ReadonlyArray<number> =>
      slots(expression, "2026-06-01T00:00Z", "2026-06-15T12:00Z", "UTC").map((slot) =>
        Number(slot.slice(8, 10))
      )
    expect(days("0 6 3 * MON")).toEqual([1, 3, 8, 15])
    expect(days("0 6 * * MON")).toEqual([1, 8, 15])
    expect(days("0 6 3,4 * *")).toEqual([3, 4])
    expect(days("0 6 */2 * MON")).toEqual([1, 3, 5, 7, 8, 9, 11, 13, 15])
    expect(days("0 6 3 * */7")).toEqual([3, 7, 14])
  })

  it("can be names, L, W, # and nicknames", () => {
    const year = (expression: string): ReadonlyArray<string> =>
      slots(expression, "2026-01-01T00:00Z", "2026-04-01T00:00Z", "UTC").map((s) => s.slice(5, 10))
    expect(year("0 1 L * *")).toEqual(["01-31", "02-28", "03-31"])
    expect(year("0 1 LW * *")).toEqual(["01-30", "02-27", "03-31"])
    expect(year("0 1 1W * *")).toEqual(["01-01", "02-02", "03-02"])
    expect(year("0 1 * * fri#2")).toEqual(["01-09", "02-13", "03-13"])
    expect(year("0 1 * * 5L")).toEqual(["01-30", "02-27", "03-27"])
    expect(year("0 1 1 jan-mar *")).toEqual(["01-01", "02-01", "03-01"])
    expect(year("@Monthly")).toEqual(["02-01", "03-01", "04-01"])
    expect(year(" @weekly ").slice(0, 2)).toEqual(["01-04", "01-11"])
  })

  it("can match dates that are decades apart", () => {
    const rare = schedule("0 0 * 2 MON#5", "UTC")
    const found = Schedule.between(rare, ms("2024-01-01T00:00Z"), ms("2150-01-01T00:00Z"), 9)
    expect(found.map((slot) => new Date(slot).getUTCFullYear())).toEqual([2044, 2072, 2112, 2140])
    expect(Schedule.next(rare, ms("2072-03-01T00:00Z"))).toEqual(
      Option.some(ms("2112-02-29T00:00Z"))
    )
  })
})

describe("an invalid schedule", () => {
  const cases: ReadonlyArray<readonly [expression: string, detail: string, hint: string]> = [
    ["", "empty", "Write five fields"],
    ["   ", "empty", "Write five fields"],
    ["* * * *", "4 fields", "minute hour day-of-month month day-of-week"],
    ["0 0 12 * * MON 2027", "7 fields", "Leave out the year"],
    ["2027-01-01", "1 field;", "0 2 * * * is every day at 02:00"],
    ["2027-01-01T00:00:00", 'character ":"', "manual trigger"],
    ["@reboot", '"@reboot" is not known', "@daily"],
    ["0 0 ? * MON", 'character "?"', "Write * instead"],
    ["0 0 13 * +FRI", 'character "+"', "either matches"],
    ["CRON-TZ=UTC 0 0 * * *", 'character "="', "a separate setting"],
    ["\u0663 * * * *", "character", "Use digits"],
    ["5/15 * * * *", 'minute "5/15"', "Write 5-59/15."],
    ["0 /6 * * *", 'hour "/6"', "Write */6."],
    ["0 0 5/x * *", 'day-of-month "5/x"', "Write 5-31/2."],
    ["*/90 * * * *", "from 1 to 60", "restarts"],
    ["*/0 * * * *", "from 1 to 60", "restarts"],
    ["61 * * * *", "61 is out of range", "0 to 59"],
    ["0 24 * * *", "24 is out of range", "0 to 23"],
    ["0 0 0 * *", "0 is out of range", "1 to 31"],
    ["0 0 * * 1-8", "8 is out of range", "0 to 7"],
    ["0 22-2 * * *", "reversed", "Write 22-23,0-2 "],
    ["0 0 * * SAT-MON", "reversed", "Write 6,0-1 "],
    ["0 0 1,,2 * *", "missing", "extra comma"],
    ["0 0 * * FOO", '"FOO"', "SUN MON TUE"],
    ["0 0 MON * *", '"MON"', "month and weekday fields"],
    ["0 0 L-3 * *", "L-3", "15W"],
    ["0 0 * * MON#6", "nth weekday", "MON#2"],
    [`0 0 1${",1".repeat(200)} * *`, "256 are allowed", "ranges"]
  ]

  it.each(cases)("is rejected for %p, with the reason and a fix", (expression, detail, hint) => {
    const error = refusal(expression)
    expect(error).toMatchObject({ _tag: "ScheduleError", reason: "Expression" })
    expect(error.detail).toContain(detail)
    expect(error.hint).toContain(hint)
    expect(error.expression.length).toBeLessThanOrEqual(256)
  })

  it.each(["+01:00", "CEST", "", "Mars/Base", "Europe /Oslo", "UTC 0", "x".repeat(999)])(
    "is rejected for the zone %p",
    (timezone) => {
      Schedule.parse("0 * * * *", "UTC")
      expect(refusal("* * * *".concat(" *"), timezone).reason).toBe("Timezone")
    }
  )

  it.each(["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31W 2 *", "*/10 2 * 3 SUNL"])(
    "is rejected for %p, which matches no time",
    (expression) => {
      expect(refusal(expression).reason).toBe("Impossible")
    }
  )

  it("never throws", () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[0-9*,/LW#@ A-Z-]{0,30}$/),
      fc
        .array(fc.stringMatching(/^[0-9*,/LW#FRI-]{1,5}$/), { minLength: 5, maxLength: 6 })
        .map((fields) => fields.join(" "))
    )
    fc.assert(
      fc.property(text, fc.oneof(fc.constant("UTC"), fc.string()), (expression, timezone) => {
        const parsed = Schedule.parse(expression, timezone)
        if (Either.isLeft(parsed)) expect(parsed.left.hint.length).toBeGreaterThan(0)
        else expect(Option.isSome(Schedule.next(parsed.right, 0))).toBe(true)
      }),
      { numRuns: 500 }
    )
  })
})

describe("summarise", () => {
  it("counts a month of seconds and a year of minutes", () => {
    const [from, to] = [ms("2026-01-01T00:00Z"), ms("2027-01-01T00:00Z")]
    const seconds = Schedule.summarise(schedule("* * * * * *"), from, from + 31 * DAY)
    expect(seconds).toEqual({
      count: 31 * 86_400,
      first: Option.some(from + 1000),
      latest: Option.some(from + 31 * DAY)
    })
    expect(Schedule.summarise(schedule("* * * * *"), from, to).count).toBe(365 * 1440)
    expect(Schedule.summarise(schedule("0-59 0-23 * * *"), from, to).count).toBe(365 * 1440 - 60)
  })

  it("counts slots that fall on the same instant once", () => {
    const { count, first } = Schedule.summarise(
      schedule("0,15,30,45 2,3 * * *"),
      ms(spring[0]),
      ms(spring[1])
    )
    expect(count).toBe(4)
    expect(first).toEqual(Option.some(ms("2026-03-29T01:00Z")))
  })

  it("is empty for an empty or impossible period", () => {
    const empty = { count: 0, first: Option.none(), latest: Option.none() }
    for (const [after, upTo] of [
      [5, 5],
      [10, 5],
      [Number.NaN, 5],
      [5, Number.NaN]
    ] as const) {
      expect(Schedule.summarise(schedule("* * * * *"), after, upTo)).toEqual(empty)
      expect(Schedule.between(schedule("@daily"), after, upTo, 9)).toEqual([])
      expect(Schedule.clockChanges(schedule("@daily"), after, upTo)).toEqual([])
    }
    expect(Schedule.next(schedule("@daily"), Number.NaN)).toEqual(Option.none())
    expect(Schedule.next(schedule("@daily"), Number.POSITIVE_INFINITY)).toEqual(Option.none())
  })
})

describe("clockChanges", () => {
  const effects = (expression: string, timezone?: string, from = "2026-10-01", to = "2027-04-01") =>
    Schedule.clockChanges(schedule(expression, timezone), ms(from), ms(to)).map(
      ({ at, effect, kind }) => `${iso(at)} ${kind}: ${effect}`
    )

  it("describes the effect on fixed times", () => {
    expect(effects("30 2 * * *")).toEqual([
      "2026-10-25T01:00Z overlap: 02:30 occurs twice on 2026-10-25; it runs once, the first time, at +02:00",
      "2027-03-28T01:00Z gap: 02:30 does not exist on 2027-03-28; it runs at 03:00 +02:00"
    ])
    expect(effects("0,30 2 * * *")).toEqual([
      "2026-10-25T01:00Z overlap: 02:00 and 02:30 occur twice on 2026-10-25; each runs once, the first time, at +02:00",
      "2027-03-28T01:00Z gap: 02:00 and 02:30 do not exist on 2027-03-28; they run once, together, at 03:00 +02:00"
    ])
  })

  it("describes the effect on intervals", () => {
    expect(effects("*/15 * * * *")).toEqual([
      "2026-10-25T01:00Z overlap: 02:00 to 02:45 (4 times) occur twice on 2026-10-25; they run both times, at +02:00 and at +01:00",
      "2027-03-28T01:00Z gap: 02:00 to 02:45 (4 times) do not exist on 2027-03-28; they are not run, and the next slot is 03:00 +02:00"
    ])
    expect(effects("*/30 2 * * *").at(1)).toEndWith(
      "they are not run, and the next slot is 2027-03-29 02:00 +02:00"
    )
  })

  it("names the day if the clock moves across midnight", () => {
    expect(effects("0 8 * * *", "Pacific/Apia", "2011-12-01", "2012-01-31")).toEqual([
      "2011-12-30T10:00Z gap: 08:00 does not exist on 2011-12-30; it runs at 2011-12-31 00:00 +14:00"
    ])
  })

  it("omits changes that do not affect the schedule", () => {
    expect(effects("30 3 * * *")).toEqual([])
    expect(effects("30 2 * * MON")).toEqual([])
    expect(effects("30 2 * * *", "UTC")).toEqual([])
    expect(effects("30 2 * * *", "Europe/Oslo", "2026-10-25T01:00Z", "2027-03-28T01:00Z")).toEqual([
      "2027-03-28T01:00Z gap: 02:30 does not exist on 2027-03-28; it runs at 03:00 +02:00"
    ])
  })
})

describe("describeInstant", () => {
  it("shows local time and zone, and the offset only for a repeated local time", () => {
    const describeAt = (at: string, timezone: string) => Schedule.describeInstant(ms(at), timezone)
    expect(describeAt("2026-11-20T01:00Z", "Europe/Oslo")).toBe("2026-11-20 02:00 Europe/Oslo")
    expect(describeAt("2026-11-20T01:00:07Z", "America/St_Johns")).toBe(
      "2026-11-19 21:30:07 America/St_Johns"
    )
    expect(describeAt("2026-11-20T01:00Z", "Mars/Base")).toBe("2026-11-20 01:00 UTC")
    expect(Schedule.describeInstant(Number.NaN, "UTC")).toBe("not an instant")
    const autumn = (at: string, timezone = "Europe/Oslo") =>
      describeAt(`2026-10-25T${at}Z`, timezone)
    expect(autumn("00:00")).toBe("2026-10-25 02:00 +02:00 Europe/Oslo")
    expect(autumn("01:59:59")).toBe("2026-10-25 02:59:59 +01:00 Europe/Oslo")
    expect(autumn("02:00")).toBe("2026-10-25 03:00 Europe/Oslo")
    expect(describeAt("2026-10-24T23:59:59Z", "Europe/Oslo")).toBe(
      "2026-10-25 01:59:59 Europe/Oslo"
    )
    expect(describeAt("2026-03-29T01:00Z", "Europe/Oslo")).toBe("2026-03-29 03:00 Europe/Oslo")
    // Lord Howe Island sets its clocks back by only half an hour.
    expect(describeAt("2026-04-04T14:29Z", "Australia/Lord_Howe")).toBe(
      "2026-04-05 01:29 Australia/Lord_Howe"
    )
    expect(describeAt("2026-04-04T14:30Z", "Australia/Lord_Howe")).toBe(
      "2026-04-05 01:30 +11:00 Australia/Lord_Howe"
    )
    expect(describeAt("2026-04-04T15:00Z", "Australia/Lord_Howe")).toBe(
      "2026-04-05 01:30 +10:30 Australia/Lord_Howe"
    )
  })
})

describe("shortInstant", () => {
  it("omits today's date, the current year and the zone", () => {
    const short = (at: string) =>
      Schedule.shortInstant(ms(at), "Europe/Oslo", ms("2026-11-20T08:12:04Z"))
    expect(short("2026-11-19T23:00Z")).toBe("00:00")
    expect(short("2026-11-19T22:59Z")).toBe("11-19 23:59")
    expect(short("2025-12-31T22:59:30Z")).toBe("2025-12-31 23:59:30")
    expect(short("2026-10-25T01:30Z")).toBe("10-25 02:30 +01:00")
  })
})

describe("every schedule", () => {
  const zone = fc.constantFrom(
    ...["Europe/Oslo", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll", "UTC"],
    ...["America/Asuncion", "Asia/Beirut", "America/Havana", "Africa/Cairo", "Pacific/Apia"],
    ...["Asia/Kathmandu", "America/St_Johns", "Pacific/Kwajalein", "Asia/Gaza"]
  )
  const field = (least: number, most: number) => {
    const value = fc.integer({ min: least, max: most })
    const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
    const step = fc.integer({ min: 1, max: most - least + 1 }).map((n) => `*/${n}`)
    return fc.oneof(
      fc.constant("*"),
      step,
      fc
        .array(fc.oneof(value.map(String), range), { minLength: 1, maxLength: 3 })
        .map((v) => v.join())
    )
  }
  const generated = fc
    .tuple(
      field(0, 59),
      field(0, 59),
      field(0, 23),
      fc.oneof(field(1, 31), fc.constantFrom("*", "L", "LW", "15W", "1W,31W")),
      fc.oneof(fc.constant("*"), field(1, 12)),
      fc.oneof(fc.constant("*"), field(0, 7), fc.constantFrom("MON#1", "5L", "0#5"))
    )
    .map((fields) => fields.join(" "))
  const instant = fc.integer({ min: ms("1985-01-01"), max: ms("2040-01-01") })
  const start = fc.oneof(instant, fc.constantFrom(...["2011-12-28", "1993-08-19"].map(ms)))
  const possible = (expression: string, timezone: string): Schedule.Schedule => {
    const parsed = Schedule.parse(expression, timezone)
    fc.pre(Either.isRight(parsed))
    return Either.getOrThrow(parsed)
  }

  it("has a next slot on a later whole second, and between and summarise agree with it", () => {
    const expression = fc.oneof(fc.constantFrom(...EXPRESSIONS), generated)
    const length = fc.integer({ min: 1, max: 40 * DAY })
    fc.assert(
      fc.property(expression, zone, start, length, (text, timezone, after, lasting) => {
        const subject = possible(text, timezone)
        const limit = 300
        const found = Schedule.between(subject, after, after + lasting, limit)
        let last = after
        for (const slot of found) {
          expect(slot % 1000).toBe(0)
          expect(slot).toBeGreaterThan(last)
          expect(Schedule.next(subject, last)).toEqual(Option.some(slot))
          last = slot
        }
        const upTo = found.length < limit ? after + lasting : last
        expect(Schedule.summarise(subject, after, upTo)).toEqual({
          count: found.length,
          first: Option.fromNullable(found.at(0)),
          latest: Option.fromNullable(found.at(-1))
        })
      }),
      { numRuns: 400 }
    )
  })

  it("has the same slots for a period and for its two parts", () => {
    fc.assert(
      fc.property(generated, zone, fc.tuple(instant, instant, instant), (text, timezone, cuts) => {
        const [a = 0, b = 0, c = 0] = [...cuts].sort((x, y) => x - y)
        const subject = possible(text, timezone)
        const count = (after: number, upTo: number): number =>
          Schedule.summarise(subject, after, upTo).count
        expect(count(a, b) + count(b, c)).toBe(count(a, c))
      }),
      { numRuns: 100 }
    )
  })

  it("has the same slots in UTC as in croner", () => {
    fc.assert(
      fc.property(generated, instant, (text, after) => {
        const subject = possible(text, "UTC")
        const expected = new Cron(text, { utcOffset: 0 }).nextRuns(20, new Date(after))
        const actual = Schedule.between(subject, after, Number.POSITIVE_INFINITY, 20)
        expect(actual.map(iso)).toEqual(expected.map((date) => iso(date.getTime())))
      }),
      { numRuns: 300 }
    )
  })
})
