import { describe, expect, test } from "bun:test"
import { FastCheck as fc } from "effect"
import { type Audited, audit } from "../../src/Domain/AuditReport.ts"
import type { Segment } from "../../src/Domain/History.ts"
import { oracleSlots, readClock } from "../support/ScheduleOracle.ts"

const at = (text: string): number => Date.parse(`2026-03-${text}Z`)
const HOUR = 3_600_000
const DAY = 24 * HOUR

const segment = (more: Partial<Segment> = {}): Segment => ({
  from: at("01T00:00:00"),
  to: null,
  first_slot: null,
  since: null,
  schedule: "0 * * * *",
  timezone: "UTC",
  enabled: true,
  version: 1,
  ...more
})

const audited = (more: Partial<Audited> = {}): Audited => ({
  integration_id: "i",
  org_id: "o",
  integration_type: "xledger",
  deleted: false,
  next_run_at: at("02T04:00:00"),
  schedule_since: at("01T00:00:00"),
  from: at("02T00:00:00"),
  to: at("02T06:00:00"),
  history: [segment()],
  slots: [],
  ranges: [],
  ...more
})

const hours = (...each: ReadonlyArray<number>) =>
  each.map((hour) => at("02T00:00:00") + hour * HOUR)
const holesOf = (one: Audited) =>
  audit(one).holes.map(({ count, from, to }) => [
    (from - at("02T00:00:00")) / HOUR,
    (to - at("02T00:00:00")) / HOUR,
    count
  ])

describe("the audit of an hourly schedule from 00:00 to 06:00 whose next run is 04:00", () => {
  test("finds no hole and two open slots if every slot before the next run has a row", () => {
    expect(audit(audited({ slots: hours(0, 1, 2, 3) }))).toEqual({
      slots: 6,
      recorded: 4,
      skipped_slots: 0,
      open: 2,
      missing: 0,
      holes: [],
      unreadable: []
    })
  })

  test("finds one hole for consecutive slots, and two if a row separates them", () => {
    expect(holesOf(audited())).toEqual([[0, 3, 4]])
    expect(holesOf(audited({ slots: hours(2) }))).toEqual([
      [0, 1, 2],
      [3, 3, 1]
    ])
  })

  test("counts the slots inside a range, including its ends, but not slots with a row", () => {
    const [one = 0, three = 0] = hours(1, 3)
    const covered = audited({ slots: hours(0, 2), ranges: [[one, three]] })
    expect(audit(covered)).toMatchObject({ recorded: 2, skipped_slots: 2, open: 2, missing: 0 })
    expect(holesOf(audited({ slots: hours(0), ranges: [[one, three - 1]] }))).toEqual([[3, 3, 1]])
  })

  test("counts an early row of an open slot", () => {
    const early = audited({ slots: hours(0, 1, 2, 3, 5) })
    expect(audit(early)).toMatchObject({ recorded: 5, open: 1, missing: 0 })
  })

  test("finds only open slots without a next run", () => {
    const [one = 0] = hours(1)
    expect(
      audit(audited({ next_run_at: null, schedule_since: one, slots: hours(0, 1) }))
    ).toMatchObject({ recorded: 2, open: 4, missing: 0 })
  })

  test("finds no open slots for a deleted integration", () => {
    const gone = audited({
      deleted: true,
      next_run_at: null,
      schedule_since: null,
      history: [segment({ to: at("02T02:30:00") })],
      slots: hours(0, 1)
    })
    expect(holesOf(gone)).toEqual([[2, 2, 1]])
  })
})

describe("schedule versions", () => {
  test("a slot at the instant of an edit belongs to the version before it", () => {
    const noon = at("02T02:00:00")
    const edited = (slots: ReadonlyArray<number>) =>
      audited({
        next_run_at: at("03T00:00:00"),
        history: [
          segment({ to: noon }),
          segment({ from: noon, schedule: "0 0 * * *", version: 2 })
        ],
        slots
      })
    expect(holesOf(edited(hours(0, 1, 2)))).toEqual([])
    expect(holesOf(edited(hours(0, 1)))).toEqual([[2, 2, 1]])
  })

  test("a known first slot can be off the grid, and no slot precedes it", () => {
    const odd = at("02T01:17:23")
    const first = segment({ from: at("01T00:00:00"), first_slot: odd })
    expect(holesOf(audited({ history: [first], slots: [odd, ...hours(2, 3)] }))).toEqual([])
    expect(audit(audited({ history: [first], slots: hours(2, 3) })).holes).toMatchObject([
      { from: odd, to: odd, count: 1 }
    ])
  })

  test("slots before the adoption do not count", () => {
    const adopted = segment({ from: at("01T00:00:00"), since: at("02T01:30:00") })
    expect(holesOf(audited({ history: [adopted], slots: hours(2, 3) }))).toEqual([])
  })

  test("no slot is expected while an integration is disabled or has no schedule", () => {
    const off = [segment({ enabled: false }), segment({ schedule: null })]
    expect(audit(audited({ history: off }))).toMatchObject({ slots: 0, missing: 0 })
  })

  test("a version that cannot be computed is reported, and is not a hole", () => {
    const bad = segment({ schedule: "61 * * * *", to: at("02T02:30:00") })
    const good = segment({ from: at("02T02:30:00") })
    const { missing, unreadable } = audit(audited({ history: [bad, good], slots: hours(3) }))
    expect(missing).toBe(0)
    expect(unreadable).toMatchObject([
      { from: at("02T00:00:00"), to: at("02T02:30:00"), schedule: "61 * * * *" }
    ])
    expect(unreadable[0]?.why).toContain("61")
  })
})

test("a year of a one-second schedule without rows is one hole, found in less than a second", () => {
  const started = performance.now()
  const whole = audited({
    from: at("01T00:00:00"),
    to: at("01T00:00:00") + 365 * DAY,
    next_run_at: at("01T00:00:00") + 400 * DAY,
    history: [segment({ schedule: "* * * * * *", from: 0 })]
  })
  expect(audit(whole).holes).toMatchObject([{ count: 365 * 86_400 }])
  expect(performance.now() - started).toBeLessThan(5_000)
})

const schedules = ["*/10 * * * *", "0 */3 * * *", "30 2 * * *", "5,35 1-3 * * *", "0 0 1,15 * MON"]
const zones = ["UTC", "Europe/Oslo", "America/New_York"]
const window = { from: at("25T00:00:00"), to: at("31T00:00:00") }
const readings = new Map(zones.map((zone) => [zone, readClock(zone, window.from, window.to)]))
const minute = fc.integer({ min: 0, max: (window.to - window.from) / 60_000 })
const instant = fc
  .tuple(minute, fc.constantFrom(0, 0, 1, 59_999))
  .map(([minutes, ms]) => window.from + minutes * 60_000 + ms)

/** Computes the holes from their definition: expected slots in the past without a row or a range. */
const naive = (one: Audited): ReadonlyArray<number> =>
  one.history.flatMap((part) => {
    const clock = readings.get(part.timezone)
    if (!part.enabled || part.schedule === null || clock === undefined) return []
    const lower = part.first_slot ?? part.since ?? part.from
    const grid = oracleSlots(part.schedule, clock, lower, part.to ?? one.to)
    const open = part.to === null ? (one.next_run_at ?? Number.POSITIVE_INFINITY) : Infinity
    return [...(part.first_slot === null ? [] : [part.first_slot]), ...grid].filter(
      (slot) =>
        slot >= one.from &&
        slot < one.to &&
        slot <= (part.to ?? one.to) &&
        slot < open &&
        !one.slots.includes(slot) &&
        !one.ranges.some(([first, last]) => first <= slot && slot <= last)
    )
  })

test("for any records, the holes are exactly the expected slots without a row or range", () => {
  const histories = fc.record({
    cuts: fc.uniqueArray(instant, { maxLength: 3 }),
    parts: fc.array(
      fc.record({
        schedule: fc.constantFrom(...schedules),
        timezone: fc.constantFrom(...zones),
        enabled: fc.constantFrom(true, true, true, false),
        first: fc.option(minute, { freq: 3 })
      }),
      { minLength: 4, maxLength: 4 }
    ),
    next: fc.option(instant),
    /** `rows` tells which expected slots have a row. `odd` lists rows at instants that might not be slots. */
    rows: fc.infiniteStream(fc.boolean()),
    ranges: fc.array(fc.tuple(instant, fc.integer({ min: 0, max: 2 * DAY })), { maxLength: 4 }),
    odd: fc.array(instant, { maxLength: 5 })
  })
  fc.assert(
    fc.property(histories, ({ cuts, next, odd, parts, ranges, rows }) => {
      const borders = [window.from - 2 * DAY, ...cuts.toSorted((a, b) => a - b)]
      const history = borders.map((from, n): Segment => {
        const { first = null, ...rest } = parts[n] ?? {}
        const first_slot = first === null || n === 0 ? null : from + first * 1_000
        return segment({ ...rest, from, to: borders[n + 1] ?? null, first_slot })
      })
      const bare = audited({
        ...window,
        next_run_at: next,
        schedule_since: window.from - 2 * DAY,
        history
      })
      const expected = naive({ ...bare, next_run_at: window.to })
      const merged = ranges
        .map(([from, length]) => [from, from + length] as const)
        .toSorted((a, b) => a[0] - b[0])
        .reduce<Array<readonly [number, number]>>((list, [from, to]) => {
          const last = list.at(-1)
          if (last !== undefined && from <= last[1])
            list[list.length - 1] = [last[0], Math.max(last[1], to)]
          else list.push([from, to])
          return list
        }, [])
      const slots = [...new Set([...expected.filter(() => rows.next().value), ...odd])]
      const one = audited({
        ...bare,
        next_run_at: next ?? window.to,
        slots: slots.toSorted((a, b) => a - b),
        ranges: merged
      })
      const verdict = audit(one)
      const missing = naive(one)
      expect(verdict.missing).toBe(missing.length)
      for (const { count, from, to } of verdict.holes) {
        const inside = missing.filter((slot) => from <= slot && slot <= to)
        expect(inside.length).toBeGreaterThanOrEqual(count)
        expect(missing).toContain(from)
        expect(missing).toContain(to)
      }
      const { holes: _, missing: __, open, skipped_slots, recorded, slots: all } = verdict
      expect(recorded + skipped_slots + open + verdict.missing).toBe(all)
    }),
    { numRuns: 60 }
  )
})
