import { existsSync, mkdirSync } from "node:fs"
import { join, resolve } from "node:path"
import type { PGlite } from "@electric-sql/pglite"
import { Context, Effect, Layer, Schema } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"
import { explainVerdict, isKnownKind, judgeCode } from "../Domain/PostgresCode.ts"
import { callError, encodeArguments } from "../Domain/RpcCall.ts"
import { decodeRowsOf, statementOf } from "../Domain/RpcStatement.ts"
import { traced } from "../Domain/Tracing.ts"
import { migrations } from "../Migrations.ts"
import { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import { Supabase } from "../Services/Supabase.ts"
import { lockDirectory } from "./DirectoryLock.ts"
import { startPglite } from "./EmbeddedAssets.ts"

/** Where the embedded database lives: a directory, which one process at a time may use, or else in memory. */
export interface EmbeddedSettings {
  readonly dataDir?: string | undefined
}

/**
 * A PostgreSQL inside this process (PGlite), made like a Supabase project: its roles, and the migrations that it does
 * not have yet, recorded where the supabase CLI records them. Nothing to install; for `demo` and for trying things.
 *
 * *Fails with* SupabaseError (`Rejected`): the directory is in use (`locked`), is not usable (`configuration`), or a
 * migration failed (its SQLSTATE). *Guarantees*: one statement at a time, and timers and HTTP get their turn between.
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
        // PGlite computes without ever letting the event loop run; a sleep does, a yield does not.
        Effect.sleep(0).pipe(
          Effect.zipRight(
            Effect.tryPromise({ try: () => pglite.query(sql, [...parameters]), catch: read })
          ),
          Effect.uninterruptible,
          oneAtATime.withPermits(1),
          Effect.flatMap(({ rows }) => Effect.orDie(Schema.decodeUnknown(Rows)(rows)))
        )
      const supabase = Supabase.of({
        call: (rpc, args) =>
          Effect.gen(function* () {
            const { text, parameters } = statementOf(rpc, yield* encodeArguments(rpc, args))
            const rows = yield* Effect.mapError(run(text, parameters), (failure) =>
              callError(rpc, failure.reason, failure.code, failure.detail)
            )
            return yield* decodeRowsOf(rpc, rows)
          }).pipe(traced(rpc.name))
      })
      const database = EmbeddedDatabase.of({
        query: (sql, parameters = []) => Effect.mapError(run(sql, parameters), failed("query"))
      })
      return Context.make(Supabase, supabase).pipe(Context.add(EmbeddedDatabase, database))
    })
  )

const Rows = Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

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
          failed("open")({
            reason: "Rejected",
            code: "configuration",
            detail: `${directory ?? "the database in memory"} cannot be opened: ${read(error).detail}. If it never was whole, remove it`
          })
      }),
      (pglite) => Effect.ignore(Effect.tryPromise(() => pglite.close()))
    )
  })

/** What every Supabase project has before its first migration, as far as ours rely on it. */
const project = `
do $$
declare v_role record;
begin
  for v_role in select * from (values
    ('anon', 'nologin'), ('authenticated', 'nologin'), ('service_role', 'nologin bypassrls')) r(name, attributes)
  loop
    if not exists (select from pg_roles where rolname = v_role.name) then
      execute format('create role %I %s', v_role.name, v_role.attributes);
    end if;
  end loop;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text);`

const migrate = (pglite: PGlite) =>
  Effect.tryPromise({
    try: async () => {
      await pglite.exec(project)
      const applied = await pglite.query<{ version: string }>(
        "select version from supabase_migrations.schema_migrations"
      )
      const known = new Set(applied.rows.map((row) => row.version))
      for (const { version, name, sql } of migrations.filter((one) => !known.has(one.version))) {
        await pglite.transaction(async (transaction) => {
          await transaction.exec(sql)
          await transaction.query(
            "insert into supabase_migrations.schema_migrations (version, name) values ($1, $2)",
            [version, name]
          )
        })
      }
    },
    catch: (error) => failed("migrate")({ ...read(error), reason: "Rejected" })
  })

type Failure = Pick<SupabaseError, "reason" | "code" | "detail">

/** PGlite's errors hold the statement and its parameters as well; only PostgreSQL's own words are taken. */
const read = (error: unknown): Failure => {
  const text = (name: string) =>
    error instanceof Error && name in error ? String(Reflect.get(error, name) ?? "") : ""
  const message = error instanceof Error ? error.message : String(error)
  const code = text("code")
  if (!isKnownKind(code)) return { reason: "Ambiguous", code: code || "embedded", detail: message }
  const verdict = judgeCode(code, 0)
  const words = { message, detail: text("detail"), hint: text("hint") }
  return { reason: verdict.reason, code, detail: explainVerdict(verdict, words) }
}

const failed = (operation: string) => (failure: Failure) =>
  new SupabaseError({ operation, ...failure })
