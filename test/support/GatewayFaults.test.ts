import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { createClient } from "@supabase/supabase-js"
import * as Behaviour from "./FunctionBehaviour.ts"
import { startFunctionServer } from "./FunctionServer.ts"
import * as Faults from "./GatewayFaults.ts"
import { connect, createDatabase, startPostgres, type TestDatabase } from "./Postgres.ts"
import { type RpcGateway, startGateway } from "./RpcGateway.ts"

const SLOW = 120_000
const SQL = `
create table notes (id int primary key, body jsonb);
create function add_note(p_id int) returns void language sql as $$ insert into notes values (p_id) $$;
create function count_notes() returns bigint language sql stable as $$ select count(*) from notes $$;
create function whoami() returns text language sql stable as $$ select current_user $$;
create function slow_one() returns void language sql set statement_timeout = '60s' as $$ select pg_sleep(50) $$;`

let database: TestDatabase
let gateway: RpcGateway
beforeAll(async () => {
  database = await createDatabase({ migrations: false, sql: SQL })
  gateway = await startGateway({ databaseUrl: database.url })
}, SLOW)
afterEach(() => gateway.faults.clear())
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

describe("the gateway's faults", () => {
  test("include a lost response, which was executed, and a dropped connection, which was not", async () => {
    const before = await count()
    gateway.faults.once("add_note", Faults.lostAnswer)
    expect(await client().rpc("add_note", { p_id: 201 })).toMatchObject({ status: 0, data: null })
    expect(await count()).toBe(before + 1)
    gateway.faults.once("add_note", Faults.dropBefore)
    expect(await client().rpc("add_note", { p_id: 202 })).toMatchObject({ status: 0, data: null })
    expect(await count()).toBe(before + 1)
    expect(await client().rpc("add_note", { p_id: 202 })).toMatchObject({ status: 204 })
  })

  const answers = [
    ["schema cache", Faults.schemaCacheMissing, { status: 503, error: { code: "PGRST002" } }],
    ["gateway HTML", Faults.badGateway, { status: 502, data: null }],
    ["404 without a body", Faults.emptyNotFound, { status: 204, error: null }],
    ["200 without a body", Faults.emptyOk, { status: 200, data: null, error: null }],
    ["redirect", Faults.redirectTo("http://127.0.0.1:9/"), { status: 307, data: null }],
    [
      "own words",
      Faults.answerWith(504, { code: "PGRST003" }),
      { status: 504, error: { code: "PGRST003" } }
    ]
  ] as const
  test.each(answers)("can replace the function's response: %s", async (_, fault, seen) => {
    const before = gateway.faults.calls("whoami")
    gateway.faults.set("whoami", fault)
    expect(await client().rpc("whoami")).toMatchObject(seen)
    expect(gateway.faults.calls("whoami")).toBe(before + 1)
  })

  test("can delay the call, or the response after the commit", async () => {
    const before = await count()
    const gate = Promise.withResolvers<void>()
    gateway.faults.set("add_note", ({ args }) =>
      args.p_id === 301 ? Faults.waitBefore(gate.promise) : Faults.waitAfter(gate.promise)
    )
    const held = [301, 302].map((p_id) =>
      client()
        .rpc("add_note", { p_id })
        .then(({ status }) => status)
    )
    while ((await count()) === before) await Bun.sleep(1)
    expect(await count()).toBe(before + 1)
    gate.resolve()
    expect(await Promise.all(held)).toEqual([204, 204])
    expect(await count()).toBe(before + 2)
  })

  test("can shift the time in the Date header", async () => {
    const read = async () => {
      const headers = { apikey: gateway.secretKey }
      const answer = await fetch(`${gateway.url}/rest/v1/rpc/whoami`, { method: "POST", headers })
      return Date.parse(answer.headers.get("date") ?? "")
    }
    expect(Math.abs((await read()) - Date.now())).toBeLessThan(60_000)
    gateway.faults.dateOffsetMs = 3_600_000
    expect(Math.abs((await read()) - Date.now() - 3_600_000)).toBeLessThan(60_000)
    gateway.faults.dateOffsetMs = 0
  })
})

describe("the gateway's pool", () => {
  test("has ten sessions and as many concurrent calls", async () => {
    const pool = connect(database.url)
    const blocker = await pool.reserve()
    await blocker`begin`
    await blocker`lock table notes in access exclusive mode`
    const calls = Array.from({ length: 40 }, (_, n) => client().rpc("add_note", { p_id: 400 + n }))
    const settled = Promise.all(calls)
    const waiting = () => blocker`select count(*)::int as n from pg_locks where not granted`
    while ((await waiting())[0].n < 10) await Bun.sleep(1)
    expect((await waiting())[0].n).toBe(10)
    await blocker`commit`
    for (const { status } of await settled) expect(status).toBe(204)
    await pool.close({ timeout: 0 })
  })

  test("rejects a call that waited too long for a session: PGRST003", async () => {
    const narrow = await startGateway({
      databaseUrl: database.url,
      poolSize: 1,
      poolTimeoutMs: 20,
      ...keys()
    })
    const pool = connect(database.url)
    const blocker = await pool.reserve()
    await blocker`begin`
    await blocker`lock table notes in access exclusive mode`
    const url = `${narrow.url}/rest/v1/rpc/count_notes`
    const ask = () => fetch(url, { method: "POST", headers: { apikey: narrow.secretKey } })
    const first = ask().then(({ status }) => status)
    while ((await blocker`select from pg_locks where not granted`).length === 0) await Bun.sleep(1)
    const second = await ask()
    expect([second.status, (await second.json()).code]).toEqual([504, "PGRST003"])
    await blocker`commit`
    expect(await first).toBe(200)
    await pool.close({ timeout: 0 })
    await narrow.close()
  })

  test(
    "reports a lost database, and works again once it is back",
    async () => {
      const server = await startPostgres({ fresh: true })
      const own = await createDatabase({ server, migrations: false, sql: SQL })
      const lost = await startGateway({ databaseUrl: own.url })
      const ask = async (fn: string) => {
        const answer = await fetch(`${lost.url}/rest/v1/rpc/${fn}`, {
          method: "POST",
          headers: { apikey: lost.secretKey }
        })
        return [answer.status, (await answer.json()).code ?? "fine"]
      }
      expect(await ask("whoami")).toEqual([200, "fine"])
      const cut = ask("slow_one")
      await server.kill()
      expect((await cut)[0]).toBeGreaterThanOrEqual(500)
      const [status, code] = await ask("whoami")
      expect(status).toBe(503)
      expect(code).toBe("PGRST002")
      await server.restart()
      while ((await ask("whoami"))[0] !== 200) await Bun.sleep(10)
      await lost.close()
      await server.stop()
    },
    SLOW
  )
})

const keys = () => ({ secretKey: "sb_secret_mine", anonKey: "mine" })

describe("functions behind the gateway", () => {
  test("receive headers and body unchanged, and their redirects and broken responses are passed on", async () => {
    const functions = await startFunctionServer()
    const both = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
    const invoke = () =>
      fetch(`${both.url}/functions/v1/integration-sync`, {
        method: "POST",
        headers: { apikey: both.secretKey, "Idempotency-Key": "k", traceparent: "00-1-2-01" },
        body: `{"n": 1.50}`,
        redirect: "manual"
      })
    expect(await (await invoke()).json()).toEqual({ success: true })
    expect(functions.calls[0]).toMatchObject({
      path: "/integration-sync",
      headers: { apikey: both.secretKey, "idempotency-key": "k", traceparent: "00-1-2-01" },
      body: { n: 1.5 }
    })
    functions.behave(() => Behaviour.redirect("http://127.0.0.1:9/"))
    expect((await invoke()).headers.get("location")).toBe("http://127.0.0.1:9/")
    functions.behave(() => Behaviour.platformError("BOOT_ERROR"))
    expect((await invoke()).headers.get("sb-error-code")).toBe("BOOT_ERROR")
    functions.behave(() => Behaviour.reset())
    await expect(invoke().then(() => "answered")).rejects.toThrow(/closed/)
    functions.behave(() => Behaviour.resetHalfway())
    await expect(invoke().then((answer) => answer.text())).rejects.toThrow(/closed/)
    both.faults.once("functions/integration-sync", Faults.badGateway)
    expect((await invoke()).status).toBe(502)
    expect([both.faults.calls("functions/integration-sync"), functions.invocations.length]).toEqual(
      [6, 5]
    )
    await both.close()
    await functions.close()
  })

  test("do not exist if none were given", async () => {
    const answer = await fetch(`${gateway.url}/functions/v1/integration-sync`, { method: "POST" })
    expect([answer.status, answer.headers.get("sb-error-code")]).toEqual([404, "NOT_FOUND"])
  })
})
