import { Context, type Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"

/** Direct access to the embedded database, for the demo's seed and for users' queries. The engine never uses this service. */
export class EmbeddedDatabase extends Context.Tag("@sync-scheduler/EmbeddedDatabase")<
  EmbeddedDatabase,
  {
    /**
     * Runs one statement as the superuser. PGlite encodes the values of the parameters `$1`, `$2`, ... *Fails with* SupabaseError,
     * like Supabase.call.
     */
    readonly query: (
      sql: string,
      parameters?: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, SupabaseError>
  }
>() {}
