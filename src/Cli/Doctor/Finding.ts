import { Schema } from "effect"
import type { CommandCode } from "../../Domain/ErrorCode.ts"

/** What a check is about; the order is that of the report. */
export const CHECKS = [
  "settings",
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

/** What can be found, besides what ends a command or a tick (Domain/ErrorCode). */
export const findingCodes = {
  SETTING_ODD: "A setting that is hardly what was meant, such as a misspelt one.",
  KEY_ROLE: "The key belongs to another role than service_role.",
  KEY_UNKNOWN: "The key has the form of no Supabase key.",
  DATABASE_READ_ONLY: "The database is a replica, or its disk is full.",
  SCHEMA_OLDER: "Migrations are missing that this version brings; ticks work without them.",
  SCHEMA_UNKNOWN: "The database has all migrations, and does not answer the doctor.",
  SCHEMA_MISSING: "A table, column, index, view, function or trigger of ours is gone.",
  SCHEMA_CHANGED: "One of them was changed by hand.",
  TRIGGER_DISABLED: "A trigger of ours is switched off.",
  BINARY_OLD: "The database knows newer migrations than this binary.",
  RLS_OFF: "Row level security of a table is off.",
  OPEN_TO_OTHERS: "Somebody else than service_role may use a table or function.",
  CLOSED_TO_SERVICE: "service_role may not use a table or function.",
  CLOCK_SKEW: "This machine's clock is more than 5 s from the database's.",
  TICKS_NEVER: "No tick has run yet.",
  TICKS_STOPPED: "Ticks have stopped.",
  TICKS_LATE: "Ticks run, and syncs are due for over 5 minutes all the same.",
  ENGINES_DIFFER: "Engines of several versions ticked within a day.",
  TIMEZONE_INVALID: "An integration's time zone is none of IANA's.",
  SCHEDULE_REFUSED: "An engine refused a schedule that this version can compute.",
  SCHEDULE_EMPTY: "Enabled integrations have no schedule.",
  NOTHING_ENABLED: "No integration is enabled.",
  TIMEOUT_OVER_QUIESCENCE: "A timeout is longer than the time after which a lost run is repeated.",
  QUIESCENCE_SHORT: "Lost runs are repeated while the function may still work.",
  LEASE_OVER_GUARD: "A lease is longer than the time that a background run has.",
  TIMEOUT_SHORT: "The timeout is shorter than the platform lets a function take.",
  INTERVAL_OVER_DRIFT: "serve ticks so rarely that runs count as late.",
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
  ALERTS_OFF: "Nobody is told of incidents.",
  ALERTS_UNSIGNED: "Alerts are not signed.",
  ALERTS_UNSENT: "The receiver does not take alerts.",
  PING_OFF: "No dead man's switch is pinged."
} as const

/**
 * One thing that the doctor looked at: how it stands (`what`), and when it is not well, why that matters and the command or
 * SQL that puts it right, in a line of its own where there is more to say. `code` is stable; `ok` has none of the three.
 */
export const Finding = Schema.Struct({
  check: Schema.Literal(...CHECKS),
  level: Schema.Literal("ok", "warning", "error"),
  code: Schema.NullOr(Schema.String),
  what: Schema.String,
  why: Schema.NullOr(Schema.String),
  fix: Schema.NullOr(Schema.String)
})
export type Finding = typeof Finding.Type

/** What `doctor -o json` prints. */
export const DoctorReport = Schema.Struct({
  errors: Schema.Int,
  warnings: Schema.Int,
  findings: Schema.Array(Finding)
})

type Check = Finding["check"]

interface Trouble {
  readonly code: keyof typeof findingCodes | CommandCode
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** It is as it should be. */
export const fine = (check: Check, what: string): Finding => ({
  check,
  level: "ok",
  code: null,
  what,
  why: null,
  fix: null
})

/** It works, but not as well as it could, or not for long. */
export const warning = (check: Check, trouble: Trouble): Finding => ({
  check,
  level: "warning",
  ...trouble
})

/** Syncs do not run, run wrongly, or are open to others. */
export const error = (check: Check, trouble: Trouble): Finding => ({
  check,
  level: "error",
  ...trouble
})
