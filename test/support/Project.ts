import type { SQL } from "bun"
import { Effect, Layer, Redacted } from "effect"
import { defaultEngineSettings, EngineConfig, type EngineSettings } from "../../src/Config.ts"
import * as Engine from "../../src/Engine.ts"
import * as InvokerLive from "../../src/Layers/InvokerLive.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import * as SupabaseLive from "../../src/Layers/SupabaseLive.ts"
import { type FunctionServer, startFunctionServer } from "./FunctionServer.ts"
import { connect, createDatabase, type TestDatabase } from "./Postgres.ts"
import { readMigrations, runScripts } from "./PostgresTemplate.ts"
import { type RpcGateway, startGateway } from "./RpcGateway.ts"

export type Mechanism = "supabase-js" | "direct"

export interface Project {
  readonly database: TestDatabase
  readonly sql: SQL
  readonly gateway: RpcGateway
  readonly functions: FunctionServer
  readonly environment: Readonly<Record<string, string>>
  /**
   * Inserts integrations that have been due for a minute. The schedule has so few slots that no later slot becomes due during a
   * test.
   */
  readonly seedDue: (
    count: number,
    columns?: Readonly<Record<string, string>>
  ) => Promise<ReadonlyArray<string>>
  readonly tick: (
    mechanism: Mechanism,
    settings?: Partial<EngineSettings>,
    options?: Engine.TickOptions
  ) => Promise<Effect.Effect.Success<ReturnType<typeof Engine.tick>>>
  readonly statuses: () => Promise<Readonly<Record<string, number>>>
  readonly close: () => Promise<void>
}

let engines = 0

export const startProject = async (
  options: {
    readonly functions?: ReadonlyArray<string>
    /** Tables and rows that the project had before the migrations. */
    readonly tables?: string
  } = {}
): Promise<Project> => {
  const { tables } = options
  const database = await createDatabase(
    tables === undefined ? {} : { migrations: false, sql: tables }
  )
  if (tables !== undefined) await runScripts(database.url, readMigrations())
  const functions = await startFunctionServer()
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const sql = connect(database.url)
  const functionUrl = `${gateway.url}/functions/v1/integration-sync`

  const layers = (mechanism: Mechanism, settings: Partial<EngineSettings>) => {
    const supabase =
      mechanism === "direct"
        ? PostgresLive.layer({ url: Redacted.make(database.url) })
        : SupabaseLive.layer({
            url: gateway.url,
            key: Redacted.make(gateway.secretKey),
            version: "test"
          })
    const config = Layer.succeed(EngineConfig, {
      engineId: `engine-${++engines}`,
      ...defaultEngineSettings,
      ...settings
    })
    const invoker = InvokerLive.layer({
      functionUrl,
      allowed: options.functions,
      key: Redacted.make(gateway.secretKey),
      version: "test"
    })
    return Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(supabase, config, invoker))
    )
  }

  return {
    database,
    sql,
    gateway,
    functions,
    environment: {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      // With probes, the engine would contact the real APIs of known integration types.
      SYNC_SCHEDULER_PROBES: "false",
      ...(options.functions === undefined
        ? {}
        : { SYNC_SCHEDULER_FUNCTIONS: options.functions.join(",") })
    },
    seedDue: async (count, columns = {}) => {
      const all = {
        org_id: "gen_random_uuid()",
        integration_type: "'xledger'",
        sync_schedule: "'0 4 29 2 *'",
        next_run_at: "now() - interval '1 minute'",
        ...columns
      }
      const rows: ReadonlyArray<{ id: string }> = await sql.unsafe(
        `insert into organization_integrations (${Object.keys(all).join(", ")})
         select ${Object.values(all).join(", ")} from generate_series(1, ${count}) returning id`
      )
      return rows.map((row) => row.id)
    },
    tick: (mechanism, settings = {}, options = {}) =>
      Effect.runPromise(
        Engine.tick(options).pipe(Effect.provide(layers(mechanism, settings)), Effect.orDie)
      ),
    statuses: async () => {
      const rows: ReadonlyArray<{ status: string; n: number }> = await sql.unsafe(
        "select status, count(*)::int as n from sync_run_log group by status order by status"
      )
      return Object.fromEntries(rows.map((row) => [row.status, row.n]))
    },
    close: async () => {
      await gateway.close()
      await functions.close()
      await sql.close()
      await database.drop()
    }
  }
}
