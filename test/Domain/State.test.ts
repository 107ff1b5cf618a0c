import { describe, expect, test } from "bun:test"
import type { IntegrationStatus } from "../../src/Domain/IntegrationStatus.ts"
import type { RunView } from "../../src/Domain/RunView.ts"
import {
  APPEARANCE,
  compareStates,
  decideState,
  needsAttention,
  StateName
} from "../../src/Domain/State.ts"

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

const status = (columns: Partial<IntegrationStatus> = {}): IntegrationStatus => ({
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
  columns: Partial<IntegrationStatus>,
  scheduler: typeof ticking | typeof stopped | typeof never = ticking
) => decideState(status(columns), { now: NOW, driftAlertMs: DRIFT, scheduler })

describe("the state of an integration", () => {
  test.each<[string, Partial<IntegrationStatus>, StateName, string]>([
    ["on time", {}, "on_time", "ran 10 m ago, took 4.0 s; next in 30 m"],
    [
      "on time while its slot has only just become due",
      { next_run_at: NOW - MINUTE },
      "on_time",
      "the next one is due now"
    ],
    [
      "overdue when its slot has been due for longer than the drift alert",
      { next_run_at: NOW - 12 * MINUTE },
      "overdue",
      "due 12 m ago and not started"
    ],
    [
      "overdue as soon as the database rejects the due slot, with the reason",
      { next_run_at: NOW - 1_000, rejection: "P0001: not today" },
      "overdue",
      "the database rejects it: P0001: not today"
    ],
    [
      "overdue when the database rejects the start of its run",
      { rejection: "P0001: not today", ...live({ status: "pending", attempt: 0 }) },
      "overdue",
      "the database rejects it: P0001: not today"
    ],
    [
      "on time when the rejected slot is no longer due",
      { rejection: "P0001: not today" },
      "on_time",
      "next in 30 m"
    ],
    [
      "not overdue while it runs, though its slot is past",
      { next_run_at: NOW - 12 * MINUTE, ...live({}) },
      "running",
      "attempt 1 has run for 10 m"
    ],
    [
      "overdue when its run is past its lease",
      live({ lease_until: NOW - 5 * MINUTE }),
      "overdue",
      "5 m past its time"
    ],
    [
      "running when the lease has just ended, before the next sweep",
      live({ lease_until: NOW - 30_000 }),
      "running",
      "attempt 1"
    ],
    [
      "overdue when another application's run has no end",
      live({ lease_until: null, attempt_started_at: NOW - 45 * MINUTE }),
      "overdue",
      "15 m past"
    ],
    [
      "overdue when it was claimed and not started",
      live({ status: "pending", attempt: 0 }),
      "overdue",
      "claimed by e-1, not started for 10 m"
    ],
    [
      "running when it was claimed just now",
      live({ status: "pending", attempt: 0, created_at: NOW }),
      "running",
      "starts with the next tick"
    ],
    [
      "retrying while it waits for its next attempt",
      live({ status: "pending", not_before: NOW + 40_000, error_code: "BOOT_ERROR" }),
      "retrying",
      "attempt 1 of 3 did not complete: HTTP 200 BOOT_ERROR; retries in 40 s"
    ],
    [
      "retrying while its second attempt runs",
      live({ attempt: 2, attempt_started_at: NOW - 4_000 }),
      "retrying",
      "attempt 2 has run for 4 s; earlier attempts did not complete"
    ],
    [
      "overdue when no engine retries it",
      live({ status: "pending", not_before: NOW - 6 * MINUTE }),
      "overdue",
      "claimed by e-1, not started for 6 m"
    ],
    [
      "failing rather than retrying when the run before failed",
      { last_run: failed, ...live({ status: "pending", not_before: NOW + 40_000 }) },
      "failing",
      "the last run failed: HTTP 401 REVOKED; attempt 1 of 3"
    ],
    [
      "late while its first attempt is held back for long",
      live({
        status: "pending",
        attempt: 0,
        not_before: NOW + MINUTE,
        delay_reason: "api_throttled"
      }),
      "late",
      "due 10 m ago; starts in 1 m: its accounting API is throttling requests"
    ],
    [
      "overdue when its next slot has not been computed for a long time",
      { next_run_at: null },
      "overdue",
      "not been computed"
    ],
    [
      "unknown while it is on hold",
      { on_unknown: "hold", ...live({ status: "unknown", error_code: "IDLE_TIMEOUT" }) },
      "unknown",
      "IDLE_TIMEOUT; later slots wait"
    ],
    [
      "unknown until it is retried",
      live({ status: "unknown", not_before: NOW + 5 * MINUTE }),
      "unknown",
      "retries in 5 m"
    ],
    [
      "unknown when the last run was released",
      { last_run: run({ status: "unknown", released_at: NOW }) },
      "unknown",
      "the last run may have taken effect"
    ],
    [
      "failing",
      { last_run: failed, consecutive_failures: 4 },
      "failing",
      "4 times in a row: HTTP 401 REVOKED"
    ],
    [
      "failing while it runs again",
      { last_run: failed, ...live({}) },
      "failing",
      "; attempt 1 has run"
    ],
    [
      "failing while its breaker is open",
      {
        last_run: failed,
        consecutive_failures: 6,
        breaker_until: NOW + 3 * 60 * MINUTE,
        next_run_at: NOW - 90 * MINUTE
      },
      "failing",
      "6 times in a row: HTTP 401 REVOKED; its breaker is open; next attempt in 3 h"
    ],
    [
      "failing while its breaker is open, whatever its last run",
      { breaker_until: NOW + 3 * 60 * MINUTE },
      "failing",
      "its breaker is open"
    ],
    [
      "failing when its last run was skipped after an attempt",
      { last_run: run({ status: "skipped", attempt: 1, error_code: "BOOT_ERROR" }) },
      "failing",
      "skipped after attempt 1 did not complete"
    ],
    [
      "stale when only a slot was skipped",
      { last_run: run({ status: "skipped", attempt: 0 }) },
      "stale",
      "the slot of its last run was skipped; next in 30 m"
    ],
    [
      "misconfigured without a valid schedule",
      { schedule_error: "minute is 61", next_run_at: null },
      "invalid_schedule",
      "minute is 61"
    ],
    ["late", { last_run: run({ drift_ms: 22 * MINUTE }) }, "late", "started 22 m late"],
    ["new", { last_run: null }, "never_ran", "next in 30 m"],
    [
      "paused, whatever its other facts",
      {
        enabled: false,
        paused_reason: "new ERP",
        schedule_error: "x",
        next_run_at: NOW - 90 * MINUTE
      },
      "paused",
      "new ERP"
    ],
    [
      "unknown although it is paused",
      { enabled: false, paused_reason: "new ERP", ...live({ status: "unknown" }) },
      "unknown",
      "paused (new ERP); may have run"
    ],
    ["without a schedule", { schedule: null, next_run_at: null }, "on_time", "it has no schedule"]
  ])("%s", (_title, columns, state, why) => {
    const decided = stateOf(columns)
    expect(decided.state).toBe(state)
    expect(decided.why).toContain(why)
  })
})

test("without ticks no state is green: healthy states become unknown, and bad states stay bad", () => {
  for (const scheduler of [stopped, never]) {
    for (const columns of [
      {},
      { last_run: null },
      live({}),
      live({ status: "pending", not_before: NOW + 40_000 }),
      { last_run: run({ drift_ms: 22 * MINUTE }) }
    ]) {
      const { state } = stateOf(columns, scheduler)
      expect([state, APPEARANCE[state].severity]).toEqual(["stale", "warning"])
    }
    expect(stateOf({ last_run: failed }, scheduler).state).toBe("failing")
    expect(stateOf({ enabled: false }, scheduler).state).toBe("paused")
  }
  expect(stateOf({}, stopped).why).toBe("no engine has ticked for 20 m; last known: on time")
})

test("states are sorted by severity, and only healthy states are green", () => {
  const sorted = StateName.literals
    .map((state) => ({ state, since: NOW, why: "" }))
    .toReversed()
    .toSorted(compareStates)
  expect(sorted.map(({ state }) => state)).toEqual([...StateName.literals])
  expect(StateName.literals.filter((state) => APPEARANCE[state].severity === "ok")).toEqual([
    "on_time"
  ])
  expect(StateName.literals.filter(needsAttention)).toEqual([
    "overdue",
    "invalid_schedule",
    "unknown",
    "failing",
    "retrying",
    "stale",
    "late"
  ])
})
