import type { SQL } from "bun"
import { Effect, Redacted } from "effect"
import type { SupabaseError } from "../../src/Domain/Errors.ts"
import * as PostgresLive from "../../src/Layers/PostgresLive.ts"
import type { Supabase } from "../../src/Services/Supabase.ts"
import { seedFixture } from "./OperatorFixture.ts"
import { connect, createDatabase, type TestDatabase } from "./Postgres.ts"

export interface FixtureDatabase {
  readonly database: TestDatabase
  readonly sql: SQL
  readonly run: <A>(effect: Effect.Effect<A, SupabaseError, Supabase>) => Promise<A>
  readonly close: () => Promise<void>
}

export const openFixtureDatabase = async (): Promise<FixtureDatabase> => {
  const database = await createDatabase()
  const sql = connect(database.url, { max: 1 })
  await seedFixture(sql)
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
