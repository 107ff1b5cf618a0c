import { StateName } from "./Domain/State.ts"
import { counter, gauge, histogram, type Label } from "./Metrics/Instrument.ts"
import { COMMIT, VERSION } from "./Version.ts"

// Labels never identify an organisation, an integration or a run: the number of series would be unbounded, and metrics are often
// more public than customer data.

const integrationType: Label = { name: "integration_type" }
/** `error`: the tick could not do all of its work. `partial`: the tick did its work, but a run failed or is unresolved. */
const result: Label = { name: "result", values: ["ok", "partial", "error", "interrupted"] }

/** Histogram buckets for waiting times, in seconds. */
const LAG_BUCKETS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600] as const
/** Histogram buckets for durations, in seconds. The platform aborts a request after 150 s. */
const WORK_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 150, 300, 600] as const

export const runs = counter("runs_total", {
  help: "Run attempts, by the run's status after the attempt. `pending` means that the run is retried, and `running` that the function reports its result later.",
  labels: [integrationType, { name: "status" }, { name: "trigger" }]
})

export const retries = counter("retries_total", {
  help: "Run attempts after the first.",
  labels: []
})

export const rescued = counter("rescued_total", {
  help: "Runs that another engine claimed but never started, and that this engine took over.",
  labels: []
})

export const skips = counter("skips_total", {
  help: "Due slots that this engine did not run, by reason.",
  labels: [{ name: "reason" }]
})

export const claimConflicts = counter("claim_conflicts_total", {
  help: "Due slots and waiting runs that another engine claimed first.",
  labels: []
})

export const missed = counter("missed_total", {
  help: "Due slots that were skipped because of catch_up, and recorded in sync_skipped_range.",
  labels: []
})

export const coldStarts = counter("cold_starts_total", {
  help: "Runs whose function was cold when the tick first called it.",
  labels: []
})

export const startLag = histogram("start_lag_seconds", {
  help: "Time from a slot to the first start of its run.",
  labels: [integrationType],
  buckets: LAG_BUCKETS
})

export const completionLag = histogram("completion_lag_seconds", {
  help: "Time from a slot to the completion of its run: the age of the data.",
  labels: [integrationType],
  buckets: [...LAG_BUCKETS, 7_200]
})

export const runDuration = histogram("run_duration_seconds", {
  help: "Duration of a run attempt, by the run's status after the attempt.",
  labels: [integrationType, { name: "status" }],
  buckets: WORK_BUCKETS
})

export const invokeDuration = histogram("invoke_duration_seconds", {
  help: "Time that a function took to respond, by outcome.",
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
  help: "Invocations that are in progress on this engine.",
  labels: [],
  startsAtZero: true
})

export const ticks = counter("ticks_total", {
  help: "Ticks of this engine, by result: partial if a run failed, error if the tick itself failed.",
  labels: [result]
})

export const tickErrors = counter("tick_errors_total", {
  help: "Errors that stopped part of a tick, by code.",
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
  help: "Intervals in which serve started no tick, because an earlier one was still running.",
  labels: []
})

export const tickDuration = histogram("tick_duration_seconds", {
  help: "Duration of a tick, from its first call to its last run.",
  labels: [],
  buckets: WORK_BUCKETS
})

export const lastTick = gauge("last_tick_timestamp_seconds", {
  help: "When the last successful tick ended, as a Unix time in seconds.",
  labels: [],
  kept: true
})

export const clockSkew = gauge("clock_skew_seconds", {
  help: "How far this machine's clock is ahead of the database's.",
  labels: []
})

export const notifications = counter("notifications_total", {
  help: "Alerts and pings, by result; failed means that the receiver did not accept the message.",
  labels: [
    { name: "channel", values: ["cloudevents", "slack", "ping"] },
    { name: "result", values: ["sent", "failed"] }
  ]
})

export const overdue = gauge("overdue_seconds_max", {
  help: "How long the oldest due slot has been waiting for its run, by the database's clock; 0 if no slot is waiting.",
  labels: []
})

export const schedules = gauge("schedules", {
  help: "Integrations by state, as the database reports them.",
  labels: [{ name: "state", values: StateName.literals }]
})

export const statusFailures = counter("status_read_failures_total", {
  help: "Failed attempts to read the database's status for these metrics.",
  labels: []
})

export const buildInfo = gauge("build_info", {
  help: "Always 1; the labels identify this version of Sync Scheduler.",
  labels: [{ name: "version" }, { name: "commit" }]
})
buildInfo.set(1, VERSION, COMMIT)

export const apis = gauge("accounting_apis", {
  help: "Accounting APIs by health, as observed by syncs and probes.",
  labels: [{ name: "provider" }, { name: "status" }]
})

export const probes = counter("probes_total", {
  help: "Probes of accounting APIs, by result.",
  labels: [{ name: "provider" }, { name: "result" }]
})

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
