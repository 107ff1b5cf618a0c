import { Either, Schema } from "effect"
import { SchemaMismatch } from "../Domain/Errors.ts"
import { make } from "./Rpc.ts"

/** A database's schema. A version has 14 digits, so versions can be compared as strings. */
export interface DatabaseSchema {
  readonly version: string
  /** The schema version of the oldest supported engine; null if every engine is supported. */
  readonly enginesFrom: string | null
}

export interface EngineSchema {
  readonly version: string
  /** The oldest schema that contains all functions called by the engine's ticks. */
  readonly oldest: string
}

/**
 * Decides whether an engine works with a database's schema. Accepts older schemas down to `oldest`, and newer schemas unless
 * their `enginesFrom` excludes this engine.
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

/** Reads the schema version. Every version of the schema has this function. */
export const readSchema = make({
  name: "read_sync_schema",
  readOnly: true,
  types: {},
  args: () => Schema.Struct({}),
  result: () => Schema.Struct({ schema_version: Schema.String, engines_from: Schema.String })
})
