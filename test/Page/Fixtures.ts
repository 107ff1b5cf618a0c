import type { RunView } from "../../src/Domain/RunView.ts"
import {
  APPEARANCE,
  needsAttention,
  type StateName,
  StateName as States
} from "../../src/Domain/State.ts"
import { type IntegrationState, type Overview, withState } from "../../src/Operator/Overview.ts"
import type { Frame } from "../../src/Page/Document.ts"
import type { OverviewMatter } from "../../src/Page/OverviewPage.ts"

export const NOW = Date.parse("2026-11-24T08:12:04Z")
export const HOUR = 3_600_000

export const frame: Frame = {
  now: NOW,
  timezone: "Europe/Oslo",
  refreshSeconds: 5,
  version: "1.2.3",
  path: "/",
  query: "",
  access: { _tag: "ReadOnly" },
  notice: null
}

/** A UUID that ends in a number. */
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

/** An integration that is on time, unless the changes say otherwise. */
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
    { now: NOW, driftAlertMs: 300_000, pulse: { verdict, last_activity_at: NOW - 4_000 } }
  )

export const overviewOf = (
  integrations: ReadonlyArray<IntegrationState>,
  changes: Partial<Overview> = {}
): Overview => {
  const count = (name: StateName): number =>
    integrations.filter(({ state }) => state === name).length
  const counts = Object.fromEntries(States.literals.map((name) => [name, count(name)]))
  return {
    now: NOW,
    schema_version: "1",
    verdict: integrations.some(({ state }) => needsAttention(state)) ? "attention" : "ok",
    headline: States.literals
      .filter((name) => count(name) > 0)
      .map((name) => `${count(name)} ${APPEARANCE[name].word}`)
      .join(", "),
    pulse: "last tick 4 s ago, took 1.9 s, 14 due, by host-1",
    scheduler: {
      verdict: "ticking",
      last_activity_at: NOW - 4_000,
      stopped_after_ms: 300_000,
      last_tick: null,
      engines: [],
      open_incidents: {}
    },
    total: integrations.length,
    counts: counts as Overview["counts"],
    integrations,
    unreadable: [],
    truncated: false,
    ...changes
  }
}

export const matterOf = (
  overview: Overview,
  changes: Partial<OverviewMatter> = {}
): OverviewMatter => ({
  overview,
  activity: { now: NOW, from: NOW - 24 * HOUR, to: NOW, integrations: [] },
  figures: {
    now: NOW,
    lag: { runs: 3, p50_ms: 1_200, p95_ms: 2_500, max_ms: 724_000, sampled: false },
    days: [
      { day: "2026-11-23", runs: 996, failed: 3, unknown: 0, passed_over: 1, capped: false },
      { day: "2026-11-24", runs: 500, failed: 0, unknown: 0, passed_over: 0, capped: false }
    ]
  },
  load: [
    { hour: NOW - (NOW % HOUR), slots: 3 },
    { hour: NOW - (NOW % HOUR) + HOUR, slots: 212 }
  ],
  state: null,
  ...changes
})
