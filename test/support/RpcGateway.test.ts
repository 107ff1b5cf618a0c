import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createClient } from "@supabase/supabase-js"
import type { SQL } from "bun"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  startPostgres,
  type TestDatabase
} from "./Postgres.ts"
import { type RpcGateway, startGateway } from "./RpcGateway.ts"

const SLOW = 120_000
const SCRIPT = `
create table notes (id int primary key, body jsonb);
create function echo(p_value jsonb, p_more text default 'none') returns jsonb language sql volatile
  as $$ select jsonb_build_object('value', p_value, 'type', jsonb_typeof(p_value), 'more', p_more) $$;
create function add_note(p_id int, p_body jsonb = null) returns void language sql
  as $$ insert into notes values (p_id, p_body) $$;
create function count_notes() returns bigint language sql stable as $$ select count(*) from notes $$;
create function write_stable() returns void language plpgsql stable
  as $$ begin perform add_note(-1); end $$;
create function list_numbers(p_upto int) returns table (n int, at timestamptz) language sql
  as $$ select i, timestamptz '2026-01-02 03:04:05.678Z' from generate_series(1, p_upto) i $$;
create function one_row(out a int, out b text) language sql as $$ select 1, 'x' $$;
create function whoami() returns jsonb language sql stable as $$
  select jsonb_build_object('user', current_user, 'role', current_setting('request.jwt.claims')::jsonb ->> 'role',
    'timeout', current_setting('statement_timeout'), 'isolation', current_setting('transaction_isolation')) $$;
create function slow_one() returns void language sql set statement_timeout = '10ms' as $$ select pg_sleep(60) $$;
create function fail(p_code text) returns void language plpgsql as $$
  begin raise exception 'message of %', p_code using errcode = p_code, detail = 'the detail', hint = 'the hint'; end $$;
create function twice(p int) returns int language sql as 'select p';
create function twice(p int, q int = 1) returns int language sql as 'select p';
create function secret_one() returns int language sql as 'select 1';
revoke all on function secret_one() from public, anon, authenticated;`

let database: TestDatabase
let gateway: RpcGateway
beforeAll(async () => {
  database = await createDatabase({ migrations: false, sql: SCRIPT })
  gateway = await startGateway({ databaseUrl: database.url })
}, SLOW)
afterAll(async () => {
  await gateway.close()
  await database.drop()
})

const client = (key = gateway.secretKey) =>
  createClient(gateway.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    db: { retry: false },
    global: { fetch: stayingHere }
  })
const stayingHere = Object.assign(
  (input: RequestInfo | URL, init?: RequestInit) => fetch(input, { ...init, redirect: "manual" }),
  { preconnect: fetch.preconnect }
)
const count = async (): Promise<number> => (await client().rpc("count_notes")).data

describe("the gateway, seen by supabase-js", () => {
  test("keeps jsonb unchanged", async () => {
    for (const value of [{ a: [1, null, "æ\"'"] }, [1.5, 2], "text", 12345, true]) {
      const { data, error, status } = await client().rpc("echo", { p_value: value })
      expect([error, status]).toEqual([null, 200])
      expect(data).toMatchObject({ value, more: "none" })
    }
    const { data } = await client().rpc("echo", { p_value: [], p_more: "given" })
    expect(data).toEqual({ value: [], type: "array", more: "given" })
  })

  test("encodes void, numbers, sets and rows as PostgREST does", async () => {
    const rpc = client()
    expect(await rpc.rpc("add_note", { p_id: 100 })).toMatchObject({
      status: 204,
      data: null,
      error: null
    })
    expect((await rpc.rpc("count_notes")).data).toBeGreaterThan(0)
    expect((await rpc.rpc("one_row")).data).toEqual({ a: 1, b: "x" })
    const { data } = await rpc.rpc("list_numbers", { p_upto: 2 })
    expect(data).toEqual([
      { n: 1, at: "2026-01-02T03:04:05.678+00:00" },
      { n: 2, at: "2026-01-02T03:04:05.678+00:00" }
    ])
  })

  test("truncates a set to max_rows", async () => {
    expect((await client().rpc("list_numbers", { p_upto: 1500 })).data).toHaveLength(1000)
  })

  test("maps each key to its role, including legacy JWT keys", async () => {
    const authenticated = gateway.sign({ role: "authenticated", sub: "someone" })
    const roles = [
      [gateway.secretKey, "service_role"],
      [gateway.legacyServiceKey, "service_role"],
      [gateway.publishableKey, "anon"],
      [gateway.anonKey, "anon"],
      [authenticated, "authenticated"]
    ] as const
    for (const [key, role] of roles) {
      const { data } = await client(key).rpc("whoami")
      expect(data).toMatchObject({ user: role, role, timeout: role === "anon" ? "3s" : "8s" })
    }
  })

  test("refuses revoked functions: anon with 401, a signed-in user with 403", async () => {
    const refused = await client(gateway.anonKey).rpc("secret_one")
    expect(refused).toMatchObject({ status: 401, data: null, error: { code: "42501" } })
    const user = gateway.sign({ role: "authenticated" })
    expect(await client(user).rpc("secret_one")).toMatchObject({ status: 403 })
    expect(await client().rpc("secret_one")).toMatchObject({ status: 200, data: 1 })
  })

  test("refuses a wrong key, by the gateway or by PostgREST", async () => {
    const wrong = await client("sb_secret_wrong").rpc("whoami")
    expect(wrong).toMatchObject({ status: 401, error: { message: "Unregistered API key" } })
    const [header, payload] = gateway.legacyServiceKey.split(".")
    const forged = await client(`${header}.${payload}.AAAA`).rpc("whoami")
    expect(forged).toMatchObject({ status: 401, error: { code: "PGRST301" } })
    const old = await client(gateway.sign({ role: "service_role", exp: 1 })).rpc("whoami")
    expect(old).toMatchObject({ status: 401, error: { code: "PGRST303" } })
    const browser = await fetch(`${gateway.url}/rest/v1/rpc/whoami`, {
      method: "POST",
      headers: { apikey: gateway.secretKey, "User-Agent": "Mozilla/5.0" }
    })
    expect(browser.status).toBe(401)
  })

  test("reports a missing function as PGRST202, with the closest match", async () => {
    expect(await client().rpc("nothing", { p_b: 1, p_a: 2 })).toMatchObject({
      status: 404,
      error: {
        code: "PGRST202",
        message: "Could not find the function public.nothing(p_a, p_b) in the schema cache",
        details:
          "Searched for the function public.nothing with parameters p_a, p_b or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.",
        hint: null
      }
    })
    expect(await client().rpc("echo", { p_values: 1 })).toMatchObject({
      error: { hint: "Perhaps you meant to call the function public.echo(p_more, p_value)" }
    })
    expect(await client().rpc("twice", { p: 1 })).toMatchObject({
      status: 300,
      error: { code: "PGRST203" }
    })
    expect(await client().from("notes").select()).toMatchObject({
      status: 404,
      error: { code: "PGRST205" }
    })
  })

  test("executes one call in one transaction, which leaves nothing if it fails", async () => {
    const before = await count()
    await client().rpc("add_note", { p_id: 1 })
    const again = await client().rpc("add_note", { p_id: 1 })
    expect(again).toMatchObject({ status: 409, error: { code: "23505" } })
    expect(await count()).toBe(before + 1)
  })

  test("lets stable functions only read, and applies a function's own timeout", async () => {
    expect(await client().rpc("write_stable")).toMatchObject({
      status: 405,
      error: { code: "25006" }
    })
    expect(await client().rpc("slow_one")).toMatchObject({ status: 500, error: { code: "57014" } })
  })
})

describe("the gateway and the database's settings and sessions", () => {
  let server: OwnPostgresServer
  let admin: SQL
  let own: RpcGateway
  beforeAll(async () => {
    server = await startPostgres({ fresh: true })
    const { adminUrl } = await createDatabase({ server, migrations: false, sql: SCRIPT })
    admin = connect(adminUrl, { max: 1 })
    own = await startGateway({ databaseUrl: adminUrl, reloadPauseMs: 200 })
  }, SLOW)
  afterAll(async () => {
    await own.close()
    await admin.close()
    await server.stop()
  })
  const setConnectable = (isConnectable: boolean) =>
    admin`update pg_database set datallowconn = ${isConnectable} where datname = current_database()`
  const whoami = async () => {
    const answer = await fetch(`${own.url}/rest/v1/rpc/whoami`, {
      method: "POST",
      headers: { apikey: own.secretKey }
    })
    return { status: answer.status, body: await answer.json() }
  }

  test("role settings apply once PostgREST is notified, and a function's own settings take precedence", async () => {
    await admin`alter role service_role set statement_timeout = '2s'`
    await admin`alter role service_role set default_transaction_isolation = 'serializable'`
    expect((await whoami()).body).toMatchObject({ timeout: "8s", isolation: "read committed" })
    await admin`notify pgrst, 'reload config'`
    while ((await whoami()).body.timeout === "8s") await Bun.sleep(5)
    expect((await whoami()).body).toMatchObject({ timeout: "2s", isolation: "serializable" })
    await admin`alter function whoami() set statement_timeout = '12s'`
    while ((await whoami()).body.timeout === "2s") await Bun.sleep(5)
    expect((await whoami()).body).toMatchObject({ timeout: "12s" })
    await admin`alter role service_role reset all`
    await admin`alter function whoami() reset all`
  })

  test("after the listening session is lost there is no schema until it is read again", async () => {
    expect((await whoami()).status).toBe(200)
    // The gateway cannot read the schema until connections succeed again.
    await setConnectable(false)
    // A schema read that began on another connection before the loss must not restore the schema.
    await admin`notify pgrst`
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'`
    while ((await whoami()).status === 200) await Bun.sleep(1)
    expect(await whoami()).toMatchObject({ status: 503, body: { code: "PGRST002" } })
    await setConnectable(true)
    while ((await whoami()).status === 503) await Bun.sleep(5)
    expect((await whoami()).status).toBe(200)
  })
})
