import { Either, Schema } from "effect"
import { SchemaMismatch } from "../Domain/Errors.ts"
import { make } from "./Rpc.ts"

/** The schema of a database, as it describes itself. Versions are 14 digits and sort as text. */
export interface DatabaseSchema {
  /** The newest migration that was applied. */
  readonly version: string
  /** The oldest version that engines must know; null if the database does not state one. */
  readonly enginesFrom: string | null
}

/** The schemas that an engine works with. */
export interface EngineSchema {
  /** The newest migration that the engine knows. */
  readonly version: string
  /** The oldest schema that has every function that the engine's ticks call. */
  readonly oldest: string
}

/**
 * Decides whether an engine may work with this schema. Accepts older schemas down to `oldest`. Accepts newer schemas unless they
 * declare that they do not work with engines as old as this one.
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

/** Reads the database's schema version. The first migration creates this function. */
export const readSchema = make({
  name: "read_sync_schema",
  readOnly: true,
  types: {},
  args: () => Schema.Struct({}),
  result: () => Schema.Struct({ schema_version: Schema.String, engines_from: Schema.String })
})
