import { describe, expect, test } from "bun:test"
import { type CatchUpPolicy, decideCatchUp } from "../../src/Domain/CatchUp.ts"
import type { DueIntegration } from "../../src/Domain/Integration.ts"

const at = (text: string): number => Date.parse(`2026-11-24T${text}Z`)
const minutes = (n: number): number => n * 60_000
const policy: CatchUpPolicy = { driftAlertMs: minutes(5), catchUpWindowMs: minutes(60) }

const due = (row: Partial<DueIntegration>): DueIntegration => ({
  integration_id: "00000000-0000-4000-8000-000000000001",
  org_id: "00000000-0000-4000-8000-000000000002",
  integration_type: "xledger",
  sync_schedule: "*/15 * * * *",
  timezone: "UTC",
  next_run_at: at("02:00:00.000"),
  schedule_version: 1,
  schedule_since: at("00:00:00.000"),
  catch_up: "latest",
  catch_up_window_ms: null,
  ...row
})

const chosen = (row: Partial<DueIntegration>, now: number) => {
  const { scheduled_for, next_run_at, skipped_range, trigger } = decideCatchUp(
    due(row),
    now,
    policy
  )
  return { scheduled_for, next_run_at, skipped_range, trigger }
}

describe("one slot due", () => {
  test("runs if it is on time, and the next slot follows", () =>
    expect(chosen({}, at("02:00:04.000"))).toEqual({
      scheduled_for: at("02:00:00.000"),
      next_run_at: at("02:15:00.000"),
      skipped_range: null,
      trigger: "schedule"
    }))

  test("is a catch-up run if it is later than the drift alert", () =>
    expect(chosen({}, at("02:05:00.001")).trigger).toBe("catch_up"))

  test("can be off the grid of the cron expression", () =>
    expect(chosen({ next_run_at: at("02:01:07.123") }, at("02:02:00.000"))).toEqual({
      scheduled_for: at("02:01:07.123"),
      next_run_at: at("02:15:00.000"),
      skipped_range: null,
      trigger: "schedule"
    }))
})

describe("a schedule without a computed first slot", () => {
  test("is counted from schedule_since, not from now", () =>
    expect(
      chosen({ next_run_at: null, schedule_since: at("01:59:30.000") }, at("02:00:10.000"))
    ).toMatchObject({ scheduled_for: at("02:00:00.000"), next_run_at: at("02:15:00.000") }))

  test("moves next_run_at only, if it is in the future", () =>
    expect(
      chosen({ next_run_at: null, schedule_since: at("02:00:00.000") }, at("02:00:10.000"))
    ).toEqual({
      scheduled_for: null,
      next_run_at: at("02:15:00.000"),
      skipped_range: null,
      trigger: "schedule"
    }))
})

describe("several slots due", () => {
  const now = at("03:31:00.000")

  test("latest runs the newest slot at any age, and records the others as one range", () =>
    expect(chosen({}, now)).toEqual({
      scheduled_for: at("03:30:00.000"),
      next_run_at: at("03:45:00.000"),
      skipped_range: {
        from: at("02:00:00.000"),
        to: at("03:15:00.000"),
        count: 6,
        reason: "superseded"
      },
      trigger: "schedule"
    }))

  test("all runs the oldest slot inside the window first, and records the older ones as one range", () =>
    expect(chosen({ catch_up: "all" }, now)).toEqual({
      scheduled_for: at("02:45:00.000"),
      next_run_at: at("03:00:00.000"),
      skipped_range: {
        from: at("02:00:00.000"),
        to: at("02:30:00.000"),
        count: 3,
        reason: "outside_window"
      },
      trigger: "catch_up"
    }))

  test("all uses the integration's own window", () =>
    expect(chosen({ catch_up: "all", catch_up_window_ms: minutes(600) }, now)).toMatchObject({
      scheduled_for: at("02:00:00.000"),
      next_run_at: at("02:15:00.000"),
      skipped_range: null
    }))

  test("all only moves next_run_at if no slot is inside the window", () =>
    expect(
      chosen(
        { catch_up: "all", catch_up_window_ms: minutes(1), next_run_at: at("02:00:00.000") },
        at("02:14:00.000")
      )
    ).toEqual({
      scheduled_for: null,
      next_run_at: at("02:15:00.000"),
      skipped_range: {
        from: at("02:00:00.000"),
        to: at("02:00:00.000"),
        count: 1,
        reason: "outside_window"
      },
      trigger: "schedule"
    }))

  test("skip runs the newest slot if it is on time, and skips the missed slots", () =>
    expect(chosen({ catch_up: "skip" }, now)).toMatchObject({
      scheduled_for: at("03:30:00.000"),
      skipped_range: {
        from: at("02:00:00.000"),
        to: at("03:15:00.000"),
        count: 6,
        reason: "catch_up_skip"
      }
    }))

  test("skip runs no slot if even the newest is late", () =>
    expect(chosen({ catch_up: "skip" }, at("03:40:00.000"))).toEqual({
      scheduled_for: null,
      next_run_at: at("03:45:00.000"),
      skipped_range: {
        from: at("02:00:00.000"),
        to: at("03:30:00.000"),
        count: 7,
        reason: "catch_up_skip"
      },
      trigger: "schedule"
    }))
})

describe("a schedule that cannot be computed", () => {
  for (const [row, text] of [
    [{ sync_schedule: "61 * * * *" }, "61"],
    [{ timezone: "Europe/Atlantis" }, "Europe/Atlantis"],
    [{ sync_schedule: "0 0 30 2 *" }, "0 0 30 2 *"]
  ] as const) {
    test(`${JSON.stringify(row)} becomes a schedule_error`, () => {
      const slot = decideCatchUp(due(row), at("03:00:00.000"), policy)
      expect(slot).toMatchObject({ scheduled_for: null, next_run_at: null })
      expect(slot.schedule_error).toContain(text)
      expect(slot.schedule_error).toMatch(/[^.]\. [A-Z]/)
    })
  }
})

test("a month of missed minutes is resolved in one step", () => {
  const slot = decideCatchUp(
    due({ sync_schedule: "* * * * *" }),
    at("02:00:30.000") + minutes(30 * 1440),
    policy
  )
  expect(slot.skipped_range?.count).toBe(30 * 1440)
})
