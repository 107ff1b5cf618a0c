import { Context, type Effect } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"

/** Direct access to the embedded database, for the demo and for users' queries. The engine never uses this service. */
export class EmbeddedDatabase extends Context.Tag("@sync-scheduler/EmbeddedDatabase")<
  EmbeddedDatabase,
  {
    /** Runs one statement as the superuser. PGlite encodes the parameters `$1`, `$2`, ... *Fails with* SupabaseError. */
    readonly query: (
      sql: string,
      parameters?: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, SupabaseError>
  }
>() {}
