import { existsSync, mkdirSync } from "node:fs"
import { join, resolve } from "node:path"
import type { PGlite } from "@electric-sql/pglite"
import { Effect, Layer, Schema } from "effect"
import { explainVerdict, isKnownKind, judgeCode } from "../Database/SqlState.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import type { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import type { Supabase } from "../Services/Supabase.ts"
import { lockDirectory } from "./DirectoryLock.ts"
import { startPglite } from "./EmbeddedAssets.ts"
import { type EmbeddedFailure, failedAt, ResultRows, servicesOver } from "./EmbeddedCalls.ts"
import { applyMigrations } from "./EmbeddedSchema.ts"

/**
 * `dataDir` is the directory of the embedded database. If `dataDir` is undefined, the database is in memory. Only one process at
 * a time can use a directory.
 */
export interface EmbeddedSettings {
  readonly dataDir?: string | undefined
}

/**
 * Runs PostgreSQL in this process (PGlite), for `demo` and for experiments. Creates the roles of a Supabase project, and applies
 * missing migrations. Records the migrations in the table that the supabase CLI uses.
 *
 * *Fails with* SupabaseError (`Rejected`). The code is `locked` if the directory is in use, `configuration` if the directory is
 * not usable, or the SQLSTATE if a migration failed.
 * *Guarantees*: runs one statement at a time. Timers and HTTP requests can run between statements.
 */
export const layer = (
  settings: EmbeddedSettings = {}
): Layer.Layer<Supabase | EmbeddedDatabase, SupabaseError> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const pglite = yield* open(settings.dataDir)
      yield* migrate(pglite)
      const oneAtATime = yield* Effect.makeSemaphore(1)
      const run = (sql: string, parameters: ReadonlyArray<unknown>) =>
        // Lets the event loop run before each statement, because PGlite blocks it during a statement. Effect.yieldNow would not
        // suffice.
        Effect.sleep(0).pipe(
          Effect.zipRight(
            Effect.tryPromise({ try: () => pglite.query(sql, [...parameters]), catch: read })
          ),
          Effect.uninterruptible,
          oneAtATime.withPermits(1),
          Effect.flatMap(({ rows }) => Effect.orDie(Schema.decodeUnknown(ResultRows)(rows)))
        )
      return servicesOver(run)
    })
  )

const open = (dataDir: string | undefined) =>
  Effect.gen(function* () {
    const directory = dataDir === undefined ? undefined : resolve(dataDir)
    if (directory !== undefined) yield* lockDirectory(directory)
    const isNew = directory === undefined || !existsSync(join(directory, "PG_VERSION"))
    return yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => {
          if (directory !== undefined) mkdirSync(directory, { recursive: true, mode: 0o700 })
          return startPglite(directory, isNew)
        },
        catch: (error) =>
          failedAt("open")({
            reason: "Rejected",
            code: "configuration",
            detail: `${directory ?? "the in-memory database"} cannot be opened: ${read(error).detail}. If its creation was interrupted, delete it`
          })
      }),
      (pglite) => Effect.ignore(Effect.tryPromise(() => pglite.close()))
    )
  })

const migrate = (pglite: PGlite) =>
  Effect.tryPromise({
    try: () => applyMigrations(pglite),
    catch: (error) => failedAt("migrate")({ ...read(error), reason: "Rejected" })
  })

/** Uses only PostgreSQL's own message, because the error also contains the statement and its parameters. */
const read = (error: unknown): EmbeddedFailure => {
  const text = (name: string) =>
    error instanceof Error && name in error ? String(Reflect.get(error, name) ?? "") : ""
  const message = error instanceof Error ? error.message : String(error)
  const code = text("code")
  if (!isKnownKind(code)) return { reason: "Ambiguous", code: code || "embedded", detail: message }
  const verdict = judgeCode(code, 0)
  const words = { message, detail: text("detail"), hint: text("hint") }
  return { reason: verdict.reason, code, detail: explainVerdict(verdict, words) }
}
