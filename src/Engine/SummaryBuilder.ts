import { Chunk } from "effect"
import { GRANT, isReadOnly } from "../Database/SqlState.ts"
import { type CommandCode, commandCodes } from "../Domain/ErrorCode.ts"
import type { SchemaMismatch, SupabaseError } from "../Domain/Errors.ts"
import type { Run, RunStatus } from "../Domain/Run.ts"
import type { RunReport, SkipReport, Summary, TickError } from "../Domain/Summary.ts"

/** The maximum number of runs and the maximum number of skips in a summary. If there are more, `runs_truncated` is true. */
const MAX_LISTED = 1000

/** Errors that concern a single integration. A tick with only these errors is ok. */
const OF_ONE_INTEGRATION: ReadonlySet<string> = new Set([
  "ROW_REJECTED",
  "ROW_UNREADABLE",
  "SCHEDULE_INVALID"
])
const MAX_ERRORS = 100

/** Instants are epoch milliseconds. */
export interface TickFacts {
  readonly tickId: string
  readonly engineId: string
  readonly startedAt: number
  readonly finishedAt: number
}

/**
 * A tick's counts and events. Keeps at most 1,000 runs of each status, 1,000 skips and 100 different errors, so that memory is
 * bounded.
 */
export interface SummaryBuilder {
  readonly driftAlertMs: number
  /** Whether the tick succeeded. Depends on all errors, including those beyond the first 100. */
  readonly isOk: boolean
  readonly triggered: number
  readonly completed: number
  readonly failed: number
  readonly skipped: number
  readonly rescued: number
  readonly missed: number
  readonly coldStarts: number
  readonly maxDriftMs: number
  readonly overThreshold: number
  readonly runs: Readonly<Record<RunStatus, Chunk.Chunk<RunReport>>>
  readonly skips: Chunk.Chunk<SkipReport>
  readonly errors: Chunk.Chunk<TickError>
}

export const empty = (driftAlertMs: number): SummaryBuilder => ({
  driftAlertMs,
  isOk: true,
  triggered: 0,
  completed: 0,
  failed: 0,
  skipped: 0,
  rescued: 0,
  missed: 0,
  coldStarts: 0,
  maxDriftMs: 0,
  overThreshold: 0,
  runs: {
    failed: Chunk.empty(),
    unknown: Chunk.empty(),
    pending: Chunk.empty(),
    skipped: Chunk.empty(),
    running: Chunk.empty(),
    completed: Chunk.empty()
  },
  skips: Chunk.empty(),
  errors: Chunk.empty()
})

const appendUpTo = <A>(most: number, list: Chunk.Chunk<A>, item: A): Chunk.Chunk<A> =>
  list.length < most ? Chunk.append(list, item) : list

/** A failed call adds an equal error for each of its runs. */
const isListed = (list: Chunk.Chunk<TickError>, { code, detail, message }: TickError): boolean =>
  Chunk.some(list, (one) => one.code === code && one.message === message && one.detail === detail)

export const addSkip = (builder: SummaryBuilder, skip: SkipReport): SummaryBuilder => ({
  ...builder,
  skipped: builder.skipped + 1,
  skips: appendUpTo(MAX_LISTED, builder.skips, skip)
})

export const addSkippedSlots = (builder: SummaryBuilder, count: number): SummaryBuilder => ({
  ...builder,
  missed: builder.missed + count
})

export const addError = (builder: SummaryBuilder, error: TickError): SummaryBuilder => ({
  ...builder,
  isOk: builder.isOk && OF_ONE_INTEGRATION.has(error.code),
  errors: isListed(builder.errors, error) ? builder.errors : withError(builder.errors, error)
})

/** If the list is full, an error of the tick replaces an error of a single integration, so that the list explains `isOk`. */
const withError = (list: Chunk.Chunk<TickError>, error: TickError): Chunk.Chunk<TickError> => {
  if (list.length < MAX_ERRORS) return Chunk.append(list, error)
  if (OF_ONE_INTEGRATION.has(error.code)) return list
  const last = Chunk.toReadonlyArray(list).findLastIndex(({ code }) => OF_ONE_INTEGRATION.has(code))
  return last < 0 ? list : Chunk.append(Chunk.remove(list, last), error)
}

export const addRun = (
  builder: SummaryBuilder,
  run: RunReport,
  rescued: boolean
): SummaryBuilder => {
  // A backfill's slots are in the past, so its runs are not late.
  const driftMs = run.trigger === "backfill" ? 0 : (run.drift_ms ?? 0)
  return {
    ...builder,
    triggered: builder.triggered + 1,
    completed: builder.completed + (run.status === "completed" ? 1 : 0),
    failed: builder.failed + (run.status === "failed" ? 1 : 0),
    rescued: builder.rescued + (rescued ? 1 : 0),
    coldStarts: builder.coldStarts + (run.cold_start ? 1 : 0),
    maxDriftMs: Math.max(builder.maxDriftMs, driftMs),
    overThreshold: builder.overThreshold + (driftMs > builder.driftAlertMs ? 1 : 0),
    runs: { ...builder.runs, [run.status]: appendUpTo(MAX_LISTED, builder.runs[run.status], run) }
  }
}

/** Returns the summary, with failures first. */
export const toSummary = (builder: SummaryBuilder, frame: TickFacts): Summary => {
  const { completed, failed, skipped, triggered } = builder
  const runs = Object.values(builder.runs)
    .flatMap((list) => Chunk.toReadonlyArray(list))
    .slice(0, MAX_LISTED)
  return {
    ok: builder.isOk,
    tick_id: frame.tickId,
    engine_id: frame.engineId,
    started_at: frame.startedAt,
    finished_at: frame.finishedAt,
    duration_ms: frame.finishedAt - frame.startedAt,
    due: triggered + skipped,
    triggered,
    completed,
    failed,
    skipped,
    unresolved: triggered - completed - failed,
    rescued: builder.rescued,
    missed: builder.missed,
    cold_starts: builder.coldStarts,
    drift: { max_ms: builder.maxDriftMs, over_threshold: builder.overThreshold },
    runs,
    runs_truncated: triggered > runs.length || skipped > builder.skips.length,
    skips: Chunk.toReadonlyArray(builder.skips),
    errors: Chunk.toReadonlyArray(builder.errors)
  }
}

/** Converts a failed database call to a tick error. `detail` contains the call. */
export const tickError = (error: SupabaseError): TickError & { readonly code: CommandCode } => {
  if (isReadOnly(error)) return knownError("DATABASE_READ_ONLY", error)
  const [code, hint] = advice[error.reason]
  const known = adviceByCode.get(`${error.reason} ${error.code}`)
  return {
    code,
    message: sentenceOf(error, code),
    hint: error.hint ?? known ?? hint ?? commandCodes[code].fix,
    detail: error.message
  }
}

/** Describes the failure in one sentence. For a missing function, omits the database's message. */
const sentenceOf = (
  { code: own, detail, hint, reason }: SupabaseError,
  code: CommandCode
): string => {
  const { what } = commandCodes[code]
  if (own === "42501") return `${detail.slice(0, 1).toUpperCase()}${detail.slice(1)}`
  // A direct connection uses no key and no API, so the sentence mentions only the database.
  const isDirect = hint !== undefined
  if (reason === "Missing" && !isDirect) return what
  return `${isDirect ? (DIRECT.get(code) ?? what) : what}: ${detail}`
}

const DIRECT: ReadonlyMap<CommandCode, string> = new Map([
  ["KEY_REFUSED", "The database rejected the connection"],
  ["MIGRATIONS_MISSING", "The database rejected the connection"],
  ["SUPABASE_UNREACHABLE", "The database does not answer"]
])

export const mismatchError = (error: SchemaMismatch): TickError => {
  const code = error.reason === "DatabaseTooOld" ? "SCHEMA_TOO_OLD" : "ENGINE_TOO_OLD"
  return {
    code,
    message: error.message,
    hint: commandCodes[code].fix.replace("<version>", error.database)
  }
}

/** Returns the error for a function that exists in the database but is unknown to the Data API. */
export const staleError = (error: SupabaseError): TickError =>
  knownError("SCHEMA_CACHE_STALE", error)

const knownError = (code: CommandCode, error: SupabaseError) => ({
  code,
  message: commandCodes[code].what,
  hint: commandCodes[code].fix,
  detail: error.message
})

/** Fixes for errors whose SQLSTATE or PostgREST code is more specific than their reason. */
const adviceByCode: ReadonlyMap<string, string> = new Map([
  [
    "Refused 42501",
    `Set SUPABASE_SECRET_KEY to a secret key of this project. If the key is already correct, run: ${GRANT}`
  ],
  [
    "Missing PGRST202",
    `${commandCodes.MIGRATIONS_MISSING.fix}; if they are applied, make the Data API reload the schema: ${commandCodes.SCHEMA_CACHE_STALE.fix}`
  ],
  [
    "Rejected 22023",
    "A server between the engine and the database changed the arguments (Supabase lite over PostgreSQL sends JSON as text). Use the project's own API, or SUPABASE_DB_URL."
  ],
  ["Missing PGRST106", "Expose schema public again (Dashboard: Project Settings, Data API)."]
])

const MAX_NAMED = 20

/** Returns the error for outcomes that were not recorded before the leases ended. */
export const unrecordedError = (
  lost: ReadonlyArray<{ readonly run: Run; readonly error: SupabaseError }>
): TickError => {
  const names = lost.slice(0, MAX_NAMED).map(({ run }) => run.run_id)
  const rest = lost.length > names.length ? ` and ${lost.length - names.length} more` : ""
  return {
    code: "OUTCOME_NOT_RECORDED",
    message: `The outcomes of ${lost.length} runs were not recorded before the leases ended: ${names.join(", ")}${rest}. ${lost[0]?.error.message ?? ""}`,
    hint: commandCodes.OUTCOME_NOT_RECORDED.fix
  }
}

export const rejectedError = (integrationId: string, detail: string | undefined): TickError => ({
  code: "ROW_REJECTED",
  message: `The database rejects the run of integration ${integrationId}: ${detail ?? "no reason given"}`,
  hint: commandCodes.ROW_REJECTED.fix
})

export const invalidSchedule = (integrationId: string, detail: string | null | undefined) => ({
  code: "SCHEDULE_INVALID",
  message: `Integration ${integrationId}: ${detail ?? "its schedule is invalid"}`,
  hint: "Correct the row's sync_schedule or timezone; until then, the integration is not due. To test a schedule: sync-scheduler schedules validate '<cron>' --tz <zone>"
})

/** Returns the error for an integration whose row has a fault (sync_scheduler.row_fault) or cannot be decoded. */
export const unreadableError = (row: {
  readonly id: string
  readonly detail: string
}): TickError => ({
  code: "ROW_UNREADABLE",
  message: `Integration ${row.id} cannot run: ${row.detail}`,
  hint: commandCodes.ROW_UNREADABLE.fix
})

/** The command code for each reason and, if possible, a more specific fix. */
const advice: Record<SupabaseError["reason"], readonly [code: CommandCode, hint?: string]> = {
  NotExecuted: ["SUPABASE_UNREACHABLE"],
  Ambiguous: [
    "SUPABASE_UNREACHABLE",
    "The call may have been executed; it is safe to repeat. Check the connection, and check that SUPABASE_URL is the project's own address."
  ],
  Refused: ["KEY_REFUSED"],
  Missing: ["MIGRATIONS_MISSING"],
  Rejected: ["DATABASE_REFUSED_CALL"],
  Malformed: ["UNEXPECTED_ANSWER"]
}
