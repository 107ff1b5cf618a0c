import { randomUUID } from "node:crypto"
import type { SQL } from "bun"
import { Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import type { Summary } from "../../src/Domain/Summary.ts"
import { type AuditOptions, type AuditReport, auditRecord } from "../../src/Engine/AuditPages.ts"
import * as Engine from "../../src/Engine.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import { Invoker } from "../../src/Services/Invoker.ts"
import { installClock, setClock } from "./DatabaseClock.ts"
import { connect, createDatabase } from "./Postgres.ts"

/** The real engine and PostgreSQL, with a clock that only the test moves and functions that respond immediately. */
export interface HistoryWorld {
  readonly sql: SQL
  readonly now: () => number
  readonly setClock: (ms: number) => Promise<void>
  /** `columns` maps column names to SQL expressions. */
  readonly insert: (columns?: Readonly<Record<string, string>>) => Promise<string>
  readonly tick: (options?: Engine.TickOptions) => Promise<Summary>
  readonly audit: (options: AuditOptions) => Promise<AuditReport>
  answer: () => Outcome
  readonly reset: (ms: number) => Promise<void>
  readonly close: () => Promise<void>
}

export const completed: Outcome = { _tag: "Completed", httpStatus: 200, response: { ok: true } }

export const openHistoryWorld = async (start: number): Promise<HistoryWorld> => {
  const database = await createDatabase()
  const sql = connect(database.url, { max: 2 })
  await installClock(sql, start)
  let now = start
  let engines = 0
  const supabase = PostgresLive.layer({ url: Redacted.make(database.url), connections: 2 })
  const moveClock = async (ms: number) => {
    now = ms
    await setClock(sql, ms)
  }
  const world: HistoryWorld = {
    sql,
    now: () => now,
    setClock: moveClock,
    insert: async (columns = {}) => {
      const id = randomUUID()
      const all = {
        id: `'${id}'`,
        org_id: `'${randomUUID()}'`,
        integration_type: "'xledger'",
        sync_schedule: "'*/5 * * * *'",
        created_at: "sync_scheduler.clock()",
        schedule_since: "sync_scheduler.clock()",
        ...columns
      }
      await sql.unsafe(
        `insert into organization_integrations (${Object.keys(all)}) values (${Object.values(all)})`
      )
      return id
    },
    tick: (options = {}) => {
      const engineId = `engine-${++engines}`
      const config = Layer.succeed(EngineConfig, { engineId, ...defaultEngineSettings })
      const invoker = Layer.succeed(
        Invoker,
        Invoker.of({
          invoke: () => Effect.sync(() => world.answer()),
          warmUp: () => Effect.succeed({ latencyMs: 1, ok: true, cold: false, detail: null })
        })
      )
      const engine = Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
        Layer.provideMerge(Layer.mergeAll(supabase, config, invoker))
      )
      return Effect.runPromise(
        Engine.tick(options).pipe(
          Effect.provide(engine),
          // Suppresses the engine's warning that the database's clock differs from this machine's.
          Logger.withMinimumLogLevel(LogLevel.None),
          Effect.orDie
        )
      )
    },
    audit: (options) =>
      Effect.runPromise(auditRecord(options).pipe(Effect.provide(supabase), Effect.orDie)),
    answer: () => completed,
    reset: async (ms) => {
      await sql.unsafe(`
        delete from organization_integrations; delete from sync_run_log; delete from sync_run_event;
        delete from sync_skipped_range; delete from sync_schedule_history; delete from sync_incident;
        delete from sync_tick; delete from sync_backfill`)
      world.answer = () => completed
      await moveClock(ms)
    },
    close: async () => {
      await sql.close()
      await database.drop()
    }
  }
  return world
}
