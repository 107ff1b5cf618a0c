import * as Duration from "../Domain/Duration.ts"
import { format } from "../Domain/Instant.ts"
import type { RunReport, SkipReport, Summary, TickError } from "../Domain/Summary.ts"
import { type Style, safe } from "./Style.ts"
import { type Cell, table } from "./Table.ts"

/** What a run's status looks like: never by colour alone. */
const STATUS: Record<RunReport["status"], Cell> = {
  completed: { text: "✓ completed", paint: "green" },
  failed: { text: "✗ failed", paint: "red" },
  unknown: { text: "? unknown", paint: "yellow" },
  pending: { text: "↻ retrying", paint: "yellow" },
  running: { text: "… accepted", paint: "yellow" },
  skipped: { text: "- skipped", paint: "dim" }
}

/** Why a due slot was not run, in words. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["locked", "another engine is claiming it"],
  ["already_running", "its last run is not over"],
  ["already_recorded", "it has been run already"],
  ["lost_race", "another engine was first"],
  ["disabled", "the integration is disabled"],
  ["gone", "the integration no longer exists"],
  ["not_before", "its next attempt is not due yet"],
  ["claimed_by_another", "another engine has it"],
  ["schedule_error", "its schedule is invalid"],
  ["claim_unconfirmed", "the database did not confirm the claim"],
  ["start_unconfirmed", "the database did not confirm the start"],
  ["api_throttled", "its accounting API asked to slow down; it waits"],
  ["api_limit", "its accounting API is spared: one at a time; it waits"],
  ["function_unavailable", "the function cannot be reached"]
])

/** `2026-11-24 02:00 UTC`; seconds only when there are any, the date only when it is not that of `today`. */
export const showInstant = (ms: number, today?: number): string => {
  const text = format(ms)
  const time = text.slice(11, 19).replace(/:00$/, "")
  const date = text.slice(0, 10)
  return today !== undefined && format(today).startsWith(date)
    ? `${time} UTC`
    : `${date} ${time} UTC`
}

/** Shortens ids to their first eight characters, unless two of them would then look the same. */
export const shortener = (ids: ReadonlyArray<string>): ((id: string) => string) => {
  const whole = new Set(ids)
  const isDistinct = new Set([...whole].map((id) => id.slice(0, 8))).size === whole.size
  return isDistinct ? (id) => id.slice(0, 8) : (id) => id
}

const resultOf = ({ error, http_status, status }: RunReport): Cell => {
  if (error !== undefined) {
    const retry = error.retry_at === undefined ? "" : `, again at ${showInstant(error.retry_at)}`
    return { text: `${error.code}: ${error.message}${retry}` }
  }
  if (status === "running")
    return { text: "works in the background and reports later", paint: "dim" }
  return { text: http_status === null ? "" : `HTTP ${http_status}`, paint: "dim" }
}

const millis = (ms: number | null): string => (ms === null ? "-" : Duration.format(ms))

/** The runs and skips of a tick as a table, failures first; a line for each error; the totals. */
export const reportLines = (
  summary: Summary,
  style: Style,
  width: number | null
): ReadonlyArray<string> => {
  const orgs = shortener([...summary.runs, ...summary.skips].map(({ org_id }) => org_id))
  const integrations = shortener(
    [...summary.runs, ...summary.skips].map(({ integration_id }) => integration_id)
  )
  const types = Map.groupBy(
    new Map(summary.runs.map((run) => [run.integration_id, run])).values(),
    ({ integration_type, org_id }) => `${org_id} ${integration_type}`
  )
  /** The type says it, unless an organisation has two of them. */
  const nameOf = ({ integration_id, integration_type, org_id }: RunReport): string =>
    (types.get(`${org_id} ${integration_type}`)?.length ?? 0) > 1
      ? `${integration_type} ${integrations(integration_id)}`
      : integration_type
  const due = (ms: number): Cell => ({
    text: showInstant(ms, width === null ? undefined : summary.started_at)
  })
  const runRow = (run: RunReport): ReadonlyArray<Cell> => [
    STATUS[run.status],
    { text: orgs(run.org_id) },
    { text: nameOf(run) },
    due(run.scheduled_for),
    { text: millis(run.drift_ms) },
    { text: millis(run.duration_ms) },
    resultOf(run)
  ]
  const skipRow = (skip: SkipReport): ReadonlyArray<Cell> => [
    STATUS.skipped,
    { text: orgs(skip.org_id) },
    { text: integrations(skip.integration_id) },
    skip.scheduled_for === null ? { text: "-" } : due(skip.scheduled_for),
    { text: "-" },
    { text: "-" },
    { text: REASONS.get(skip.reason) ?? skip.reason }
  ]
  const rows = [...summary.runs.map(runRow), ...summary.skips.map(skipRow)]
  const columns = [
    { title: "STATUS" },
    { title: "ORG" },
    { title: "INTEGRATION" },
    { title: "DUE" },
    { title: "LATE BY", align: "right" },
    { title: "TOOK", align: "right" },
    { title: "RESULT" }
  ] as const
  return [
    ...(rows.length === 0 ? [] : [...table(columns, rows, style, width), ""]),
    ...(summary.runs_truncated
      ? ["More runs than are listed here; -o jsonl shows them all.", ""]
      : []),
    totals(summary, style)
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
    ...(summary.missed > 0 ? [`${summary.missed} older slots passed over`] : []),
    ...(summary.rescued > 0 ? [`${summary.rescued} taken over`] : []),
    ...(summary.cold_starts > 0 ? [`${summary.cold_starts} cold starts`] : []),
    ...(summary.drift.over_threshold > 0
      ? [style.yellow(`${summary.drift.over_threshold} started late`)]
      : [])
  ]
  const symbol = isBad ? style.red("✗") : isOpen ? style.yellow("?") : style.green("✓")
  return `${symbol} ${summary.due} due: ${counts.join(", ")}, ${took}`
}

/** What stopped part of a tick, for stderr. */
export const errorLines = (errors: ReadonlyArray<TickError>): ReadonlyArray<string> =>
  errors.map(
    ({ code, hint, message }) => `error: ${safe(message)} [${safe(code)}]\n  fix: ${safe(hint)}`
  )
