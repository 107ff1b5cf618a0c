import type { IntegrationStatus } from "../../src/Domain/IntegrationStatus.ts"
import type { RunView } from "../../src/Domain/RunView.ts"
import type { StateContext } from "../../src/Domain/State.ts"

export const NOW = Date.UTC(2026, 10, 20, 8, 0)
export const MINUTE = 60_000
export const DRIFT_ALERT = 5 * MINUTE

const ago = (minutes: number): number => NOW - minutes * MINUTE

export const runOf = (columns: Partial<RunView> = {}): RunView => ({
  run_id: "r",
  org_id: "o",
  integration_id: "i",
  integration_type: "xledger",
  scheduled_for: ago(10),
  trigger: "schedule",
  status: "completed",
  skip_reason: null,
  attempt: 1,
  max_attempts: 3,
  claimed_by: "e-1",
  created_at: ago(10),
  not_before: null,
  started_at: ago(10),
  attempt_started_at: ago(10),
  began_at: null,
  lease_until: null,
  finished_at: ago(9),
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

export const statusOf = (columns: Partial<IntegrationStatus> = {}): IntegrationStatus => ({
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
  last_run: runOf(),
  live_run: null,
  last_completed_slot: ago(10),
  failing_since: null,
  health: null,
  ...columns
})

const pending = (columns: Partial<RunView>) =>
  runOf({ status: "pending", finished_at: null, ...columns })
const running = (columns: Partial<RunView>) =>
  runOf({ status: "running", finished_at: null, lease_until: NOW + MINUTE, ...columns })

/** The facts that determine a state, with all possible values. */
export const FACTS = {
  switch: { on: { enabled: true }, off: { enabled: false, paused_reason: "new ERP" } },
  schedule: {
    valid: {},
    invalid: { schedule_error: "minute is 61" },
    none: { schedule: null, schedule_since: null }
  },
  next: {
    ahead: { next_run_at: NOW + 30 * MINUTE },
    due: { next_run_at: ago(1) },
    overdue: { next_run_at: ago(12) },
    computing: { next_run_at: null, schedule_since: ago(1) },
    uncomputed: { next_run_at: null, schedule_since: ago(12) }
  },
  breaker: { closed: {}, open: { breaker_until: NOW + 60 * MINUTE, consecutive_failures: 5 } },
  last: {
    none: { last_run: null, last_completed_slot: null },
    completed: { last_run: runOf() },
    completed_late: { last_run: runOf({ drift_ms: 22 * MINUTE }) },
    failed: { last_run: runOf({ status: "failed" }), failing_since: ago(10) },
    unknown: { last_run: runOf({ status: "unknown", released_at: NOW }), failing_since: ago(10) },
    skipped: { last_run: runOf({ status: "skipped", attempt: 0 }) },
    skipped_after_attempt: { last_run: runOf({ status: "skipped", attempt: 1 }) }
  },
  live: {
    none: { live_run: null },
    claimed: { live_run: pending({ attempt: 0, created_at: NOW }) },
    held_back: { live_run: pending({ attempt: 0, not_before: NOW + MINUTE }) },
    forgotten: { live_run: pending({ attempt: 0 }) },
    refused: { live_run: pending({ attempt: 1, not_before: NOW + MINUTE }) },
    refused_forgotten: { live_run: pending({ attempt: 2, not_before: ago(6) }) },
    running: { live_run: running({}) },
    running_again: { live_run: running({ attempt: 2 }) },
    past_lease: { live_run: running({ lease_until: ago(5) }) },
    unknown: { live_run: runOf({ status: "unknown", not_before: NOW + MINUTE }) }
  },
  engines: {
    ticking: { verdict: "ticking", last_activity_at: NOW - 4_000 },
    stopped: { verdict: "stopped", last_activity_at: ago(20) },
    never: { verdict: "never", last_activity_at: null }
  }
} as const satisfies Readonly<Record<string, Readonly<Record<string, object>>>>

type Facts = typeof FACTS
export type Choice = { readonly [K in keyof Facts]: keyof Facts[K] & string }

export const factsOf = (
  choice: Choice
): { readonly status: IntegrationStatus; readonly frame: StateContext } => ({
  status: statusOf({
    ...FACTS.schedule[choice.schedule],
    ...FACTS.next[choice.next],
    ...(choice.schedule === "none" ? FACTS.schedule.none : {}),
    ...FACTS.switch[choice.switch],
    ...FACTS.breaker[choice.breaker],
    ...FACTS.last[choice.last],
    ...FACTS.live[choice.live]
  }),
  frame: { now: NOW, driftAlertMs: DRIFT_ALERT, scheduler: FACTS.engines[choice.engines] }
})

export const allChoices = (): ReadonlyArray<Choice> => {
  let all: ReadonlyArray<Readonly<Record<string, string>>> = [{}]
  for (const [fact, values] of Object.entries(FACTS)) {
    all = all.flatMap((choice) =>
      Object.keys(values).map((value) => ({ ...choice, [fact]: value }))
    )
  }
  return all as unknown as ReadonlyArray<Choice>
}
