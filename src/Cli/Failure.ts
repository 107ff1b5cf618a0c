import { Schema } from "effect"
import type { ConfigError } from "../Config/Load.ts"
import { commandCodes } from "../Domain/ErrorCode.ts"
import type { ScheduleError, SupabaseError } from "../Domain/Errors.ts"
import type { RunStatus } from "../Domain/Run.ts"
import type { TickError } from "../Domain/Summary.ts"
import { tickError } from "../Domain/Tally.ts"

/**
 * How the process ends: 0 fine · 1 a bug · 2 usage, expression or configuration · 3 a run failed or ended unknown ·
 * 4 key refused · 5 Supabase unreachable. 130 and 143 (interrupted) are given by Process.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5

/**
 * Why a command could not do what it was asked: one line for each problem, with what failed and why (`message`) and
 * how to fix it (`hint`), under a stable `code`. The shape is that of a summary's `errors`.
 */
export class CommandError extends Schema.TaggedError<CommandError>()("CommandError", {
  exit: Schema.Literal(1, 2, 3, 4, 5),
  errors: Schema.NonEmptyArray(
    Schema.Struct({ code: Schema.String, message: Schema.String, hint: Schema.String })
  )
}) {
  override get message(): string {
    return this.errors.map(({ message }) => message).join("; ")
  }
}

/** A command line, expression or value that cannot be used: exit 2. */
export const usageError = (message: string, hint: string): CommandError =>
  new CommandError({ exit: 2, errors: [{ code: "USAGE", message, hint }] })

/** Settings that are missing or malformed: exit 2. */
export const configError = ({ problems }: ConfigError): CommandError => {
  const [first = nothing, ...rest] = problems.map(({ what, why, fix }) => ({
    code: "CONFIGURATION",
    message: `${what}: ${why}`,
    hint: fix
  }))
  return new CommandError({ exit: 2, errors: [first, ...rest] })
}

const nothing = { code: "CONFIGURATION", message: "The settings cannot be used", hint: "" }

/** A schedule that cannot be computed: exit 2. */
export const scheduleError = ({ detail, hint }: ScheduleError): CommandError =>
  new CommandError({ exit: 2, errors: [{ code: "SCHEDULE_INVALID", message: detail, hint }] })

/** The database cannot even be tried: what it is reached by is unusable (exit 2), or as after a tick. */
export const connectionError = (error: SupabaseError): CommandError => {
  const errors = [
    error.reason === "Rejected"
      ? { code: "CONFIGURATION", message: error.detail, hint: "" }
      : tickError(error)
  ] as const
  const exit = exitOf(errors, { triggered: 0, failed: 0, runs: [] })
  return new CommandError({ exit: exit === 0 || error.reason === "Rejected" ? 2 : exit, errors })
}

/** What ends a tick as a whole, by code; the first that is found decides. */
const FATAL: ReadonlyArray<readonly [code: string, exit: ExitCode]> = Object.entries(commandCodes)
  .filter(([, { exit }]) => exit !== 3)
  .map(([code, { exit }]) => [code, exit])

/** What the exit code of a tick depends on besides its errors; a Summary is one. */
export interface TickCounts {
  readonly triggered: number
  readonly failed: number
  /** Failed runs come first, then unknown ones: if there is one, it is here. */
  readonly runs: ReadonlyArray<{ readonly status: RunStatus }>
}

/**
 * How the process ends after a tick: by what stopped it as a whole, else 3 when a run failed or ended unknown or part
 * of the tick could not be done, else 0: a run that a function accepted (202) or that is tried again later is neither. An
 * answer that makes no sense before anything was triggered is a wrong URL.
 */
export const exitOf = (errors: ReadonlyArray<TickError>, counts: TickCounts): ExitCode => {
  const codes = new Set(errors.map(({ code }) => code))
  const fatal = FATAL.find(([code]) => codes.has(code))
  if (fatal !== undefined) return fatal[1]
  if (codes.has("UNEXPECTED_ANSWER") && counts.triggered === 0) return 2
  const isUnknown = counts.runs.some(({ status }) => status === "unknown")
  return errors.length > 0 || counts.failed > 0 || isUnknown ? 3 : 0
}
