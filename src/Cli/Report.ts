import * as Duration from "../Domain/Duration.ts"
import { format } from "../Domain/Instant.ts"
import { reasonOf } from "../Domain/RunReason.ts"
import { describeInstant } from "../Domain/Schedule/Schedule.ts"
import type { RunReport, SkipReport, Summary, TickError } from "../Domain/Summary.ts"
import {
  type Field,
  type ListClock,
  listing,
  nameOf,
  plainInstant,
  shortTime,
  timeTitle,
  tsv
} from "./Listing.ts"
import { type Style, safe } from "./Style.ts"
import type { Cell } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"

/** Statuses never differ by colour alone. */
const STATUS: Record<RunReport["status"], Cell> = {
  completed: { text: "✓ completed", paint: "green" },
  failed: { text: "✗ failed", paint: "red" },
  unknown: { text: "? unknown", paint: "yellow" },
  pending: { text: "↻ retrying", paint: "yellow" },
  running: { text: "… accepted", paint: "yellow" },
  skipped: { text: "- skipped", paint: "dim" }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["locked", "another engine is claiming it"],
  ["already_running", "its last run is still in progress"],
  ["already_recorded", "its slot already has a run"],
  ["lost_race", "another engine claimed it first"],
  ["disabled", "the integration is disabled"],
  ["gone", "the integration no longer exists"],
  ["not_before", "its next attempt is not due yet"],
  ["claimed_by_another", "another engine has claimed it"],
  ["schedule_error", "its schedule is invalid"],
  ["claim_unconfirmed", "the database did not confirm the claim"],
  ["start_unconfirmed", "the database did not confirm the start"],
  ["api_throttled", "its accounting API is throttling requests; the run waits"],
  ["api_limit", "its accounting API currently allows only one run at a time; the run waits"],
  ["function_unavailable", "the function cannot be reached"]
])

/** Formats an instant, such as `2026-11-24 02:00 UTC`. Omits zero seconds. Omits the date if it is also the date of `today`. */
export const showInstant = (ms: number, today?: number): string => {
  const text = format(ms)
  const time = text.slice(11, 19).replace(/:00$/, "")
  const date = text.slice(0, 10)
  return today !== undefined && format(today).startsWith(date)
    ? `${time} UTC`
    : `${date} ${time} UTC`
}

/** Shortens ids to eight characters, unless this would make two ids identical. */
export const shortener = (ids: ReadonlyArray<string>): ((id: string) => string) => {
  const whole = new Set(ids)
  const isDistinct = new Set([...whole].map((id) => id.slice(0, 8))).size === whole.size
  return isDistinct ? (id) => id.slice(0, 8) : (id) => id
}

/** The zone for times, and the names of organisations by id. */
export interface ReportContext {
  readonly zone: string
  readonly names: ReadonlyMap<string, string>
}

/** A run, or a due slot that was not run. */
interface Line extends Pick<RunReport, "org_id" | "integration_id" | "status"> {
  readonly run: RunReport | null
  readonly scheduled_for: number | null
  readonly why: string
}

const lineOfRun = (run: RunReport, zone: string): Line => {
  const { error, http_status, status } = run
  const again =
    error?.retry_at === undefined ? "" : `; retries at ${describeInstant(error.retry_at, zone)}`
  const fine =
    status === "running"
      ? "the function is still working and reports later"
      : http_status === null
        ? ""
        : `HTTP ${http_status}`
  return {
    ...run,
    run,
    why:
      error === undefined
        ? fine
        : `${reasonOf({ http_status, error_code: error.code, error_message: error.message })}${again}`
  }
}

const lineOfSkip = (skip: SkipReport): Line => ({
  ...skip,
  run: null,
  status: "skipped",
  why: REASONS.get(skip.reason) ?? skip.reason
})

const millis = (ms: number | null | undefined): string => (ms == null ? "-" : Duration.format(ms))

const fieldsOf = (
  lines: ReadonlyArray<Line>,
  now: number,
  { names, zone }: ReportContext
): ReadonlyArray<Field<Line>> => {
  const clock: ListClock = { zone, now }
  const orgs = shortener(lines.map(({ org_id }) => org_id))
  const integrations = shortener(lines.map(({ integration_id }) => integration_id))
  const types = Map.groupBy(
    new Map(lines.map((line) => [line.integration_id, line])).values(),
    ({ org_id, run }) => `${org_id} ${run?.integration_type}`
  )
  /** The type identifies an integration, unless its organisation has two integrations of that type. */
  const integrationOf = ({ integration_id, org_id, run }: Line): string =>
    run === null
      ? integrations(integration_id)
      : (types.get(`${org_id} ${run.integration_type}`)?.length ?? 0) > 1
        ? `${run.integration_type} ${integrations(integration_id)}`
        : run.integration_type
  return [
    {
      title: "STATUS",
      show: ({ status }) => STATUS[status],
      plain: ({ status }) => status
    },
    {
      title: "ORG",
      show: ({ org_id }) => ({ text: nameOf(names.get(org_id) ?? orgs(org_id)) }),
      plain: ({ org_id }) => names.get(org_id) ?? null
    },
    { title: "ORG ID", show: null, plain: ({ org_id }) => org_id },
    {
      title: "INTEGRATION",
      show: (line) => ({ text: integrationOf(line) }),
      plain: ({ run }) => run?.integration_type ?? null
    },
    { title: "INTEGRATION ID", show: null, plain: ({ integration_id }) => integration_id },
    {
      title: timeTitle("DUE", clock),
      name: "due",
      show: ({ scheduled_for }) => ({ text: shortTime(scheduled_for, clock) }),
      plain: ({ scheduled_for }) => plainInstant(scheduled_for)
    },
    { title: "RUN", show: null, plain: ({ run }) => run?.run_id ?? null },
    {
      title: "LATE BY",
      name: "late_ms",
      align: "right",
      show: ({ run }) => ({ text: millis(run?.drift_ms) }),
      plain: ({ run }) => run?.drift_ms ?? null
    },
    {
      title: "TOOK",
      name: "took_ms",
      align: "right",
      show: ({ run }) => ({ text: millis(run?.duration_ms) }),
      plain: ({ run }) => run?.duration_ms ?? null
    },
    { title: "RESULT", name: "why", show: ({ why }) => ({ text: why }), plain: ({ why }) => why }
  ]
}

const linesOf = (summary: Summary, { zone }: ReportContext): ReadonlyArray<Line> => [
  ...summary.runs.map((run) => lineOfRun(run, zone)),
  ...summary.skips.map(lineOfSkip)
]

export const reportTsv = (summary: Summary, context: ReportContext): ReadonlyArray<string> => {
  const lines = linesOf(summary, context)
  return tsv(fieldsOf(lines, summary.started_at, context), lines)
}

/** Formats the runs and skips of a tick as a table with failures first, followed by the totals. */
export const reportLines = (
  summary: Summary,
  context: ReportContext,
  terminal: Pick<Terminal, "style" | "width">
): ReadonlyArray<string> => {
  const lines = linesOf(summary, context)
  const rows = listing(fieldsOf(lines, summary.started_at, context), lines, terminal)
  return [
    ...(rows.length === 0 ? [] : [...rows, ""]),
    ...(summary.runs_truncated ? ["Not all runs are listed here. To list all: -o jsonl", ""] : []),
    totals(summary, terminal.style)
  ]
}

const totals = (summary: Summary, style: Style): string => {
  const took = `in ${Duration.format(summary.duration_ms)}`
  if (summary.due === 0 && summary.missed === 0) {
    return summary.errors.length === 0
      ? `${style.green("✓")} Nothing is due.`
      : `${style.red("✗")} Nothing was triggered.`
  }
  const isBad = summary.failed > 0 || summary.errors.length > 0
  const isOpen = summary.unresolved > 0
  const counts = [
    `${summary.completed} completed`,
    ...(summary.failed > 0 ? [style.red(`${summary.failed} failed`)] : []),
    ...(isOpen ? [style.yellow(`${summary.unresolved} unresolved`)] : []),
    ...(summary.skipped > 0 ? [`${summary.skipped} skipped`] : []),
    ...(summary.missed > 0
      ? [`${summary.missed} older ${summary.missed === 1 ? "run" : "runs"} skipped`]
      : []),
    ...(summary.rescued > 0 ? [`${summary.rescued} taken over`] : []),
    ...(summary.cold_starts > 0 ? [`${summary.cold_starts} cold starts`] : []),
    ...(summary.drift.over_threshold > 0
      ? [style.yellow(`${summary.drift.over_threshold} started late`)]
      : [])
  ]
  const symbol = isBad ? style.red("✗") : isOpen ? style.yellow("?") : style.green("✓")
  return `${symbol} ${summary.due} due: ${counts.join(", ")}, ${took}`
}

export const errorLines = (
  errors: ReadonlyArray<TickError>,
  { verbose }: Pick<Terminal, "verbose">
): ReadonlyArray<string> =>
  errors.map(({ code, detail, hint, message }) => {
    const more = verbose && detail !== undefined ? `\n  detail: ${safe(detail)}` : ""
    return `error: ${safe(message)} [${safe(code)}]${more}\n  fix: ${safe(hint)}`
  })
