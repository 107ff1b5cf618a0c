import { Data } from "effect"
import type { ConfigError } from "../Config/Load.ts"
import { commandCodes } from "../Domain/ErrorCode.ts"
import type { ScheduleError, SupabaseError } from "../Domain/Errors.ts"
import type { RunStatus } from "../Domain/Run.ts"
import type { TickError } from "../Domain/Summary.ts"
import { tickError } from "../Engine/SummaryBuilder.ts"

/**
 * Exit codes: 0 success · 1 a bug · 2 usage, expression or configuration · 3 a run did not complete · 4 key rejected · 5 Supabase
 * unreachable. If a signal interrupts the command, Process returns 128 plus the signal's number, such as 130 or 143.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5

/**
 * `errors` contains one entry per problem. `message` says what failed and why, and `hint` says how to fix it. `code` is stable.
 * `detail` is for `--verbose` and JSON.
 */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly exit: Exclude<ExitCode, 0>
  readonly errors: readonly [TickError, ...ReadonlyArray<TickError>]
}> {
  override get message(): string {
    return this.errors.map(({ message }) => message).join("; ")
  }
}

export const usageError = (message: string, hint: string): CommandError =>
  new CommandError({ exit: 2, errors: [{ code: "USAGE", message, hint }] })

export const configError = ({ problems }: ConfigError): CommandError => {
  const [first = nothing, ...rest] = problems.map(({ what, why, fix }) => ({
    code: "CONFIGURATION",
    message: `${what}: ${why}`,
    hint: fix
  }))
  return new CommandError({ exit: 2, errors: [first, ...rest] })
}

const nothing = { code: "CONFIGURATION", message: "The settings cannot be used", hint: "" }

export const scheduleError = ({ detail, hint }: ScheduleError): CommandError =>
  new CommandError({ exit: 2, errors: [{ code: "SCHEDULE_INVALID", message: detail, hint }] })

/** The hints for a database that cannot be opened, keyed by operation or error code. */
const OPENING: ReadonlyMap<string, readonly [message: string | null, hint: string]> = new Map([
  [
    "locked",
    [
      null,
      "If serve --demo is just starting, try again in a moment. Otherwise stop it, or choose another directory."
    ]
  ],
  [
    "migrate",
    [
      "Another version of sync-scheduler created this demo directory",
      "Delete the directory and create a new one: sync-scheduler demo --keep <dir>"
    ]
  ]
])

/**
 * Returns an error with exit code 2 if the address or directory is unusable. Otherwise, the exit code is the same as for a tick.
 */
export const connectionError = (error: SupabaseError): CommandError => {
  const [message, hint] = OPENING.get(error.code) ?? OPENING.get(error.operation) ?? [null, ""]
  const errors = [
    error.reason === "Rejected"
      ? {
          code: "CONFIGURATION",
          message: message ?? error.detail,
          hint,
          ...(message === null ? {} : { detail: error.message })
        }
      : tickError(error)
  ] as const
  const exit = exitOf(errors, { triggered: 0, failed: 0, runs: [] })
  return new CommandError({ exit: exit === 0 || error.reason === "Rejected" ? 2 : exit, errors })
}

/**
 * The error codes that abort a tick, with their exit codes. If several occur, the first one in this list determines the exit
 * code.
 */
const FATAL: ReadonlyArray<readonly [code: string, exit: ExitCode]> = Object.entries(commandCodes)
  .filter(([, { exit }]) => exit !== 3)
  .map(([code, { exit }]) => [code, exit])

/** The fields of a Summary that affect the exit code, apart from the errors. */
export interface TickCounts {
  readonly triggered: number
  readonly failed: number
  /** Failed, unknown and pending runs come first, so that truncation drops completed runs first. */
  readonly runs: ReadonlyArray<{ readonly status: RunStatus }>
}

/**
 * Returns the exit code of a tick. An error that aborted the tick determines the code. The code is 2 if a response was malformed
 * before any run was triggered, because the URL is then probably wrong. The code is 3 if a run failed, is unknown or will be
 * retried, or if part of the tick failed.
 */
export const exitOf = (errors: ReadonlyArray<TickError>, counts: TickCounts): ExitCode => {
  const codes = new Set(errors.map(({ code }) => code))
  const fatal = FATAL.find(([code]) => codes.has(code))
  if (fatal !== undefined) return fatal[1]
  if (codes.has("UNEXPECTED_ANSWER") && counts.triggered === 0) return 2
  const isOpen = counts.runs.some(({ status }) => status === "unknown" || status === "pending")
  return errors.length > 0 || counts.failed > 0 || isOpen ? 3 : 0
}
