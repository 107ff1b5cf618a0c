import { Schema } from "effect"

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

/**
 * One thing that the doctor looked at: how it stands (`what`), and when it is not well, why that matters and the command or
 * SQL that puts it right. `code` is stable; `ok` has none of the three.
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
  readonly code: string
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
