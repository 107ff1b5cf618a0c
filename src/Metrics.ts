import { StateName } from "./Domain/State.ts"
import { counter, gauge, histogram, type Label } from "./Metrics/Instrument.ts"
import { COMMIT, VERSION } from "./Version.ts"

/**
 * Every metric of Sync Scheduler. No label ever holds an organisation, an integration or a run: their number is unbounded, and
 * metrics are visible to more people than that data may be.
 */

const integrationType: Label = { name: "integration_type" }
/**
 * The result of a tick. `error`: part of its work was not done. `partial`: all of its work was done, but a run failed or is
 * unresolved.
 */
const result: Label = { name: "result", values: ["ok", "partial", "error", "interrupted"] }

/** Buckets of the time that a run waited, in seconds; the alerts begin at one minute. */
const LAG_BUCKETS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600] as const
/** Buckets of the duration of work, in seconds; 150 is the platform's limit for an answer. */
const WORK_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 150, 300, 600] as const

export const runs = counter("runs_total", {
  help: "Attempts at runs, by the run's status afterwards: pending is retried, running reports later.",
  labels: [integrationType, { name: "status" }, { name: "trigger" }]
})

export const retries = counter("retries_total", {
  help: "Attempts at runs after their first.",
  labels: []
})

export const rescued = counter("rescued_total", {
  help: "Runs that were claimed by an engine that never started them, and started by this one.",
  labels: []
})

export const skips = counter("skips_total", {
  help: "Due slots that this engine did not run, by reason.",
  labels: [{ name: "reason" }]
})

export const claimConflicts = counter("claim_conflicts_total", {
  help: "Due slots and waiting runs that another engine was quicker to take.",
  labels: []
})

export const missed = counter("missed_total", {
  help: "Due slots that were skipped because catch_up says so. They are in sync_skipped_range.",
  labels: []
})

export const coldStarts = counter("cold_starts_total", {
  help: "Runs whose function was cold at its first contact in the tick.",
  labels: []
})

export const startLag = histogram("start_lag_seconds", {
  help: "From a slot to the first start of its run.",
  labels: [integrationType],
  buckets: LAG_BUCKETS
})

export const completionLag = histogram("completion_lag_seconds", {
  help: "From a slot to the end of its completed run: how late the data is.",
  labels: [integrationType],
  buckets: [...LAG_BUCKETS, 7_200]
})

export const runDuration = histogram("run_duration_seconds", {
  help: "How long an attempt at a run took, by the run's status afterwards.",
  labels: [integrationType, { name: "status" }],
  buckets: WORK_BUCKETS
})

export const invokeDuration = histogram("invoke_duration_seconds", {
  help: "How long a function took to answer, by what the answer means.",
  labels: [
    { name: "function" },
    {
      name: "outcome",
      values: ["completed", "accepted", "failed", "not_executed", "unknown"]
    }
  ],
  buckets: WORK_BUCKETS
})

export const inFlight = gauge("invocations_in_flight", {
  help: "Functions that are being invoked by this engine now.",
  labels: [],
  startsAtZero: true
})

export const ticks = counter("ticks_total", {
  help: "Ticks of this engine: partial when a run failed, error when the tick could not do its work.",
  labels: [result]
})

export const tickErrors = counter("tick_errors_total", {
  help: "What stopped part of a tick, by the code of the error.",
  labels: [
    {
      name: "code",
      values: [
        "SUPABASE_UNREACHABLE",
        "KEY_REFUSED",
        "MIGRATIONS_MISSING",
        "DATABASE_REFUSED_CALL",
        "UNEXPECTED_ANSWER",
        "OUTCOME_NOT_RECORDED",
        "ENGINE_DEFECT",
        "ROW_REJECTED",
        "ROW_UNREADABLE",
        "SCHEDULE_INVALID"
      ]
    }
  ]
})

export const missedIntervals = counter("missed_intervals_total", {
  help: "Intervals of serve without a tick, because an earlier tick was still running.",
  labels: []
})

export const tickDuration = histogram("tick_duration_seconds", {
  help: "How long a tick took, from its first call to its last run.",
  labels: [],
  buckets: WORK_BUCKETS
})

export const lastTick = gauge("last_tick_timestamp_seconds", {
  help: "When the last tick ended that did its work, in seconds since 1970.",
  labels: [],
  kept: true
})

export const clockSkew = gauge("clock_skew_seconds", {
  help: "How far this machine's clock is ahead of the database's.",
  labels: []
})

export const notifications = counter("notifications_total", {
  help: "Alerts and pings that were sent: failed ones were not taken.",
  labels: [
    { name: "channel", values: ["cloudevents", "slack", "ping"] },
    { name: "result", values: ["sent", "failed"] }
  ]
})

export const overdue = gauge("overdue_seconds_max", {
  help: "How long the oldest due slot has been waiting for its run, by the database's clock; 0 when none is.",
  labels: []
})

export const schedules = gauge("schedules", {
  help: "Integrations by the state of their schedule, by the database.",
  labels: [{ name: "state", values: StateName.literals }]
})

export const statusFailures = counter("status_read_failures_total", {
  help: "How often the database's status could not be read for these metrics.",
  labels: []
})

export const buildInfo = gauge("build_info", {
  help: "Which Sync Scheduler this is; always 1.",
  labels: [{ name: "version" }, { name: "commit" }]
})
buildInfo.set(1, VERSION, COMMIT)

export const apis = gauge("accounting_apis", {
  help: "Accounting APIs by what is known of their health, from syncs and probes.",
  labels: [{ name: "provider" }, { name: "status" }]
})

export const probes = counter("probes_total", {
  help: "Probes of accounting APIs by what they found.",
  labels: [{ name: "provider" }, { name: "result" }]
})

/** All metrics, in the order of their output. */
export const metricDefinitions = [
  buildInfo,
  lastTick,
  ticks,
  tickErrors,
  tickDuration,
  missedIntervals,
  overdue,
  schedules,
  statusFailures,
  runs,
  retries,
  rescued,
  skips,
  claimConflicts,
  missed,
  coldStarts,
  startLag,
  completionLag,
  runDuration,
  invokeDuration,
  inFlight,
  clockSkew,
  apis,
  probes,
  notifications
] as const
