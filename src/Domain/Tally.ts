import { type CommandCode, commandCodes } from "./ErrorCode.ts"
import type { SchemaMismatch, SupabaseError } from "./Errors.ts"
import {
  MAX_LISTED,
  type RunReport,
  type SkipReport,
  type Summary,
  type TickError
} from "./Summary.ts"

/** Errors that a summary lists; more of the same kind add nothing. */
const MAX_ERRORS = 100

/**
 * The one place where what happened in a tick becomes its summary. Counts everything, keeps at most 1,000 runs
 * (failures first) and 1,000 skips, so that memory is bounded whatever is due.
 */
export class Tally {
  private triggered = 0
  private completed = 0
  private failed = 0
  private skipped = 0
  private rescued = 0
  private missed = 0
  private coldStarts = 0
  private maxDriftMs = 0
  private overThreshold = 0
  /** In the order in which the summary shows them. */
  private readonly runs = new Map<RunReport["status"], Array<RunReport>>(
    (["failed", "unknown", "skipped", "pending", "running", "completed"] as const).map((status) => [
      status,
      []
    ])
  )
  private readonly skips: Array<SkipReport> = []
  private readonly errors: Array<TickError> = []

  private readonly driftAlertMs: number

  constructor(driftAlertMs: number) {
    this.driftAlertMs = driftAlertMs
  }

  /** A run that was started. `rescued`: it was taken over from another engine or an earlier tick. */
  run(report: RunReport, rescued: boolean): void {
    this.triggered += 1
    if (rescued) this.rescued += 1
    if (report.cold_start) this.coldStarts += 1
    // A slot of the past that somebody asked for is not late.
    const driftMs = report.trigger === "backfill" ? 0 : (report.drift_ms ?? 0)
    this.maxDriftMs = Math.max(this.maxDriftMs, driftMs)
    if (driftMs > this.driftAlertMs) this.overThreshold += 1
    if (report.status === "completed") this.completed += 1
    if (report.status === "failed") this.failed += 1
    const list = this.runs.get(report.status)
    if (list !== undefined && list.length < MAX_LISTED) list.push(report)
  }

  skip(report: SkipReport): void {
    this.skipped += 1
    if (this.skips.length < MAX_LISTED) this.skips.push(report)
  }

  /** Slots passed over, now on record as a range. */
  passedOver(count: number): void {
    this.missed += count
  }

  error(error: TickError): void {
    if (this.errors.length < MAX_ERRORS) this.errors.push(error)
  }

  summary(frame: {
    readonly tickId: string
    readonly engineId: string
    readonly startedAt: number
    readonly finishedAt: number
  }): Summary {
    const runs = Array.from(this.runs.values()).flat().slice(0, MAX_LISTED)
    return {
      tick_id: frame.tickId,
      engine_id: frame.engineId,
      started_at: frame.startedAt,
      finished_at: frame.finishedAt,
      duration_ms: frame.finishedAt - frame.startedAt,
      due: this.triggered + this.skipped,
      triggered: this.triggered,
      completed: this.completed,
      failed: this.failed,
      skipped: this.skipped,
      unresolved: this.triggered - this.completed - this.failed,
      rescued: this.rescued,
      missed: this.missed,
      cold_starts: this.coldStarts,
      drift: { max_ms: this.maxDriftMs, over_threshold: this.overThreshold },
      runs,
      runs_truncated: this.triggered > runs.length || this.skipped > this.skips.length,
      skips: this.skips,
      errors: this.errors
    }
  }
}

/** A failed database call as the summary shows it: code, what failed and why, and how to fix it. */
export const tickError = (error: SupabaseError): TickError & { readonly code: CommandCode } => {
  const [code, hint] = advice[error.reason]
  const known = adviceByCode.get(error.code)
  return { code, message: error.message, hint: known ?? hint ?? commandCodes[code].fix }
}

/** Binary and database that do not belong together, as the summary shows it. */
export const mismatchError = (error: SchemaMismatch): TickError => {
  const code = error.reason === "DatabaseTooOld" ? "SCHEMA_TOO_OLD" : "ENGINE_TOO_OLD"
  return { code, message: error.message, hint: commandCodes[code].fix }
}

/** Where the code tells more than the reason: no migration helps these. */
const adviceByCode: ReadonlyMap<string, string> = new Map([
  ["3D000", "Correct the name at the end of SUPABASE_DB_URL; on Supabase it is postgres."],
  ["PGRST106", "Expose schema public again (Dashboard: Project Settings, Data API)."]
])

/** A row of organization_integrations that cannot be read; the others are not affected. */
export const unreadableError = (row: {
  readonly id: string
  readonly detail: string
}): TickError => ({
  code: "ROW_UNREADABLE",
  message: `Integration ${row.id} cannot be read: ${row.detail}`,
  hint: commandCodes.ROW_UNREADABLE.fix
})

/** The code of a failed call, and what it says besides the table where it has more to say. */
const advice: Record<SupabaseError["reason"], readonly [code: CommandCode, hint?: string]> = {
  NotExecuted: [
    "SUPABASE_UNREACHABLE",
    `Nothing was changed by this call. ${commandCodes.SUPABASE_UNREACHABLE.fix}`
  ],
  Ambiguous: [
    "SUPABASE_UNREACHABLE",
    "The call may have been carried out; that is safe, the next tick finds out. Check the connection, and that SUPABASE_URL is the project's own address."
  ],
  Refused: ["KEY_REFUSED"],
  Missing: ["MIGRATIONS_MISSING"],
  Rejected: ["DATABASE_REFUSED_CALL"],
  Malformed: ["UNEXPECTED_ANSWER"]
}
