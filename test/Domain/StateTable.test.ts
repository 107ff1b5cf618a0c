import { expect, test } from "bun:test"
import { FastCheck as fc } from "effect"
import { judgeStatus } from "../../src/Cli/Check/Check.ts"
import type { IntegrationStatus } from "../../src/Domain/IntegrationStatus.ts"
import type { RunView } from "../../src/Domain/RunView.ts"
import type { SchedulerHealth } from "../../src/Domain/SchedulerHealth.ts"
import { APPEARANCE, decideState, type StateName } from "../../src/Domain/State.ts"
import { type IntegrationState, withState } from "../../src/Operator/IntegrationState.ts"
import { type Overview, summariseStates } from "../../src/Operator/Overview.ts"
import {
  allChoices,
  type Choice,
  DRIFT_ALERT,
  factsOf,
  MINUTE,
  NOW,
  runOf,
  statusOf
} from "../support/StatusFacts.ts"

/** The first matching rule determines the state. */
const RULES: ReadonlyArray<readonly [StateName, (choice: Choice) => boolean]> = [
  ["unknown", (is) => is.switch === "off" && is.live === "unknown"],
  ["paused", (is) => is.switch === "off"],
  ["invalid_schedule", (is) => is.schedule === "invalid"],
  ["overdue", ({ live }) => ["forgotten", "refused_forgotten", "past_lease"].includes(live)],
  [
    "overdue",
    (is) =>
      is.live === "none" &&
      is.breaker === "closed" &&
      is.schedule === "valid" &&
      ["overdue", "uncomputed"].includes(is.next)
  ],
  ["unknown", ({ last, live }) => live === "unknown" || last === "unknown"],
  ["failing", ({ last }) => last === "failed" || last === "skipped_after_attempt"],
  ["failing", ({ breaker, live }) => live === "none" && breaker === "open"],
  ["stale", ({ engines }) => engines !== "ticking"],
  ["retrying", ({ live }) => live === "refused" || live === "running_again"],
  ["late", ({ live }) => live === "held_back"],
  ["running", ({ live }) => live !== "none"],
  ["late", ({ last }) => last === "completed_late"],
  ["never_ran", ({ last }) => last === "none"],
  ["stale", ({ last }) => last === "skipped"],
  ["on_time", () => true]
]

test("every combination of facts has the state that the rules give", () => {
  const choices = allChoices()
  expect(choices.length).toBe(2 * 3 * 5 * 2 * 7 * 10 * 3)
  const seen = new Set<StateName>()
  for (const choice of choices) {
    const { frame, status } = factsOf(choice)
    const { state, why } = decideState(status, frame)
    const [expected] = RULES.find(([, holds]) => holds(choice)) ?? []
    if (state !== expected || why === "")
      expect({ ...choice, state, why }).toEqual({
        ...choice,
        state: expected ?? "on_time",
        why: "not empty"
      })
    seen.add(state)
  }
  expect(seen.size).toBe(Object.keys(APPEARANCE).length)
})

const time = fc.integer({ min: NOW - 86_400_000, max: NOW + 3_600_000 })
const maybe = <A>(value: fc.Arbitrary<A>) => fc.option(value, { freq: 3 })
const run = (statuses: ReadonlyArray<RunView["status"]>): fc.Arbitrary<RunView> =>
  fc
    .record({
      status: fc.constantFrom(...statuses),
      attempt: fc.nat({ max: 4 }),
      scheduled_for: time,
      created_at: maybe(time),
      not_before: maybe(time),
      started_at: maybe(time),
      lease_until: maybe(time),
      released_at: maybe(time),
      drift_ms: maybe(fc.nat({ max: 20 * MINUTE })),
      claimed_by: maybe(fc.constant("e-1")),
      error_code: maybe(fc.constantFrom("TOKEN_EXPIRED", "FUNCTION_REFUSED")),
      http_status: maybe(fc.constantFrom(200, 401, 409, 504))
    })
    .map(runOf)

const anyStatus: fc.Arbitrary<IntegrationStatus> = fc
  .record({
    integration_id: fc.uuid(),
    integration_type: fc.constantFrom("xledger", "xero"),
    enabled: fc.boolean(),
    schedule: maybe(fc.constant("0 * * * *")),
    schedule_error: fc.constantFrom(null, null, null, null, "minute is 61"),
    next_run_at: maybe(time),
    schedule_since: maybe(time),
    breaker_until: fc.constantFrom(null, null, NOW + MINUTE),
    consecutive_failures: fc.nat({ max: 3 }),
    on_unknown: fc.constantFrom("retry", "hold"),
    last_run: maybe(run(["completed", "completed", "failed", "unknown", "skipped"])),
    live_run: fc.option(run(["pending", "running", "unknown"]), { freq: 2 }),
    last_completed_slot: maybe(time),
    failing_since: maybe(time)
  })
  .map(statusOf)

/** Only the last run and the run in progress vary. */
const nearlyFine: fc.Arbitrary<IntegrationStatus> = fc
  .record({
    integration_id: fc.uuid(),
    last_run: run(["completed", "completed", "completed", "failed", "unknown", "skipped"]),
    live_run: fc.option(run(["pending", "running", "unknown"]), { freq: 1 })
  })
  .map(statusOf)

const status = fc.oneof(anyStatus, nearlyFine)

const anyScheduler: fc.Arbitrary<SchedulerHealth> = fc
  .record({
    verdict: fc.constantFrom<SchedulerHealth["verdict"]>(
      "ticking",
      "ticking",
      "ticking",
      "stopped",
      "never"
    ),
    last_activity_at: fc.integer({ min: NOW - 2 * MINUTE, max: NOW })
  })
  .map(({ last_activity_at, verdict }) => ({
    verdict,
    last_activity_at: verdict === "never" ? null : last_activity_at,
    stopped_after_ms: 300_000,
    last_tick: null,
    engines: [],
    open_incidents: {}
  }))

const isUnfinished = ({ last_run: last, live_run: live }: IntegrationStatus): boolean => {
  if (
    live !== null &&
    (live.status === "unknown" || (live.status === "pending" && live.attempt > 0))
  )
    return true
  if (live !== null && live.status === "running" && live.attempt > 1) return true
  return (
    last !== null &&
    last.status !== "completed" &&
    !(last.status === "skipped" && last.attempt === 0)
  )
}

const overviewOf = (
  list: ReadonlyArray<IntegrationState>,
  scheduler: SchedulerHealth,
  unreadable = 0
): Overview => ({
  now: NOW,
  schema_version: "1",
  total: list.length + unreadable,
  truncated: false,
  ...summariseStates(
    list,
    Array.from({ length: unreadable }, (_, n) => ({ integration_id: `x${n}`, why: "no type" })),
    scheduler,
    NOW
  )
})

const DEFAULTS = {
  overdue: { warning: 5 * MINUTE, critical: 10 * MINUTE },
  tickAge: { warning: 3 * MINUTE, critical: 5 * MINUTE },
  failing: { warning: 1, critical: null },
  retrying: { warning: 1, critical: null }
}

test("no integration is on time, OK or green if its newest attempted run did not complete", () => {
  const good = { states: 0, verdicts: 0, checks: 0 }
  fc.assert(
    fc.property(
      fc.array(status, { maxLength: 4 }),
      anyScheduler,
      fc.constantFrom(0, 0, 0, 0, 0, 1),
      (statuses, scheduler, unreadable) => {
        const frame = { now: NOW, driftAlertMs: DRIFT_ALERT, scheduler }
        const list = statuses.map((one) => withState(one, frame))
        for (const one of list) {
          expect(one.state === "on_time").toBe(one.severity === "ok")
          if (one.severity !== "ok") continue
          good.states += 1
          expect([
            isUnfinished(one),
            one.live_run,
            one.last_run?.status,
            scheduler.verdict
          ]).toEqual([false, null, "completed", "ticking"])
        }
        for (const { live_run, state } of list) {
          if (live_run?.status === "pending" && live_run.attempt > 0)
            expect(state).not.toBe("running")
        }
        const overview = overviewOf(list, scheduler, unreadable)
        const report = judgeStatus(overview, DEFAULTS)
        const enabled = list.filter((one) => one.enabled)
        const neverCompleted = list.every(({ last_completed_slot }) => last_completed_slot === null)
        if (overview.verdict === "ok") {
          good.verdicts += 1
          expect([enabled.some(isUnfinished), neverCompleted, unreadable]).toEqual([
            false,
            false,
            0
          ])
        }
        if (report.level === "OK") {
          good.checks += 1
          // `check` never reports OK while an integration needs attention, even after a single refusal.
          expect([overview.verdict, enabled.some(isUnfinished)]).toEqual(["ok", false])
          expect([neverCompleted, unreadable, scheduler.verdict]).toEqual([false, 0, "ticking"])
        }
        if (unreadable > 0) expect(["UNKNOWN", "CRITICAL"]).toContain(report.level)
      }
    ),
    { numRuns: 3_000 }
  )
  expect(Math.min(...Object.values(good))).toBeGreaterThan(20)
})

test("if 200 of 1,000 integrations are refused, they are counted by cause, and check warns", () => {
  const scheduler: SchedulerHealth = {
    verdict: "ticking",
    last_activity_at: NOW,
    stopped_after_ms: 300_000,
    last_tick: null,
    engines: [],
    open_incidents: {}
  }
  const refused = runOf({
    status: "pending",
    not_before: NOW + MINUTE,
    http_status: 409,
    error_code: "FUNCTION_REFUSED",
    error_message: "not_found"
  })
  const listOf = (attempt: number, refusedOnes: number, completed: boolean) =>
    Array.from({ length: 1_000 }, (_, n) =>
      withState(
        statusOf({
          integration_id: `${n}`,
          ...(completed ? {} : { last_run: null, last_completed_slot: null }),
          live_run: n < refusedOnes ? { ...refused, attempt } : null
        }),
        { now: NOW, driftAlertMs: DRIFT_ALERT, scheduler }
      )
    )
  const overview = overviewOf(listOf(1, 200, false), scheduler)
  expect(overview).toMatchObject({
    verdict: "attention",
    headline:
      "0 of 1,000 have completed a run yet; 200 are being retried: function refused, not_found (the function's project does not know this run; check the function's SUPABASE_URL)",
    counts: { retrying: 200, never_ran: 800, running: 0 }
  })
  expect(overview.causes).toMatchObject([
    {
      label: "xledger: 200 × FUNCTION_REFUSED",
      count: 200,
      message:
        "function refused, not_found (the function's project does not know this run; check the function's SUPABASE_URL)",
      attempts: 200
    }
  ])
  const checked = (attempt: number, ones: number) =>
    judgeStatus(overviewOf(listOf(attempt, ones, true), scheduler), DEFAULTS)
  expect(judgeStatus(overview, DEFAULTS)).toMatchObject({
    level: "WARNING",
    summary: "200 retrying (xledger: 200 × FUNCTION_REFUSED), 0 of 1,000 have completed a run yet"
  })
  expect(checked(1, 1)).toMatchObject({
    level: "WARNING",
    summary: "1 retrying (xledger: FUNCTION_REFUSED)"
  })
  // Even if the thresholds tolerate a first refusal, the summary reports it.
  const patient = { ...DEFAULTS, retrying: { warning: 2, critical: null } }
  const one = overviewOf(listOf(1, 1, true), scheduler)
  expect(judgeStatus(one, patient)).toMatchObject({
    level: "OK",
    summary: expect.stringContaining("1 of 1,000 is being retried")
  })
  expect(judgeStatus(overviewOf(listOf(2, 1, true), scheduler), patient).level).toBe("WARNING")
  expect(judgeStatus(overviewOf(listOf(1, 2, true), scheduler), patient).level).toBe("WARNING")
  const fresh = judgeStatus(overviewOf(listOf(1, 0, false), scheduler), DEFAULTS)
  expect(fresh).toMatchObject({
    level: "WARNING",
    summary: "0 of 1,000 have completed a run yet"
  })
})
