import type { PGlite } from "@electric-sql/pglite"
import { migrations } from "../Database/Migrations.ts"

/** Creates those objects of a Supabase project that the migrations need. */
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

export const schemaHash = (): string => Bun.hash(JSON.stringify([project, migrations])).toString(16)

/** Creates the objects of a Supabase project, and applies the migrations that are not yet recorded as applied. */
export const applyMigrations = async (pglite: PGlite): Promise<void> => {
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
}
