import { Effect, Either, Schema } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { Instant } from "../Domain/Instant.ts"
import { readRun, readRuns } from "../Domain/OperatorRpc.ts"
import { repeatFor } from "../Domain/Repetition.ts"
import type { RunStatus } from "../Domain/Run.ts"
import { ListedRun } from "../Domain/RunView.ts"
import type { Tone } from "../Domain/State.ts"
import { Supabase } from "../Services/Supabase.ts"

const READ_WITHIN_MS = 5_000

/** Which runs; the newest slots first. Instants bound the slots, `until` exclusive. `lateMs`: those that started later. */
export interface RunFilter {
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly statuses?: ReadonlyArray<RunStatus> | undefined
  readonly lateMs?: number | undefined
  readonly orgId?: string | undefined
  readonly integrationIds?: ReadonlyArray<string> | undefined
  /** At most 1,000; 100 when left out. */
  readonly limit?: number | undefined
  /** Of the page before. */
  readonly cursor?: string | undefined
}

/** A page of runs: what `runs list -o json` prints and `GET /api/runs` answers. `cursor` null: that was the last page. */
export const RunsPage = Schema.Struct({
  now: Instant,
  runs: Schema.Array(ListedRun),
  /** Rows that this version cannot read. */
  unreadable: Schema.Int,
  cursor: Schema.NullOr(Schema.String)
})
export type RunsPage = typeof RunsPage.Type

/** One run with all that happened to it: `runs show -o json`, `GET /api/runs/<id>`. */
export const RunDetail = readRun.result
export type RunDetail = typeof RunDetail.Type

/** What a run's status looks like: in words, by shape, by tone. */
export const RUN_APPEARANCE: Readonly<
  Record<RunStatus, { readonly word: string; readonly symbol: string; readonly tone: Tone }>
> = {
  completed: { word: "completed", symbol: "✓", tone: "good" },
  failed: { word: "failed", symbol: "✗", tone: "bad" },
  unknown: { word: "unknown", symbol: "?", tone: "bad" },
  pending: { word: "waiting", symbol: "↻", tone: "busy" },
  running: { word: "running", symbol: "…", tone: "busy" },
  skipped: { word: "skipped", symbol: "-", tone: "off" }
}

const decodeRun = Schema.decodeUnknownEither(ListedRun)

/** Reads one page of runs. Writes nothing. *Fails with* SupabaseError. */
export const listRuns = (filter: RunFilter): Effect.Effect<RunsPage, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const page = yield* supabase.call(readRuns, argumentsOf(filter)).pipe(repeatFor(READ_WITHIN_MS))
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

/** Reads one run by its id or the beginning of it; `run` null: there is none, or there are several (`candidates`). */
export const showRun = (id: string): Effect.Effect<RunDetail, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase) =>
    supabase.call(readRun, { p_run: id }).pipe(repeatFor(READ_WITHIN_MS))
  ).pipe(Effect.withSpan("Operator.showRun"))
