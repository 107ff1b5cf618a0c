import { Effect, Either, Exit, Layer, Schema } from "effect"
import { loadProject, type Project } from "./Config/Load.ts"
import { EngineConfig, engineSettings, table } from "./Config.ts"
import { redeemTicket } from "./Database/TicketRpc.ts"
import * as EdgeBudget from "./Domain/EdgeTimeBudget.ts"
import { Summary, type SummaryJson } from "./Domain/Summary.ts"
import { tickAndNotify } from "./Engine/Notifications.ts"
import * as AlertQueueLive from "./Layers/AlertQueueLive.ts"
import * as InvokerLive from "./Layers/InvokerLive.ts"
import * as LedgerLive from "./Layers/LedgerLive.ts"
import * as LockLive from "./Layers/LockLive.ts"
import * as NotifierLive from "./Layers/NotifierLive.ts"
import * as PingLive from "./Layers/PingLive.ts"
import * as SupabaseLive from "./Layers/SupabaseLive.ts"
import { Supabase } from "./Services/Supabase.ts"
import { VERSION } from "./Version.ts"

/** The result of a tick. `ok` means that the tick could do its work; the summary contains each run's outcome. */
export interface EdgeTick {
  readonly ok: boolean
  readonly summary: SummaryJson
}

/** The engine inside a Supabase Edge Function. */
export interface EdgeEngine {
  /**
   * Runs one tick within the function's time limit. The next tick starts the remaining runs. When `signal` aborts, the tick
   * records the runs in progress, and then the promise rejects.
   */
  readonly tick: (signal?: AbortSignal) => Promise<EdgeTick>
  /** Redeems a one-time ticket. Resolves to false if the ticket is unknown or used; rejects if the database cannot be reached. */
  readonly redeem: (ticket: string) => Promise<boolean>
}

/**
 * Makes the engine from the settings in a function's environment. Ignores SUPABASE_DB_URL, because one connection per isolate
 * would exhaust the database's connections.
 * *Throws* ConfigError, which lists every problem with the settings.
 */
export const makeEdgeEngine = (
  environment: Readonly<Record<string, string | undefined>>
): EdgeEngine => {
  const { [table.databaseUrl.key]: _direct, ...settings } = environment
  const project = Either.getOrThrowWith(
    loadProject({ flags: {}, environment: settings, readFile: () => Either.right(null) }),
    (error) => error
  )
  const supabase = supabaseOf(project)
  return {
    tick: async (signal) => {
      const ticking = Effect.provide(tickWithin(project), engineOf(project, supabase))
      const exit = await Effect.runPromiseExit(ticking, signal === undefined ? {} : { signal })
      if (Exit.isFailure(exit)) throw new Error(`The tick was interrupted: ${exit.cause}`)
      return { ok: exit.value.ok, summary: Schema.encodeSync(Summary)(exit.value) }
    },
    redeem: (ticket) =>
      Effect.flatMap(Supabase, ({ call }) => call(redeemTicket, { p_ticket: ticket })).pipe(
        Effect.map(({ granted }) => granted),
        Effect.provide(supabase),
        Effect.runPromise
      )
  }
}

const supabaseOf = ({ functions, settings }: Project) =>
  SupabaseLive.layer({
    url: settings.supabaseUrl ?? functions.url,
    key: functions.key,
    version: VERSION
  })

/** Starts at most `edgeLimit` runs, because the platform also limits the function's CPU time and fan-out. */
const tickWithin = ({ settings }: Project) => {
  const { budgetMs } = EdgeBudget.divide(settings.edgeWallClock, settings.invokeTimeout)
  return tickAndNotify({ budgetMs, limit: settings.edgeLimit })
}

const engineOf = ({ functions, settings }: Project, supabase: ReturnType<typeof supabaseOf>) => {
  const { invokeTimeoutMs } = EdgeBudget.divide(settings.edgeWallClock, settings.invokeTimeout)
  const config = Layer.succeed(EngineConfig, {
    ...engineSettings(settings, `edge-${crypto.randomUUID().slice(0, 8)}`),
    invokeTimeoutMs
  })
  const outside = Layer.mergeAll(
    InvokerLive.layer({
      functionUrl: functions.url,
      allowed: functions.allowed,
      key: functions.key,
      version: VERSION
    }),
    NotifierLive.layer({
      url: settings.alertWebhookUrl,
      secret: settings.alertWebhookSecret,
      format: settings.alertFormat,
      source: settings.supabaseUrl ?? functions.url,
      version: VERSION
    }),
    PingLive.layer({ url: settings.pingUrl, version: VERSION })
  )
  return Layer.mergeAll(LockLive.layer, LedgerLive.layer, AlertQueueLive.layer, outside).pipe(
    Layer.provideMerge(Layer.merge(supabase, config))
  )
}
