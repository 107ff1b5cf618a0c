import { Effect, type Scope } from "effect"
import { EngineConfig } from "../../Config.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import {
  activityOf,
  type DailyStats,
  type Figures,
  readFiguresOf,
  upcomingLoad
} from "../../Operator/DailyStats.ts"
import { type Overview, type OverviewOptions, readOverview } from "../../Operator/Overview.ts"
import { type RunDetail, showRun } from "../../Operator/Runs.ts"
import { Supabase } from "../../Services/Supabase.ts"
import { type Known, makeLastKnown } from "./LastKnown.ts"

/** The maximum number of concurrent database reads. */
const READ_CONCURRENCY = 4
/** The minimum time between two reads of the same data, in milliseconds. */
const FRESH_MS = 1_000
const FIGURES_FOR_MS = 5_000
const LOAD_FOR_MS = 60_000
/** The maximum number of runs in one strip: about one for every five minutes of a day. */
const RUNS_EACH = 300

type Load = ReturnType<typeof upcomingLoad>

/** Cached data for the pages and `/api`. */
export interface QueryCache {
  /** Current data for programs. *Fails with* SupabaseError. */
  readonly overview: (
    options: Omit<OverviewOptions, "driftAlertMs">
  ) => Effect.Effect<Overview, SupabaseError>
  readonly figures: (
    integrationId: string | undefined,
    days: number | undefined
  ) => Effect.Effect<Figures, SupabaseError>
  readonly activity: (
    ids: ReadonlyArray<string>,
    from: number
  ) => Effect.Effect<DailyStats, SupabaseError>
  /**
   * Data for pages. If the database is slow or unavailable, this is the last known data. `isAway` is true if another read has
   * just failed.
   */
  readonly known: {
    readonly overview: Effect.Effect<Known<Overview>, SupabaseError>
    readonly figures: (isAway: boolean) => Effect.Effect<Known<Figures>, SupabaseError>
    readonly activity: (
      ids: ReadonlyArray<string>,
      from: number,
      isAway: boolean
    ) => Effect.Effect<Known<DailyStats>, SupabaseError>
    readonly run: (id: string) => Effect.Effect<Known<RunDetail>, SupabaseError>
    /** The number of slots that are due in each future hour of the forecast. */
    readonly load: (isAway: boolean) => Effect.Effect<Known<Load>, SupabaseError>
  }
  /** The start lag above which a run is late, in milliseconds. */
  readonly driftAlertMs: number
  /** Performs an uncached read, subject to the limit on concurrent reads. */
  readonly read: <A, E>(effect: Effect.Effect<A, E, Supabase>) => Effect.Effect<A, E>
}

export const makeQueryCache: Effect.Effect<
  QueryCache,
  never,
  Supabase | EngineConfig | Scope.Scope
> = Effect.gen(function* () {
  const supabase = yield* Supabase
  const { driftAlertMs } = yield* EngineConfig
  const reads = yield* Effect.makeSemaphore(READ_CONCURRENCY)
  const read: QueryCache["read"] = (effect) =>
    reads.withPermits(1)(Effect.provideService(effect, Supabase, supabase))
  const overview = yield* makeLastKnown<Overview>({ capacity: 1, freshMs: FRESH_MS })
  const filtered = yield* makeLastKnown<Overview>({ capacity: 4, freshMs: FRESH_MS })
  const figures = yield* makeLastKnown<Figures>({ capacity: 64, freshMs: FIGURES_FOR_MS })
  const activities = yield* makeLastKnown<DailyStats>({ capacity: 32, freshMs: FRESH_MS })
  // Each request reads the run again, so that the page shows the result of a retry.
  const runs = yield* makeLastKnown<RunDetail>({ capacity: 64, freshMs: 0 })
  const loads = yield* makeLastKnown<Load>({ capacity: 1, freshMs: LOAD_FOR_MS })
  const overviewOf = (options: Omit<OverviewOptions, "driftAlertMs">) =>
    [JSON.stringify(options), read(readOverview({ ...options, driftAlertMs }))] as const
  const figuresOf = (integrationId: string | undefined, days: number | undefined) =>
    [JSON.stringify([integrationId, days]), read(readFiguresOf(integrationId, days))] as const
  const activityIn = (ids: ReadonlyArray<string>, from: number) =>
    [`${from} ${ids.join()}`, read(activityOf(ids, { from, runsEach: RUNS_EACH }))] as const
  const whole = overviewOf({})
  const load = Effect.map(overview.live(...whole), ({ integrations, now }) =>
    upcomingLoad(integrations, now)
  )
  return {
    overview: (options) => {
      const asked = overviewOf(options)
      return asked[0] === whole[0] ? overview.live(...whole) : filtered.live(...asked)
    },
    figures: (integrationId, days) => figures.live(...figuresOf(integrationId, days)),
    activity: (ids, from) => activities.live(...activityIn(ids, from)),
    known: {
      overview: overview.get(...whole),
      figures: (isAway) => figures.get(...figuresOf(undefined, undefined), isAway),
      activity: (ids, from, isAway) => activities.get(...activityIn(ids, from), isAway),
      run: (id) => runs.get(id, read(showRun(id))),
      load: (isAway) => loads.get("all", load, isAway)
    },
    driftAlertMs,
    read
  }
})
