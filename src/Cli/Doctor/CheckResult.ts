import { Schema } from "effect"
import type { CommandCode } from "../../Domain/ErrorCode.ts"

/** The subjects of checks, in report order. */
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
  SETTING_ODD: "A setting is probably a mistake, such as a misspelt name.",
  KEY_ROLE: "The key belongs to a role other than service_role.",
  KEY_UNKNOWN: "The key does not look like a Supabase key.",
  SCHEMA_OLDER: "The database lacks migrations of this version; ticks work without them.",
  SCHEMA_UNKNOWN: "The database has all migrations, but doctor cannot query it.",
  SCHEMA_MISSING:
    "One of the scheduler's tables, columns, indexes, views, functions or triggers is missing.",
  SCHEMA_CHANGED: "One of the scheduler's database objects was changed by hand.",
  TRIGGER_DISABLED: "One of the scheduler's triggers is disabled.",
  TRIGGER_SEARCH_PATH: "One of the project's trigger functions sets no search_path.",
  LOG_CASCADE: "A foreign key deletes runs, or deletes other rows when runs are deleted.",
  BINARY_OLD: "The database has newer migrations than this binary knows.",
  RLS_OFF: "Row level security is off for a table.",
  OPEN_TO_OTHERS: "A role other than service_role can use a table or function.",
  CLOSED_TO_SERVICE: "service_role cannot use a table or function.",
  CLOCK_SKEW: "This machine's clock differs from the database's by more than 5 s.",
  TICKS_NEVER: "No tick has run yet.",
  TICKS_STOPPED: "Ticks have stopped.",
  TICKS_LATE: "Ticks run, but syncs have been due for over 5 minutes.",
  ENGINES_DIFFER: "Engines of different versions have run ticks in the last 24 hours.",
  TIMEZONE_INVALID: "An integration's time zone is not an IANA time zone.",
  ZONE_DATA_DIFFER: "This program and the database have different rules for a time zone.",
  SCHEDULE_REFUSED: "An engine rejected a schedule that this version can compute.",
  SCHEDULE_EMPTY: "Enabled integrations have no schedule.",
  NOTHING_ENABLED: "No integration is enabled.",
  ENABLED_NULL: "Integrations never run, because their `enabled` is null.",
  TIMEZONE_NULL: "Enabled integrations have no time zone; UTC is used.",
  TIMEOUT_OVER_QUIESCENCE: "A timeout is longer than the delay before a lost run is retried.",
  QUIESCENCE_SHORT: "A lost run can be retried while its function is still running.",
  LEASE_OVER_GUARD: "A lease is longer than the time limit of a background run.",
  TIMEOUT_SHORT: "The timeout is shorter than the platform's own limit.",
  INTERVAL_OVER_DRIFT: "serve ticks so rarely that runs are late.",
  FUNCTION_NOT_ALLOWED: "Integrations name a function that the settings do not allow.",
  FUNCTION_UNREACHABLE: "A function cannot be reached.",
  FUNCTION_NOT_FOUND: "A function that should be invoked does not exist.",
  FUNCTION_KEY_REFUSED: "A function, or the platform in front of it, rejects the key.",
  FUNCTION_REDIRECTS: "A function's address redirects to another address.",
  FUNCTION_BOOT_ERROR: "A function does not start.",
  FUNCTION_FAILS: "A function responds to OPTIONS with a server error.",
  RETENTION_BEHIND: "Old rows are not deleted.",
  CRON_DUPLICATE: "Several pg_cron jobs start the scheduler.",
  CRON_INACTIVE: "The pg_cron job is not active.",
  CRON_DETAILS: "pg_cron's own log has grown large.",
  ALERTS_OFF: "No alert is sent for incidents.",
  ALERTS_UNSIGNED: "Alerts are not signed.",
  ALERTS_UNSENT: "The receiver does not accept alerts.",
  PING_OFF: "No dead man's switch is pinged."
} as const

/**
 * One result of the doctor. `fix` is a command or SQL, sometimes after a line of explanation. `code` is stable. `code`, `why` and
 * `fix` are null if the level is `ok`.
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

export const ok = (check: Check, what: string): CheckResult => ({
  check,
  level: "ok",
  code: null,
  what,
  why: null,
  fix: null
})

/** Returns a warning: syncs run, but the installation is degraded or at risk. */
export const warning = (check: Check, trouble: Trouble): CheckResult => ({
  check,
  level: "warning",
  ...trouble
})

/** Returns an error: syncs do not run, run incorrectly, or are accessible to others. */
export const error = (check: Check, trouble: Trouble): CheckResult => ({
  check,
  level: "error",
  ...trouble
})
