import { Either, Schema } from "effect"
import { SchemaMismatch } from "./Errors.ts"
import { make } from "./Rpc.ts"

/** The schema of a database, in its own words. Versions are 14 digits and sort as text. */
export interface DatabaseSchema {
  /** The newest migration that was applied. */
  readonly version: string
  /** An engine must know this version; null: the database does not say. */
  readonly enginesFrom: string | null
}

/** The schemas that an engine was made for. */
export interface EngineSchema {
  /** The newest migration that it knows. */
  readonly version: string
  /** The oldest schema in which all that its ticks call exists. */
  readonly oldest: string
}

/**
 * Whether an engine may work in this schema. Older schemas down to `oldest` and newer ones do, unless the newer one
 * says that it does not work with engines as old as this one.
 */
export const compare = (
  database: DatabaseSchema,
  engine: EngineSchema
): Either.Either<"same" | "database_older" | "database_newer", SchemaMismatch> => {
  const mismatch = (reason: SchemaMismatch["reason"]) =>
    Either.left(new SchemaMismatch({ reason, database: database.version, engine: engine.version }))
  if (database.version === engine.version) return Either.right("same")
  if (database.version < engine.oldest) return mismatch("DatabaseTooOld")
  if (database.version < engine.version) return Either.right("database_older")
  if (database.enginesFrom !== null && engine.version < database.enginesFrom) {
    return mismatch("EngineTooOld")
  }
  return Either.right("database_newer")
}

/** What the database says about its schema. Missing in databases older than the first release. */
export const readSchema = make({
  name: "read_sync_schema",
  readOnly: true,
  types: {},
  args: Schema.Struct({}),
  result: Schema.Struct({ schema_version: Schema.String, engines_from: Schema.String })
})
