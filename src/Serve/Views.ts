import { Cache, Effect, Exit } from "effect"
import { EngineConfig } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { type Figures, readFiguresOf, upcomingLoad } from "../Operator/Activity.ts"
import { type Overview, type OverviewOptions, readOverview } from "../Operator/Overview.ts"
import { Supabase } from "../Services/Supabase.ts"

/** The database is asked for so many views at the same time; further ones wait for their turn. */
const READS_AT_ONCE = 4
/** However many people look at a page, what it shows is read once in this time. */
const OVERVIEW_FOR_MS = 1_000
const FIGURES_FOR_MS = 60_000
/** What is ahead is computed once in this time. */
const LOAD_FOR_MS = 60_000

/** What pages and `/api` are made of, read from the database with bounds on how often and how much at a time. */
export interface Views {
  readonly overview: (
    options: Omit<OverviewOptions, "driftAlertMs">
  ) => Effect.Effect<Overview, SupabaseError>
  readonly figures: (
    integrationId: string | undefined,
    days: number | undefined
  ) => Effect.Effect<Figures, SupabaseError>
  /** How many slots come due in each hour to come. */
  readonly load: Effect.Effect<ReturnType<typeof upcomingLoad>, SupabaseError>
  /** A run that starts later than this after its slot is late. */
  readonly driftAlertMs: number
  /** Has any other view read in its turn. */
  readonly read: <A, E>(effect: Effect.Effect<A, E, Supabase>) => Effect.Effect<A, E>
}

/** Views of one database. */
export const makeViews: Effect.Effect<Views, never, Supabase | EngineConfig> = Effect.gen(
  function* () {
    const supabase = yield* Supabase
    const { driftAlertMs } = yield* EngineConfig
    const turns = yield* Effect.makeSemaphore(READS_AT_ONCE)
    const read: Views["read"] = (effect) =>
      turns.withPermits(1)(Effect.provideService(effect, Supabase, supabase))
    const overviews = yield* Cache.makeWith({
      capacity: 4,
      timeToLive: forMs(OVERVIEW_FOR_MS),
      lookup: (key: string) => {
        const options: Omit<OverviewOptions, "driftAlertMs"> = JSON.parse(key)
        return read(readOverview({ ...options, driftAlertMs }))
      }
    })
    const figures = yield* Cache.makeWith({
      capacity: 64,
      timeToLive: forMs(FIGURES_FOR_MS),
      lookup: (key: string) => {
        const [integrationId, days]: [string | null, number | null] = JSON.parse(key)
        return read(readFiguresOf(integrationId ?? undefined, days ?? undefined))
      }
    })
    const overview: Views["overview"] = (options) => overviews.get(JSON.stringify(options))
    const load = yield* Cache.makeWith({
      capacity: 1,
      timeToLive: forMs(LOAD_FOR_MS),
      lookup: (_: "load") =>
        Effect.map(overview({}), ({ integrations, now }) => upcomingLoad(integrations, now))
    })
    return {
      overview,
      load: load.get("load"),
      driftAlertMs,
      figures: (integrationId, days) =>
        figures.get(JSON.stringify([integrationId ?? null, days ?? null])),
      read
    }
  }
)

/** What could not be read is tried again at the next request. */
const forMs =
  (ms: number) =>
  (exit: Exit.Exit<unknown, unknown>): number =>
    Exit.isSuccess(exit) ? ms : 0
