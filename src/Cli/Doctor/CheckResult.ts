import { Schema } from "effect"
import type { CommandCode } from "../../Domain/ErrorCode.ts"

/** The subjects of checks, in the order of the report. */
export const CHECKS = [
  "settings",
  "environment",
  "key",
  "database",
  "schema",
  "access",
  "clock",
  "ticks",
  "schedules",
  "timeouts",
  "function",
  "history",
  "pg_cron",
  "alerts"
] as const

/** The codes of findings, in addition to the codes of failed commands and ticks (Domain/ErrorCode). */
export const findingCodes = {
  SETTING_ODD: "A setting that is hardly what was meant, such as a misspelt one.",
  KEY_ROLE: "The key belongs to another role than service_role.",
  KEY_UNKNOWN: "The key has the form of no Supabase key.",
  SCHEMA_OLDER: "Migrations are missing that this version brings; ticks work without them.",
  SCHEMA_UNKNOWN: "The database has all migrations, and does not answer the doctor.",
  SCHEMA_MISSING:
    "One of the scheduler's tables, columns, indexes, views, functions or triggers is missing.",
  SCHEMA_CHANGED: "One of them was changed by hand.",
  TRIGGER_DISABLED: "One of the scheduler's triggers is disabled.",
  TRIGGER_SEARCH_PATH: "A trigger of the project has a function without its own search_path.",
  LOG_CASCADE: "A foreign key deletes runs, or rows with runs.",
  BINARY_OLD: "The database knows newer migrations than this binary.",
  RLS_OFF: "Row level security of a table is off.",
  OPEN_TO_OTHERS: "A role other than service_role may use a table or function.",
  CLOSED_TO_SERVICE: "service_role may not use a table or function.",
  CLOCK_SKEW: "This machine's clock is more than 5 s from the database's.",
  TICKS_NEVER: "No tick has run yet.",
  TICKS_STOPPED: "Ticks have stopped.",
  TICKS_LATE: "Ticks run, but syncs have been due for over 5 minutes.",
  ENGINES_DIFFER: "Engines of several versions ticked within a day.",
  TIMEZONE_INVALID: "An integration's time zone is none of IANA's.",
  ZONE_DATA_DIFFER: "This program and the database have different data of a time zone.",
  SCHEDULE_REFUSED: "An engine refused a schedule that this version can compute.",
  SCHEDULE_EMPTY: "Enabled integrations have no schedule.",
  NOTHING_ENABLED: "No integration is enabled.",
  ENABLED_NULL: "Integrations never run, because their `enabled` is null.",
  TIMEZONE_NULL: "Enabled integrations have no time zone; UTC is used.",
  TIMEOUT_OVER_QUIESCENCE: "A timeout is longer than the time after which a lost run is repeated.",
  QUIESCENCE_SHORT: "Lost runs are repeated while the function may still work.",
  LEASE_OVER_GUARD: "A lease is longer than the time that a background run has.",
  TIMEOUT_SHORT: "The timeout is shorter than the platform lets a function take.",
  INTERVAL_OVER_DRIFT: "serve ticks so rarely that runs count as late.",
  FUNCTION_NOT_ALLOWED: "Integrations name a function that is not on the list of functions.",
  FUNCTION_UNREACHABLE: "A function cannot be reached.",
  FUNCTION_NOT_FOUND: "There is no function of that name.",
  FUNCTION_KEY_REFUSED: "A function, or the platform before it, refuses the key.",
  FUNCTION_REDIRECTS: "A function's address answers with a redirect.",
  FUNCTION_BOOT_ERROR: "A function does not start.",
  FUNCTION_FAILS: "A function answers OPTIONS with an error of the server.",
  RETENTION_BEHIND: "Old rows are not deleted.",
  CRON_DUPLICATE: "Several jobs of pg_cron start the scheduler.",
  CRON_INACTIVE: "The job of pg_cron is not active.",
  CRON_DETAILS: "pg_cron's own log has grown large.",
  ALERTS_OFF: "No alert is sent for incidents.",
  ALERTS_UNSIGNED: "Alerts are not signed.",
  ALERTS_UNSENT: "The receiver does not take alerts.",
  PING_OFF: "No dead man's switch is pinged."
} as const

/**
 * One result of the doctor: the finding (`what`), and for a problem, why it matters and the command or SQL that fixes it, on
 * its own line when the fix also needs an explanation. `code` is stable. `code`, `why` and `fix` are null when the result is
 * `ok`.
 */
export const CheckResult = Schema.Struct({
  check: Schema.Literal(...CHECKS),
  level: Schema.Literal("ok", "warning", "error"),
  code: Schema.NullOr(Schema.String),
  what: Schema.String,
  why: Schema.NullOr(Schema.String),
  fix: Schema.NullOr(Schema.String)
})
export type CheckResult = typeof CheckResult.Type

/** The output of `doctor -o json`. */
export const DoctorReport = Schema.Struct({
  errors: Schema.Int,
  warnings: Schema.Int,
  findings: Schema.Array(CheckResult)
})

type Check = CheckResult["check"]

interface Trouble {
  readonly code: keyof typeof findingCodes | CommandCode
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** Returns the result of a passed check. */
export const ok = (check: Check, what: string): CheckResult => ({
  check,
  level: "ok",
  code: null,
  what,
  why: null,
  fix: null
})

/** Returns the result for degraded or endangered operation. */
export const warning = (check: Check, trouble: Trouble): CheckResult => ({
  check,
  level: "warning",
  ...trouble
})

/** Returns the result for syncs that do not run, run incorrectly, or are accessible to others. */
export const error = (check: Check, trouble: Trouble): CheckResult => ({
  check,
  level: "error",
  ...trouble
})
