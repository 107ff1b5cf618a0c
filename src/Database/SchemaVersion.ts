import { Either, Schema } from "effect"
import { SchemaMismatch } from "../Domain/Errors.ts"
import { make } from "./Rpc.ts"

/** A database's schema, as the database reports it. A version has 14 digits, so that versions can be sorted as text. */
export interface DatabaseSchema {
  /** The version of the newest applied migration. */
  readonly version: string
  /**
   * The oldest engine that works with the schema, identified by the newest migration that it knows; null if there is no limit.
   */
  readonly enginesFrom: string | null
}

/** The schemas that an engine works with. */
export interface EngineSchema {
  /** The newest migration that the engine knows. */
  readonly version: string
  /** The oldest schema version that has all functions that the engine's ticks call. */
  readonly oldest: string
}

/**
 * Decides whether an engine is compatible with a database's schema. Accepts a schema that is older than the engine's, down to
 * `oldest`. Accepts a newer schema unless that schema declares (`enginesFrom`) that engines as old as this one no longer work.
 */
export const compareSchema = (
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

/** Reads the database's schema version. The first migration creates the SQL function, so every version of the schema has it. */
export const readSchema = make({
  name: "read_sync_schema",
  readOnly: true,
  types: {},
  args: () => Schema.Struct({}),
  result: () => Schema.Struct({ schema_version: Schema.String, engines_from: Schema.String })
})
