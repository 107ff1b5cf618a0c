import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import { judgeSkew } from "../../Domain/ClockSkew.ts"
import * as Duration from "../../Domain/Duration.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"
import type { Examined } from "./DatabaseChecks.ts"

export const clockFindings = (skew: Examined["skew"]): ReadonlyArray<CheckResult> => {
  if (skew === null) return []
  const { ms, plusMinusMs } = skew
  const apart = Duration.format(Math.round(Math.abs(ms)))
  const unsure = `± ${Duration.format(plusMinusMs)}`
  return judgeSkew(skew) === "apart"
    ? [
        error("clock", {
          code: "CLOCK_SKEW",
          what: `this machine's clock is ${apart} ${ms > 0 ? "ahead of" : "behind"} the database's (${unsure})`,
          why: "due times follow the database's clock, but logs, alerts and deadlines follow this machine's clock",
          fix: "timedatectl set-ntp true (systemd), or synchronise this machine's clock with NTP in another way."
        })
      ]
    : [ok("clock", `within ${apart} of the database's (${unsure})`)]
}

export const roleFindings = ({ role }: Diagnosis, isApi: boolean): ReadonlyArray<CheckResult> => [
  isApi && role !== "service_role"
    ? warning("key", {
        code: "KEY_ROLE",
        what: `the key has the role ${role} in the database`,
        why: "service_role can use everything; other roles can use only what was granted by hand",
        fix: "Set SUPABASE_SECRET_KEY to a secret key (Dashboard: Project Settings, API Keys)."
      })
    : ok("key", `the caller has the role ${role} in the database`)
]

export const tickFindings = ({ engines, status }: Diagnosis): ReadonlyArray<CheckResult> => {
  if (status === null) return []
  const ago = Duration.format((status.seconds_since_last_tick ?? 0) * 1000)
  const start =
    "Check what starts ticks: systemctl status sync-scheduler.timer, the container or CronJob, or select * from cron.job. To run one tick: sync-scheduler run"
  if (status.verdict === "never") {
    return [
      warning("ticks", {
        code: "TICKS_NEVER",
        what: "no tick has run yet",
        why: "syncs run only while something starts ticks",
        fix: "Run one tick: sync-scheduler run. Then start one every minute: sync-scheduler install systemd --print"
      })
    ]
  }
  if (status.verdict === "stopped") {
    return [
      error("ticks", {
        code: "TICKS_STOPPED",
        what: `ticks have stopped: the last one was ${ago} ago`,
        why: "no due run starts until ticks resume",
        fix: start
      })
    ]
  }
  const hosts = new Set((engines ?? []).map(({ host }) => host)).size
  const versions = [...new Set((engines ?? []).map(({ version }) => version ?? "unknown"))]
  const findings: Array<CheckResult> = []
  if (status.verdict === "late") {
    findings.push(
      error("ticks", {
        code: "TICKS_LATE",
        what: `ticks run, the last one ${ago} ago, but syncs have been due for over 5 minutes (${status.overdue ?? "some"})`,
        why: "the engines cannot keep up, cannot claim runs, or cannot reach the functions",
        fix: "To see what is due: sync-scheduler run --dry-run. To see why it does not start: sync-scheduler run"
      })
    )
  }
  if (versions.length > 1) {
    findings.push(
      warning("ticks", {
        code: "ENGINES_DIFFER",
        what: `engines of ${versions.length} versions have run ticks in the last 24 hours: ${versions.join(", ")}`,
        why: "this is normal during a rollout; at any other time, an old engine was probably forgotten",
        fix: `Update or stop the older ones: ${(engines ?? []).map(({ host, version }) => `${host} (${version ?? "unknown"})`).join(", ")}`
      })
    )
  }
  return findings.length > 0
    ? findings
    : [
        ok(
          "ticks",
          `the last one ${ago} ago; engines on ${hosts} ${hosts === 1 ? "host" : "hosts"} within a day`
        )
      ]
}

/** Checks whether old rows are deleted. Every tick deletes a batch of old rows. */
export const historyFindings = ({ history }: Diagnosis): ReadonlyArray<CheckResult> => {
  if (history === null || history === undefined) return []
  const { oldest_run_days: runs, oldest_tick_days: ticks } = history
  const isOver = (runs ?? 0) > KEEP_RUNS_DAYS + 3 || (ticks ?? 0) > KEEP_TICKS_DAYS + 3
  return isOver
    ? [
        warning("history", {
          code: "RETENTION_BEHIND",
          what: `the oldest finished run is ${runs ?? 0} days old, the oldest tick ${ticks ?? 0}`,
          why: `runs are kept for ${KEEP_RUNS_DAYS} days and ticks for ${KEEP_TICKS_DAYS}: deletion is not keeping up, or one of your foreign keys prevents it`,
          fix: "select public.prune_sync_history(p_limit => 10000); repeat it until it deletes nothing, and check for an error."
        })
      ]
    : [
        ok(
          "history",
          `the oldest run is ${runs ?? 0} days old, the oldest tick ${ticks ?? 0} days old`
        )
      ]
}

const KEEP_RUNS_DAYS = 400
const KEEP_TICKS_DAYS = 30
/** The number of rows above which cron.job_run_details slows down pg_cron. */
const MANY_DETAILS = 1_000_000

/** Checks that at most one pg_cron job starts the scheduler. */
export const cronFindings = ({ cron }: Diagnosis): ReadonlyArray<CheckResult> => {
  if (cron === null) return [ok("pg_cron", "not installed; another program starts the ticks")]
  if (cron.jobs === null) return [ok("pg_cron", "installed; this role cannot see its jobs")]
  // The other job in deploy/pg_cron.sql deletes pg_cron's own old rows.
  const jobs = cron.jobs.filter(({ name }) => name !== "sync-scheduler-prune")
  const names = jobs.map(({ id, name }) => `${name ?? "a job"} (${id})`).join(", ")
  const active = jobs.filter((job) => job.active)
  const findings = [
    active.length > 1 &&
      warning("pg_cron", {
        code: "CRON_DUPLICATE",
        what: `${active.length} jobs start Sync Scheduler: ${names}`,
        why: "no sync runs twice, but every tick costs twice as much",
        fix: `select cron.unschedule(${active.at(-1)?.id ?? 0});`
      }),
    jobs.length > 0 &&
      active.length === 0 &&
      error("pg_cron", {
        code: "CRON_INACTIVE",
        what: `the job exists but is not active: ${names}`,
        why: "it starts no ticks",
        fix: `select cron.alter_job(${jobs[0]?.id ?? 0}, active => true);`
      }),
    (cron.kept_details ?? 0) > MANY_DETAILS &&
      warning("pg_cron", {
        code: "CRON_DETAILS",
        what: `cron.job_run_details holds about ${(cron.kept_details ?? 0).toLocaleString("en-US")} rows`,
        why: "pg_cron never deletes these rows",
        fix: "delete from cron.job_run_details where end_time < now() - interval '7 days';"
      })
  ].filter((one) => one !== false)
  if (findings.length > 0) return findings
  return [
    ok(
      "pg_cron",
      active.length === 0
        ? "installed, without the scheduler's job; another program starts the ticks"
        : `one job starts Sync Scheduler: ${names}, ${active[0]?.schedule ?? ""}`
    )
  ]
}
