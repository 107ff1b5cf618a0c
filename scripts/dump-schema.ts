/**
 * Writes supabase/schema.sql, the whole schema after all migrations, and supabase/catalog.json, the objects that the doctor
 * checks, each with the migration that created it. Usage: `bun run schema`. `--check` only compares; test/sql/schema.test.ts
 * fails when a file is out of date.
 */
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import { Schema } from "effect"
import { type ExpectedItem, itemsOf, SchemaCatalog } from "../src/Database/SchemaCatalog.ts"

const root = resolve(import.meta.dir, "..")
const migrations = join(root, "supabase/migrations")
const targets = {
  schema: join(root, "supabase/schema.sql"),
  catalog: join(root, "supabase/catalog.json")
} as const

/** Runs a query and returns each row as one line of text. */
export type Lines = (query: string) => Promise<ReadonlyArray<string>>

// The parts of a Supabase project that grants and revocations refer to.
const project = `
  create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
  grant usage on schema public to anon, authenticated, service_role;
  alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
  alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
  alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;`

// The schema's owner is written as `owner`, so that grants are the same on every installation.
const grants = (acl: string, object: string, owner: string): string => `
  select string_agg(format('grant %s on ${object} to %s;', g.what, g.who), E'\\n' order by g.who)
    from (select case a.grantee when 0 then 'public' when ${owner} then 'owner' else a.grantee::regrole::text end as who,
                 string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as what
            from aclexplode(${acl}) a where a.grantee <> ${owner} group by a.grantee) g`

const ours = "n.nspname in ('public', 'sync_scheduler')"

const tables = `
  select format(E'create table %I.%I (\\n%s\\n);', n.nspname, c.relname, (
           select string_agg(format('  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                    case when a.attidentity = 'a' then ' generated always as identity' else '' end,
                    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''),
                    case when a.attnotnull then ' not null' else '' end), E',\\n' order by a.attnum)
             from pg_attribute a left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
      || coalesce((select E'\\n' || string_agg(format('alter table %s add constraint %I %s;', c.oid::regclass, k.conname,
                            pg_get_constraintdef(k.oid)), E'\\n' order by k.conname)
                     from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n'), '')
      || coalesce((select E'\\n' || string_agg(pg_get_indexdef(x.indexrelid) || ';', E'\\n' order by x.indexrelid::regclass::text)
                     from pg_index x where x.indrelid = c.oid and not x.indisprimary), '')
      || coalesce((select E'\\n' || string_agg(pg_get_triggerdef(t.oid) || ';', E'\\n' order by t.tgname)
                     from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal), '')
      || case when c.relrowsecurity then format(E'\\nalter table %s enable row level security;', c.oid::regclass) else '' end
      || coalesce((select E'\\n' || string_agg(format('create policy %I on %s;', p.polname, c.oid::regclass), E'\\n' order by p.polname)
                     from pg_policy p where p.polrelid = c.oid), '')
      || coalesce(E'\\n' || (${grants("c.relacl", "' || c.oid::regclass || '", "c.relowner")}), '')
      || coalesce((select E'\\n' || string_agg(format('comment on column %s.%I is %L;', c.oid::regclass, a.attname, s.description),
                            E'\\n' order by a.attnum)
                     from pg_description s join pg_attribute a on a.attrelid = c.oid and a.attnum = s.objsubid
                    where s.objoid = c.oid and s.classoid = 'pg_class'::regclass and s.objsubid > 0), '') as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${ours} and c.relkind = 'r' order by n.nspname, c.relname`

const views = `
  select format(E'create view %s%s as\\n%s', c.oid::regclass, coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''),
           pg_get_viewdef(c.oid))
      || coalesce(E'\\n' || (${grants("c.relacl", "' || c.oid::regclass || '", "c.relowner")}), '') as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${ours} and c.relkind = 'v' order by n.nspname, c.relname`

const sequences = `
  select format('-- sequence %s', c.oid::regclass)
      || coalesce(E'\\n' || (${grants("c.relacl", "sequence ' || c.oid::regclass || '", "c.relowner")}), '') as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${ours} and c.relkind = 'S' order by n.nspname, c.relname`

const types = `
  select format(E'create type %s as (\\n%s\\n);', c.oid::regclass, (
           select string_agg(format('  %I %s', a.attname, format_type(a.atttypid, a.atttypmod)), E',\\n' order by a.attnum)
             from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)) as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${ours} and c.relkind = 'c' order by n.nspname, c.relname`

const functions = `
  select rtrim(pg_get_functiondef(p.oid), E'\\n') || ';'
      || coalesce(E'\\n' || (${grants("p.proacl", "function ' || p.oid::regprocedure || '", "p.proowner")}), '')
      || case when p.proacl is null then format(E'\\ngrant execute on function %s to public;', p.oid::regprocedure) else '' end as line
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
   where ${ours} and p.prokind = 'f'
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
   order by n.nspname, p.proname, p.oid::regprocedure::text`

export const dumpSchema = async (lines: Lines): Promise<string> => {
  const parts = [
    "-- The schema after all migrations. Generated by scripts/dump-schema.ts; do not edit, and do not apply.",
    "create schema sync_scheduler;"
  ]
  for (const query of [types, tables, views, sequences, functions]) {
    parts.push(...(await lines(query)))
  }
  const text = parts.join("\n\n")
  return `${text.replace(/[ \t]+$/gm, "")}\n`
}

const catalogQuery = async (): Promise<string> => {
  const name = (await readdir(migrations)).find((one) => one.endsWith("_doctor.sql")) ?? ""
  const [, body] = (await readFile(join(migrations, name), "utf8")).split("$catalog$")
  if (body === undefined) throw new Error("the catalog's query was not found in its migration")
  return `select (${body}) as line from (select array(
    select relname::text from pg_class where relnamespace = 'public'::regnamespace
    union select proname::text from pg_proc p where pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')) as p_names) given`
}

const decodeCatalog = Schema.decodeUnknownSync(SchemaCatalog)

/** Gives new and changed objects the migration's version, and removes deleted objects. */
const dated = (
  known: ReadonlyMap<string, ExpectedItem>,
  catalog: unknown,
  version: string
): ReadonlyMap<string, ExpectedItem> =>
  new Map(
    itemsOf(decodeCatalog(catalog)).map((item): [string, ExpectedItem] => {
      const key = `${item.kind} ${item.name}`
      const before = known.get(key)
      if (before !== undefined && before.print === item.print) return [key, before]
      return [key, { ...item, since: before?.since ?? version, changed: version }]
    })
  )

/** Applies this checkout's migrations one by one to an empty embedded database. */
export const dumpMigrations = async (): Promise<{
  readonly schema: string
  readonly catalog: string
}> => {
  const database = await PGlite.create()
  try {
    await database.exec(project)
    const query = await catalogQuery()
    let items: ReadonlyMap<string, ExpectedItem> = new Map()
    for (const name of (await readdir(migrations)).filter((n) => n.endsWith(".sql")).sort()) {
      await database.exec(await readFile(join(migrations, name), "utf8"))
      const { rows } = await database.query<{ line: unknown }>(query)
      items = dated(items, rows[0]?.line, name.slice(0, 14))
    }
    // An empty search path makes PostgreSQL qualify all names, regardless of what the migrations set.
    await database.exec("set search_path = ''")
    const schema = await dumpSchema(async (query) => {
      const { rows } = await database.query<{ line: string }>(query)
      return rows.map(({ line }) => line)
    })
    const lines = [...items.values()].map((item) => `  ${JSON.stringify(item)}`)
    return { schema, catalog: `[\n${lines.join(",\n")}\n]\n` }
  } finally {
    await database.close()
  }
}

if (import.meta.main) {
  const dumped = await dumpMigrations()
  for (const [what, path] of Object.entries(targets)) {
    const text = what === "schema" ? dumped.schema : dumped.catalog
    if (!process.argv.includes("--check")) {
      await writeFile(path, text)
    } else if (text !== (await readFile(path, "utf8").catch(() => ""))) {
      process.stderr.write(`${path} is out of date: bun run schema\n`)
      process.exitCode = 1
    }
  }
}
