import type { SQL } from "bun"
import { Effect, Redacted } from "effect"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"
import { seedScene } from "./OperatorScene.ts"
import { connect, createDatabase, type TestDatabase } from "./Postgres.ts"

/** A real PostgreSQL with the operator's scene, whose clock stands still. Close it. */
export interface SceneDatabase {
  readonly database: TestDatabase
  readonly sql: SQL
  /** Runs what reads and writes through the engine's own port. */
  readonly run: <A>(effect: Effect.Effect<A, SupabaseError, Supabase>) => Promise<A>
  readonly close: () => Promise<void>
}

/** Makes one. */
export const openScene = async (): Promise<SceneDatabase> => {
  const database = await createDatabase()
  const sql = connect(database.url, { max: 1 })
  await seedScene(sql)
  const supabase = PostgresLive.layer({ url: Redacted.make(database.url), connections: 1 })
  return {
    database,
    sql,
    run: (effect) => Effect.runPromise(Effect.provide(effect, supabase)),
    close: async () => {
      await sql.close()
      await database.drop()
    }
  }
}
