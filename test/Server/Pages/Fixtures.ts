import type { RunView } from "../../../src/Domain/RunView.ts"
import { type IntegrationState, withState } from "../../../src/Operator/IntegrationState.ts"
import { type Overview, summariseStates } from "../../../src/Operator/Overview.ts"
import type { PageFrame } from "../../../src/Server/Pages/Document.ts"
import { NO_FILTER } from "../../../src/Server/Pages/ListFilter.ts"
import type { OverviewModel } from "../../../src/Server/Pages/OverviewPage.ts"
import type { DayFigures } from "../../../src/Server/Pages/StatsPanel.ts"

export const NOW = Date.parse("2026-11-24T08:12:04Z")
export const HOUR = 3_600_000

export const frame: PageFrame = {
  now: NOW,
  timezone: "Europe/Oslo",
  refreshSeconds: 5,
  version: "1.2.3",
  path: "/",
  query: "",
  kept: [],
  outdated: null,
  answers: "command",
  pasteable: (text) => text,
  access: { _tag: "ReadOnly" },
  notice: null
}

export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

export const runOf = (changes: Partial<RunView> = {}): RunView => ({
  run_id: uuid(900),
  org_id: uuid(1),
  integration_id: uuid(2),
  integration_type: "xledger",
  scheduled_for: NOW - HOUR,
  trigger: "schedule",
  status: "completed",
  skip_reason: null,
  attempt: 1,
  max_attempts: 3,
  claimed_by: "host-1",
  created_at: NOW - HOUR,
  not_before: null,
  started_at: NOW - HOUR + 1_200,
  attempt_started_at: NOW - HOUR + 1_200,
  began_at: null,
  lease_until: null,
  finished_at: NOW - HOUR + 42_200,
  released_at: null,
  drift_ms: 1_200,
  duration_ms: 41_000,
  cold_start: false,
  ambiguous: false,
  http_status: 200,
  error_code: null,
  error_message: null,
  ...changes
})

export const integrationOf = (
  n: number,
  changes: Partial<IntegrationState> = {},
  verdict: Overview["scheduler"]["verdict"] = "ticking"
): IntegrationState =>
  withState(
    {
      integration_id: uuid(n),
      org_id: uuid(10_000 + n),
      org_name: `Org ${n}`,
      integration_type: "xledger",
      schedule: "0 * * * *",
      timezone: "Europe/Oslo",
      enabled: true,
      paused_reason: null,
      next_run_at: NOW + HOUR,
      schedule_since: NOW - 100 * HOUR,
      schedule_error: null,
      breaker_until: null,
      consecutive_failures: 0,
      on_unknown: "retry",
      fenced: false,
      catch_up: "latest",
      max_attempts: 3,
      function_name: null,
      last_run: runOf({ integration_id: uuid(n) }),
      live_run: null,
      last_completed_slot: NOW - HOUR,
      failing_since: null,
      health: null,
      ...changes
    },
    { now: NOW, driftAlertMs: 300_000, scheduler: { verdict, last_activity_at: NOW - 4_000 } }
  )

export const overviewOf = (
  integrations: ReadonlyArray<IntegrationState>,
  changes: Partial<Overview> = {}
): Overview => {
  const scheduler: Overview["scheduler"] = {
    verdict: "ticking",
    last_activity_at: NOW - 4_000,
    stopped_after_ms: 300_000,
    last_tick: null,
    engines: [],
    open_incidents: {}
  }
  return {
    now: NOW,
    schema_version: "1",
    total: integrations.length,
    ...summariseStates(integrations, [], scheduler, NOW),
    heartbeat: "last tick 4 s ago, took 1.9 s, 14 due, by host-1",
    truncated: false,
    ...changes
  }
}

/** By default, nothing was due on the day. */
export const dayOf = (changes: Partial<DayFigures> & Pick<DayFigures, "day">): DayFigures => ({
  runs: 0,
  completed: 0,
  failed: 0,
  unknown: 0,
  skipped: 0,
  retrying: 0,
  in_progress: 0,
  skipped_slots: 0,
  capped: false,
  ...changes
})

export const matterOf = (
  overview: Overview,
  changes: Partial<OverviewModel> = {}
): OverviewModel => ({
  overview,
  activity: { now: NOW, from: NOW - 24 * HOUR, to: NOW, integrations: [] },
  figures: {
    now: NOW,
    lag: { runs: 3, p50_ms: 1_200, p95_ms: 2_500, max_ms: 724_000, sampled: false },
    days: [
      dayOf({ day: "2026-11-23", runs: 996, completed: 993, failed: 3, skipped_slots: 1 }),
      dayOf({ day: "2026-11-24", runs: 510, completed: 500, in_progress: 10 })
    ]
  },
  load: [
    { hour: NOW - (NOW % HOUR), slots: 3 },
    { hour: NOW - (NOW % HOUR) + HOUR, slots: 212 }
  ],
  filter: NO_FILTER,
  ...changes
})
