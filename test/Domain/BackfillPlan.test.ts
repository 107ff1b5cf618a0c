import { describe, expect, test } from "bun:test"
import { type Backfill, nextStep, slotsWithoutRow } from "../../src/Domain/BackfillPlan.ts"
import { type Segment, sequenceOf } from "../../src/Domain/History.ts"

const HOUR = 3_600_000
const midnight = Date.UTC(2026, 2, 10)
const hour = (n: number): number => midnight + n * HOUR

const segment = (more: Partial<Segment> = {}): Segment => ({
  from: hour(-100),
  to: null,
  first_slot: null,
  since: null,
  schedule: "0 * * * *",
  timezone: "UTC",
  enabled: true,
  version: 1,
  ...more
})

const backfill = (more: Partial<Backfill> = {}): Backfill => ({
  backfill_id: "00000000-0000-4000-8000-000000000001",
  integration_id: "00000000-0000-4000-8000-000000000002",
  org_id: "00000000-0000-4000-8000-000000000003",
  schedule_version: 7,
  cursor: null,
  after: hour(0) - 1,
  to: hour(4),
  known_until: hour(4),
  history: [segment()],
  slots: [],
  ...more
})

const step = (more: Partial<Backfill>) => {
  const { backfill: part, scheduled_for } = nextStep(backfill(more))
  const relative = (ms: number) => (ms - midnight) / HOUR
  return [
    scheduled_for === null ? null : relative(scheduled_for),
    part === undefined ? null : relative(part.next_cursor),
    part?.done
  ]
}

describe("the next step of a request for 00:00 to 04:00", () => {
  test("is to claim the oldest remaining slot, from the first to the last", () => {
    expect(step({})).toEqual([0, 0, false])
    expect(step({ cursor: hour(1), after: hour(1) })).toEqual([2, 2, false])
    expect(step({ cursor: hour(2), after: hour(2) })).toEqual([3, 3, true])
  })

  test("skips slots with a row, and ends the request if only such slots remain", () => {
    expect(step({ slots: [hour(0), hour(1)] })).toEqual([2, 2, false])
    expect(step({ slots: [hour(0), hour(2), hour(3)] })).toEqual([1, 1, true])
  })

  test("ends the request if no slot remains", () => {
    const end = (hour(4) - 1 - midnight) / HOUR
    expect(step({ slots: [hour(0), hour(1), hour(2), hour(3)] })).toEqual([null, end, true])
    expect(step({ after: hour(9), cursor: hour(9) })).toEqual([null, 9, true])
  })

  test("moves the cursor without ending the request if only a part of the slots is known", () => {
    const part = { known_until: hour(2), slots: [hour(0), hour(1)] }
    expect(step(part)).toEqual([null, (hour(2) - 1 - midnight) / HOUR, false])
    expect(step({ ...part, slots: [hour(0)] })).toEqual([1, 1, false])
  })

  test("has the trigger backfill and does not change the schedule", () => {
    expect(nextStep(backfill())).toMatchObject({
      trigger: "backfill",
      schedule_version: 7,
      expected_next_run_at: null,
      next_run_at: null,
      skipped_range: null,
      schedule_error: null
    })
  })
})

test("each slot of each schedule version is listed once, including those of disabled periods", () => {
  const history = [
    segment({ to: hour(2) }),
    segment({ from: hour(2), to: hour(4), schedule: "30 * * * *", enabled: false }),
    segment({ from: hour(4), to: hour(5), schedule: "61 * * * *" }),
    segment({ from: hour(5), to: hour(6), schedule: null }),
    segment({ from: hour(6), first_slot: hour(6.25), timezone: "Asia/Kathmandu" })
  ]
  const slots = [...slotsWithoutRow(history, [hour(1)], hour(0), hour(8))]
  expect(slots.map((slot) => (slot - midnight) / HOUR)).toEqual([2, 2.5, 3.5, 6.25, 7.25])
})

test("a schedule that cannot be computed is reported with its reason", () => {
  expect(sequenceOf(segment({ schedule: "61 * * * *" }))._tag).toBe("Left")
})
