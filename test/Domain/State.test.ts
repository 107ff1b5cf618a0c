import { describe, expect, test } from "bun:test"
import type { RunView } from "../../src/Domain/RunView.ts"
import type { Standing } from "../../src/Domain/Standing.ts"
import { APPEARANCE, compare, decide, needsAttention, StateName } from "../../src/Domain/State.ts"

const NOW = Date.UTC(2026, 10, 20, 8, 0)
const MINUTE = 60_000
const DRIFT = 5 * MINUTE

const run = (columns: Partial<RunView> = {}): RunView => ({
  run_id: "r",
  org_id: "o",
  integration_id: "i",
  integration_type: "xledger",
  scheduled_for: NOW - 10 * MINUTE,
  trigger: "schedule",
  status: "completed",
  skip_reason: null,
  attempt: 1,
  max_attempts: 3,
  claimed_by: "e-1",
  created_at: NOW - 10 * MINUTE,
  not_before: null,
  started_at: NOW - 10 * MINUTE,
  attempt_started_at: NOW - 10 * MINUTE,
  began_at: null,
  lease_until: null,
  finished_at: NOW - 9 * MINUTE,
  released_at: null,
  drift_ms: 500,
  duration_ms: 4_000,
  cold_start: false,
  ambiguous: false,
  http_status: 200,
  error_code: null,
  error_message: null,
  ...columns
})

const standing = (columns: Partial<Standing> = {}): Standing => ({
  integration_id: "i",
  org_id: "o",
  org_name: "Acme",
  integration_type: "xledger",
  schedule: "0 * * * *",
  timezone: "UTC",
  enabled: true,
  paused_reason: null,
  next_run_at: NOW + 30 * MINUTE,
  schedule_since: NOW - 86_400_000,
  schedule_error: null,
  breaker_until: null,
  consecutive_failures: 0,
  on_unknown: "retry",
  fenced: false,
  catch_up: "latest",
  max_attempts: 3,
  function_name: null,
  last_run: run(),
  live_run: null,
  last_completed_slot: NOW - 10 * MINUTE,
  failing_since: null,
  health: null,
  ...columns
})

const live = (columns: Partial<RunView>) => ({
  live_run: run({ status: "running", finished_at: null, lease_until: NOW + MINUTE, ...columns })
})
const failed = run({ status: "failed", http_status: 401, error_code: "REVOKED" })
const ticking = { verdict: "ticking", last_activity_at: NOW - 4_000 } as const
const stopped = { verdict: "stopped", last_activity_at: NOW - 20 * MINUTE } as const
const never = { verdict: "never", last_activity_at: null } as const
const stateOf = (
  columns: Partial<Standing>,
  pulse: typeof ticking | typeof stopped | typeof never = ticking
) => decide(standing(columns), { now: NOW, driftAlertMs: DRIFT, pulse })

describe("an integration is", () => {
  test.each<[string, Partial<Standing>, StateName, string]>([
    ["on time", {}, "on_time", "ran 10 m ago, took 4.0 s; next in 30 m"],
    [
      "on time while it is due since a moment",
      { next_run_at: NOW - MINUTE },
      "on_time",
      "the next one is due now"
    ],
    [
      "overdue when it is due for longer than the drift alert",
      { next_run_at: NOW - 12 * MINUTE },
      "overdue",
      "due 12 m ago, not started"
    ],
    [
      "not overdue while it runs, though its slot is past",
      { next_run_at: NOW - 12 * MINUTE, ...live({}) },
      "running",
      "try 1 has run for 10 m"
    ],
    [
      "overdue when its run is past its lease",
      live({ lease_until: NOW - 5 * MINUTE }),
      "overdue",
      "5 m past its time"
    ],
    [
      "running when the lease has just ended: the sweeper comes",
      live({ lease_until: NOW - 30_000 }),
      "running",
      "try 1"
    ],
    [
      "overdue when a run of somebody else's has no end",
      live({ lease_until: null, attempt_started_at: NOW - 45 * MINUTE }),
      "overdue",
      "15 m past"
    ],
    [
      "overdue when it was claimed and not started",
      live({ status: "pending", attempt: 0 }),
      "overdue",
      "claimed by e-1 for 10 m, not started"
    ],
    [
      "running when it was claimed just now",
      live({ status: "pending", attempt: 0, created_at: NOW }),
      "running",
      "starts with the next tick"
    ],
    [
      "running while it waits for its next try",
      live({ status: "pending", not_before: NOW + 40_000, error_code: "BOOT_ERROR" }),
      "running",
      "BOOT_ERROR; again in 40 s"
    ],
    [
      "overdue when its computed slot is missing for long",
      { next_run_at: null },
      "overdue",
      "not been computed"
    ],
    [
      "unknown while it is held",
      { on_unknown: "hold", ...live({ status: "unknown", error_code: "IDLE_TIMEOUT" }) },
      "unknown",
      "IDLE_TIMEOUT; later slots wait"
    ],
    [
      "unknown until it is tried again",
      live({ status: "unknown", not_before: NOW + 5 * MINUTE }),
      "unknown",
      "tried again in 5 m"
    ],
    [
      "unknown when the last run was released",
      { last_run: run({ status: "unknown", released_at: NOW }) },
      "unknown",
      "the last run may have run"
    ],
    [
      "failing",
      { last_run: failed, consecutive_failures: 4 },
      "failing",
      "4 times in a row: HTTP 401 REVOKED"
    ],
    [
      "failing also while it runs again",
      { last_run: failed, ...live({}) },
      "failing",
      "; try 1 has run"
    ],
    [
      "stopped by its breaker",
      {
        last_run: failed,
        consecutive_failures: 6,
        breaker_until: NOW + 3 * 60 * MINUTE,
        next_run_at: NOW - 90 * MINUTE
      },
      "breaker_open",
      "6 failures in a row; tried again in 3 h"
    ],
    [
      "without a valid schedule",
      { schedule_error: "minute is 61", next_run_at: null },
      "invalid_schedule",
      "minute is 61"
    ],
    ["late", { last_run: run({ drift_ms: 22 * MINUTE }) }, "late", "started 22 m late"],
    ["new", { last_run: null }, "no_data", "next in 30 m"],
    [
      "paused, whatever else",
      {
        enabled: false,
        paused_reason: "new ERP",
        schedule_error: "x",
        next_run_at: NOW - 90 * MINUTE
      },
      "paused",
      "new ERP"
    ],
    ["without a schedule", { schedule: null, next_run_at: null }, "on_time", "it has no schedule"]
  ])("%s", (_title, columns, state, why) => {
    const decided = stateOf(columns)
    expect(decided.state).toBe(state)
    expect(decided.why).toContain(why)
  })
})

test("when nothing ticks, nothing is green: fine is not known, bad stays bad", () => {
  for (const pulse of [stopped, never]) {
    for (const columns of [
      {},
      { last_run: null },
      live({}),
      { last_run: run({ drift_ms: 22 * MINUTE }) }
    ]) {
      const { state } = stateOf(columns, pulse)
      expect([state, APPEARANCE[state].tone]).toEqual(["stale", "warn"])
    }
    expect(stateOf({ last_run: failed }, pulse).state).toBe("failing")
    expect(stateOf({ enabled: false }, pulse).state).toBe("paused")
  }
  expect(stateOf({}, stopped).why).toBe("nothing has ticked for 20 m; last known: on time")
})

test("the worst first, and only what is fine is green", () => {
  const sorted = StateName.literals
    .map((state) => ({ state, since: NOW, why: "" }))
    .toReversed()
    .toSorted(compare)
  expect(sorted.map(({ state }) => state)).toEqual([...StateName.literals])
  expect(StateName.literals.filter((state) => APPEARANCE[state].tone === "good")).toEqual([
    "on_time"
  ])
  expect(StateName.literals.filter(needsAttention)).toEqual([
    "overdue",
    "invalid_schedule",
    "unknown",
    "breaker_open",
    "failing",
    "stale",
    "late"
  ])
})
