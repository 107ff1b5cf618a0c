import { Effect, Either, Schema } from "effect"
import { readRun, readRuns } from "../Database/OperatorRpc.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import type { RunStatus } from "../Domain/Run.ts"
import { ListedRun } from "../Domain/RunView.ts"
import type { Severity } from "../Domain/State.ts"
import { Supabase } from "../Services/Supabase.ts"

const READ_WITHIN_MS = 5_000

/** Selects runs. `since` and `until` limit the slots; `until` is exclusive. `lateMs` selects runs with a longer start lag. */
export interface RunFilter {
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly statuses?: ReadonlyArray<RunStatus> | undefined
  readonly lateMs?: number | undefined
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
  /** At most 1,000; the default is 100. */
  readonly limit?: number | undefined
  /** The cursor of the previous page. */
  readonly cursor?: string | undefined
}

/** The output of `runs list -o json` and the response of `GET /api/runs`. `cursor` is null on the last page. */
export const RunsPage = Schema.Struct({
  now: Instant,
  runs: Schema.Array(ListedRun),
  /** The number of rows that this version cannot decode. */
  unreadable: Schema.Int,
  cursor: Schema.NullOr(Schema.String)
})
export type RunsPage = typeof RunsPage.Type

/** The output of `runs show -o json` and the response of `GET /api/runs/<id>`. */
export const RunDetail = readRun.result
export type RunDetail = typeof RunDetail.Type

export const RUN_APPEARANCE: Readonly<
  Record<RunStatus, { readonly word: string; readonly symbol: string; readonly severity: Severity }>
> = {
  completed: { word: "completed", symbol: "✓", severity: "ok" },
  failed: { word: "failed", symbol: "✗", severity: "critical" },
  unknown: { word: "unknown", symbol: "?", severity: "critical" },
  pending: { word: "waiting", symbol: "↻", severity: "active" },
  running: { word: "running", symbol: "…", severity: "active" },
  skipped: { word: "skipped", symbol: "-", severity: "idle" }
}

const decodeRun = Schema.decodeUnknownEither(ListedRun)

/** Reads one page of runs, newest slots first. *Fails with* SupabaseError. */
export const listRuns = (filter: RunFilter): Effect.Effect<RunsPage, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const page = yield* supabase.call(readRuns, argumentsOf(filter)).pipe(retryFor(READ_WITHIN_MS))
    const rows = page.runs.map((row) => decodeRun(row))
    return {
      now: page.now,
      runs: rows.filter(Either.isRight).map(({ right }) => right),
      unreadable: rows.filter(Either.isLeft).length,
      cursor: page.cursor
    }
  }).pipe(Effect.withSpan("Operator.listRuns"))

const argumentsOf = (filter: RunFilter): typeof readRuns.args.Type => ({
  p_limit: filter.limit ?? 100,
  ...(filter.since === undefined ? {} : { p_since: filter.since }),
  ...(filter.until === undefined ? {} : { p_until: filter.until }),
  ...(filter.statuses === undefined ? {} : { p_statuses: filter.statuses }),
  ...(filter.lateMs === undefined ? {} : { p_late_ms: filter.lateMs }),
  ...(filter.orgId === undefined ? {} : { p_org_id: filter.orgId }),
  ...(filter.integrationIds === undefined ? {} : { p_integration_ids: filter.integrationIds }),
  ...(filter.cursor === undefined ? {} : { p_cursor: filter.cursor })
})

/** Reads one run by its id or an id prefix. If several runs match, `run` is null and `candidates` lists them. */
export const showRun = (id: string): Effect.Effect<RunDetail, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase.call(readRun, { p_run: id }).pipe(retryFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.showRun"))
