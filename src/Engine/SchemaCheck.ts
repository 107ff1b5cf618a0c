import { Effect } from "effect"
import { compareSchema, type DatabaseSchema } from "../Database/SchemaVersion.ts"
import type { SchemaMismatch, SupabaseError } from "../Domain/Errors.ts"
import type { TickError } from "../Domain/Summary.ts"
import { Ledger } from "../Services/Ledger.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../Version.ts"
import { mismatchError, staleError, tickError } from "./SummaryBuilder.ts"

const engine = { version: SCHEMA_VERSION, oldest: OLDEST_SCHEMA }

/**
 * Checks that this engine supports a database whose newest migration is `version`. A newer database states which engines it
 * supports. *Fails with* SchemaMismatch if the engine and the database are incompatible.
 */
export const checkSchema = (
  version: string
): Effect.Effect<void, SchemaMismatch | SupabaseError, Ledger> =>
  Effect.gen(function* () {
    const isNewer = version > SCHEMA_VERSION
    const database: DatabaseSchema = isNewer
      ? yield* Effect.flatMap(Ledger, (ledger) => ledger.readSchema)
      : { version, enginesFrom: null }
    const verdict = yield* compareSchema(database, engine)
    if (verdict === "same") return
    const [what, fix] =
      verdict === "database_older"
        ? ["older", "apply the migrations of this version"]
        : ["newer", "update sync-scheduler"]
    yield* Effect.logInfo(
      `The database's schema (${version}) is ${what} than this version's (${SCHEMA_VERSION}). The two schemas are compatible; ${fix} when convenient.`
    )
  })

/**
 * Returns the error for a tick that could not be opened. If the Data API does not know a function, compares the schema versions.
 * If they are compatible, the Data API has probably not reloaded the schema.
 */
export const openError = (
  error: SchemaMismatch | SupabaseError
): Effect.Effect<TickError, never, Ledger> => {
  if (error._tag === "SchemaMismatch") return Effect.succeed(mismatchError(error))
  if (error.code !== "PGRST202") return Effect.succeed(tickError(error))
  return Effect.flatMap(Ledger, (ledger) => ledger.readSchema).pipe(
    Effect.flatMap((database) => compareSchema(database, engine)),
    Effect.match({
      onSuccess: () => staleError(error),
      onFailure: (failure) =>
        failure._tag === "SchemaMismatch" ? mismatchError(failure) : tickError(error)
    })
  )
}
