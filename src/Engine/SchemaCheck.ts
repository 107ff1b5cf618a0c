import { Effect } from "effect"
import type { SchemaMismatch, SupabaseError } from "../Domain/Errors.ts"
import { compare, type DatabaseSchema } from "../Domain/SchemaVersion.ts"
import type { TickError } from "../Domain/Summary.ts"
import { mismatchError, tickError } from "../Domain/Tally.ts"
import { Ledger } from "../Services/Ledger.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../Version.ts"

const engine = { version: SCHEMA_VERSION, oldest: OLDEST_SCHEMA }

/**
 * Whether this engine may work in the database, whose newest migration is `version`. Only a newer schema costs a call: it
 * is asked whether it works with engines as old as this one. *Fails with* SchemaMismatch when they do not belong together.
 */
export const checkSchema = (
  version: string
): Effect.Effect<void, SchemaMismatch | SupabaseError, Ledger> =>
  Effect.gen(function* () {
    const isNewer = version > SCHEMA_VERSION
    const database: DatabaseSchema = isNewer
      ? yield* Effect.flatMap(Ledger, (ledger) => ledger.readSchema)
      : { version, enginesFrom: null }
    const verdict = yield* compare(database, engine)
    if (verdict === "same") return
    const [what, fix] =
      verdict === "database_older"
        ? ["older", "apply the migrations of this version"]
        : ["newer", "update sync-scheduler"]
    yield* Effect.logInfo(
      `The database's schema (${version}) is ${what} than this version's (${SCHEMA_VERSION}). They work together; ${fix} when it suits.`
    )
  })

/** What stops a tick, as its summary shows it. */
export const schemaError = (error: SchemaMismatch | SupabaseError): TickError =>
  error._tag === "SchemaMismatch" ? mismatchError(error) : tickError(error)
