import { Effect } from "effect"
import { compareSchema, type DatabaseSchema } from "../Database/SchemaVersion.ts"
import type { SchemaMismatch, SupabaseError } from "../Domain/Errors.ts"
import type { TickError } from "../Domain/Summary.ts"
import { Ledger } from "../Services/Ledger.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../Version.ts"
import { mismatchError, staleError, tickError } from "./SummaryBuilder.ts"

const engine = { version: SCHEMA_VERSION, oldest: OLDEST_SCHEMA }

/**
 * Checks whether this engine may work in the database, whose newest migration is `version`. A newer schema costs one call, in which
 * the database states whether it works with engines as old as this one. *Fails with* SchemaMismatch if this engine may not work in
 * the database.
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
      `The database's schema (${version}) is ${what} than this version's (${SCHEMA_VERSION}). They are compatible; ${fix} when convenient.`
    )
  })

/**
 * Makes the error that stops a tick, for its summary. A function that the Data API does not know may still exist in the database.
 * The database then reports that its migrations are applied.
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
