import { afterAll, beforeAll, expect, test } from "bun:test"
import { connect, createDatabase, type TestDatabase } from "./Postgres.ts"
import { readMigrations } from "./PostgresTemplate.ts"

const SLOW = 120_000
let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase({
    migrations: false,
    sql: `create table public.notes (n int);
          create function public.count_notes() returns bigint language sql as 'select count(*) from public.notes';`
  })
}, SLOW)
afterAll(() => database.drop())

test("has Supabase's roles and their attributes", async () => {
  const sql = connect(database.url)
  const roles = await sql`
    select rolname, rolcanlogin, rolinherit, rolbypassrls, rolsuper from pg_roles
     where rolname in ('anon', 'authenticated', 'service_role', 'authenticator') order by rolname`
  expect([...roles]).toEqual([
    {
      rolname: "anon",
      rolcanlogin: false,
      rolinherit: false,
      rolbypassrls: false,
      rolsuper: false
    },
    {
      rolname: "authenticated",
      rolcanlogin: false,
      rolinherit: false,
      rolbypassrls: false,
      rolsuper: false
    },
    {
      rolname: "authenticator",
      rolcanlogin: true,
      rolinherit: false,
      rolbypassrls: false,
      rolsuper: false
    },
    {
      rolname: "service_role",
      rolcanlogin: false,
      rolinherit: false,
      rolbypassrls: true,
      rolsuper: false
    }
  ])
  await sql.close()
})

test("grants the API's roles everything that a migration creates in public, as Supabase does", async () => {
  const sql = connect(database.url)
  const [row] = await sql`
    select has_table_privilege('anon', 'public.notes', 'insert') as table_open,
           has_function_privilege('anon', 'public.count_notes()', 'execute') as function_open,
           has_schema_privilege('anon', 'public', 'usage') as schema_open,
           (select count(*)::int from pg_extension e join pg_namespace n on n.oid = e.extnamespace
             where n.nspname = 'extensions') > 0 as has_extensions`
  expect(row).toEqual({
    table_open: true,
    function_open: true,
    schema_open: true,
    has_extensions: true
  })
  const asked = sql.begin(async (transaction) => {
    await transaction`select set_config('role', 'service_role', true)`
    return transaction`select current_user::text as me, public.count_notes()::int as notes`
  })
  expect((await asked)[0]).toEqual({ me: "service_role", notes: 0 })
  await sql.close()
})

test("is independent of other databases", async () => {
  const other = await createDatabase({ migrations: false })
  const sql = connect(other.url)
  const [row] = await sql`select to_regclass('public.notes') as notes`
  expect(row.notes).toBeNull()
  await sql.close()
  await other.drop()
  await other.drop()
})

test(
  "contains every migration, applied in the order of their names",
  async () => {
    const names = readMigrations().map(({ name }) => name)
    expect(names).toEqual(names.toSorted())
    const migrated = await Promise.all([createDatabase(), createDatabase()])
    for (const { url, drop } of migrated) {
      const sql = connect(url)
      const [row] = await sql`select to_regclass('public.sync_run_log')::text as log`
      expect(row.log).toBe("sync_run_log")
      await sql.close()
      await drop()
    }
  },
  SLOW
)

test("names the script that failed", async () => {
  const broken = createDatabase({ migrations: false, sql: "select nothing_like_it()" })
  await expect(broken.then(() => "created")).rejects.toThrow("sql: function nothing_like_it()")
})
