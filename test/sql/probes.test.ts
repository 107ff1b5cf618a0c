import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { openApi, throttled } from "./Api.ts"
import { at, json, type Ledger, onEachServer, type Row } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

const HOST = "www.xledger.net"
const xledger = { provider: "xledger", host: HOST, types: ["xledger"], urls: [] }
const MINUTE = 60

const claim = async (ledger: Ledger, more: Row = {}, apis: ReadonlyArray<Row> = [xledger]) => {
  const token = randomUUID()
  const answer = await ledger.call("claim_sync_probes", {
    p_engine_id: "e1",
    p_token: token,
    p_apis: apis,
    ...more
  })
  const hosts = list(answer.probes).map(({ host }) => String(host))
  const reasons = list(answer.waiting).map(({ reason, until }) => `${reason} ${until ?? ""}`.trim())
  return { token, hosts, reasons }
}

const record = (ledger: Ledger, token: string, sign: string, more: Row = {}, jitter = 0) =>
  ledger.call("record_sync_probe", {
    p_engine_id: "e1",
    p_token: token,
    p_provider: "xledger",
    p_host: HOST,
    p_result: { ...throttled(60, { sign, code: null, http_status: 401 }), latency_ms: 80, ...more },
    p_jitter: jitter
  })

const health = async (ledger: Ledger): Promise<Row> =>
  (await ledger.rows("select * from public.integration_health"))[0] ?? {}

/** The API has been silent for a long time and has no sync due soon. */
const silent = async (ledger: Ledger, columns = "") => {
  await ledger.reset()
  await ledger.execute(
    `insert into public.integration_health (provider, host) values ('xledger', '${HOST}')`
  )
  if (columns !== "") await ledger.execute(`update public.integration_health set ${columns}`)
}

onEachServer("probes of an API", (ledger) => {
  test("are shared by all tenants and engines, and are at least 15 minutes apart", async () => {
    await silent(ledger())
    expect((await claim(ledger())).hosts).toEqual([HOST])
    expect((await claim(ledger(), { p_engine_id: "e2" })).reasons).toEqual([`too_soon ${at(900)}`])
    await ledger().after(15 * MINUTE - 1)
    expect((await claim(ledger(), { p_asked: true })).reasons).toEqual([`too_soon ${at(900)}`])
    await ledger().after(1)
    expect((await claim(ledger())).hosts).toEqual([HOST])
    expect(await health(ledger())).toMatchObject({ probes: 2, last_probe_at: json(at(900)) })
  })

  test("keep the 15 minutes even if someone sets the next probe to now", async () => {
    await silent(ledger())
    await claim(ledger())
    await ledger().execute("update public.integration_health set next_probe_at = null")
    expect((await claim(ledger())).reasons).toEqual([`too_soon ${at(900)}`])
  })

  test("are sent by one of many concurrent engines", async () => {
    await silent(ledger())
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => claim(ledger(), { p_engine_id: `e${n}` }))
    )
    expect(all.flatMap(({ hosts }) => hosts)).toEqual([HOST])
  })

  test("of a new API begin after 15 minutes without a sync, or earlier on request", async () => {
    await ledger().reset()
    const [reason] = (await claim(ledger())).reasons
    expect(reason).toStartWith("interval 2026-03-02T10:1")
    expect((await claim(ledger(), { p_asked: true })).hosts).toEqual([HOST])
  })

  test("are sent only after 15 minutes without a sync", async () => {
    await silent(ledger(), `status = 'healthy', last_sync_at = '${at(0)}'`)
    expect((await claim(ledger())).reasons).toEqual([`known_from_syncs ${at(900)}`])
    await ledger().after(900)
    expect((await claim(ledger())).hosts).toEqual([HOST])
  })

  test("are not sent while a sync of the API runs, waits to start, or is due within a minute", async () => {
    const api = await openApi(ledger(), 1)
    await ledger().execute(
      `insert into public.integration_health (provider, host) values ('xledger', '${HOST}')`
    )
    expect((await claim(ledger())).reasons).toEqual(["sync_is_near"])
    await api.start(api.runIds)
    expect((await claim(ledger())).reasons).toEqual(["sync_running"])
    expect((await claim(ledger(), { p_asked: true })).reasons).toEqual(["sync_running"])
    await api.settle(api.runIds[0] ?? "", "failed", { error_code: "NO_PERIOD" })
    await ledger().execute(`update public.organization_integrations set next_run_at = '${at(60)}'`)
    expect((await claim(ledger())).reasons).toEqual(["sync_is_near"])
    await ledger().execute(`update public.organization_integrations set next_run_at = '${at(61)}'`)
    expect((await claim(ledger())).hosts).toEqual([HOST])
    await silent(ledger())
    await ledger().integration({ integration_type: "'fortnox'" })
    expect((await claim(ledger())).hosts).toEqual([HOST])
  })

  test("after failures are delayed twice as long each time, up to two hours, and one success resets the delay", async () => {
    await silent(ledger(), "latency_ms = 90")
    const waits: Array<number> = []
    for (let n = 0; n < 7; n++) {
      const { hosts, token } = await claim(ledger())
      expect(hosts).toEqual([HOST])
      await record(ledger(), token, "unreachable", { code: "HTTP_503", http_status: 503 })
      const { last_probe_at: from, next_probe_at: to } = await health(ledger())
      waits.push((Date.parse(String(to)) - Date.parse(String(from))) / 60_000)
      await ledger().after((waits.at(-1) ?? 0) * MINUTE - 1)
      if (n > 0) expect((await claim(ledger())).reasons[0]).toStartWith("backoff")
      await ledger().after(1)
    }
    expect(waits).toEqual([15, 30, 60, 120, 120, 120, 120])
    const { token } = await claim(ledger())
    await record(ledger(), token, "reachable")
    const [now] = await ledger().rows("select at from sync_scheduler.test_clock")
    const next = new Date(Date.parse(String(now?.at)) + 900_000).toISOString()
    expect(await health(ledger())).toMatchObject({
      status: "healthy",
      consecutive_failures: 0,
      next_probe_at: json(next)
    })
  })

  test("open an incident at the second failure in a row, and resolve it at the next response", async () => {
    await silent(ledger(), "latency_ms = 90")
    const states: Array<unknown> = []
    for (const sign of ["unreachable", "unreachable", "reachable"]) {
      const { token } = await claim(ledger(), { p_asked: true })
      await record(ledger(), token, sign)
      const [incident] = await ledger().rows(
        "select resolved_at is null as open from public.sync_incident where kind = 'health'"
      )
      states.push([(await health(ledger())).status, incident?.open ?? null])
      await ledger().after(900)
    }
    expect(states).toEqual([
      ["unknown", null],
      ["unhealthy", true],
      ["healthy", false]
    ])
  })

  test("that never got a response open no incident and become rarer, because the fault is probably local", async () => {
    await silent(ledger())
    for (let n = 0; n < 4; n++) {
      const { token } = await claim(ledger(), { p_asked: true })
      await record(ledger(), token, "unreachable", {
        http_status: null,
        latency_ms: null,
        code: "NOT_REACHED"
      })
      await ledger().after(900)
    }
    expect(await health(ledger())).toMatchObject({
      status: "unknown",
      consecutive_failures: 0,
      error_code: "NOT_REACHED",
      next_probe_at: json(at(2700 + 7200))
    })
    expect(await ledger().rows("select 1 from public.sync_incident")).toEqual([])
  })

  test("that are throttled make the API passive, and no probe is sent until that ends", async () => {
    await silent(ledger())
    const { token } = await claim(ledger())
    await record(ledger(), token, "throttled", { code: "HTTP_429", http_status: 429 })
    expect(await health(ledger())).toMatchObject({ status: "throttled", mode: "passive" })
    await ledger().after(29)
    expect((await claim(ledger(), { p_asked: true })).reasons).toEqual([`throttled ${at(3660)}`])
    await ledger().after(2)
    expect((await claim(ledger(), { p_asked: true })).reasons).toEqual([`passive ${at(3660)}`])
    await ledger().after(3629)
    expect((await claim(ledger())).hosts).toEqual([HOST])
    expect(await health(ledger())).toMatchObject({ mode: "active", passive_until: null })
  })

  test("of a health_url pause while the vendor of its host throttles an organisation", async () => {
    const host = "erp.example.com/acme"
    const own = { provider: "generic", host, types: [], urls: [`https://${host}`] }
    await ledger().reset()
    await ledger().execute(`insert into public.integration_health (provider, host) values ('generic', '${host}');
      insert into public.sync_api_hold (provider, host, org_id, throttled_until, told_at, expires_at)
      values ('generic', 'erp.example.com', gen_random_uuid(), '${at(60)}', '${at(0)}', '${at(3660)}')`)
    expect((await claim(ledger(), {}, [own])).reasons[0]).toStartWith("throttled")
    await ledger().after(60)
    expect((await claim(ledger(), {}, [own])).hosts).toEqual([host])
  })

  test("can be less frequent for a vendor, never more frequent", async () => {
    for (const [every_ms, minutes] of [
      [3_600_000, 60],
      [1, 15]
    ]) {
      await silent(ledger())
      const { token } = await claim(ledger())
      await record(ledger(), token, "reachable", { every_ms })
      expect(await health(ledger())).toMatchObject({
        next_probe_at: json(at(Number(minutes) * 60))
      })
    }
  })

  test("have a jitter of at most a fifth", async () => {
    await silent(ledger())
    const { token } = await claim(ledger())
    await record(ledger(), token, "reachable", {}, 0.5)
    expect(await health(ledger())).toMatchObject({ next_probe_at: json(at(990)), latency_ms: 80 })
  })

  test("have their result accepted once, by token, within a minute", async () => {
    await silent(ledger())
    const { token } = await claim(ledger())
    expect(await record(ledger(), randomUUID(), "reachable")).toMatchObject({ accepted: false })
    expect(await record(ledger(), token, "reachable")).toMatchObject({ accepted: true })
    expect(await record(ledger(), token, "unreachable")).toMatchObject({ accepted: false })
    await ledger().after(900)
    const late = await claim(ledger())
    await ledger().after(60)
    expect(await record(ledger(), late.token, "unreachable")).toMatchObject({ accepted: false })
    expect(record(ledger(), token, "fine")).rejects.toThrow("must be reachable")
  })

  test("change nothing in a dry run", async () => {
    await ledger().reset()
    expect((await claim(ledger(), { p_dry_run: true })).hosts).toEqual([HOST])
    expect(await ledger().rows("select 1 from public.integration_health")).toEqual([])
    await silent(ledger())
    await claim(ledger(), { p_dry_run: true })
    expect((await claim(ledger())).hosts).toEqual([HOST])
  })

  test("cover every kind of enabled integration once", async () => {
    await ledger().reset()
    const url = "'https://acme.operations.dynamics.com/data'"
    for (const columns of [
      {},
      {},
      { integration_type: "'d365fo'", health_url: url, health_method: "'GET'" },
      { integration_type: "'d365fo'", health_url: url, health_method: "'GET'" },
      { integration_type: "'d365fo'", health_url: "'https://b.operations.dynamics.com/data'" },
      { integration_type: "'fortnox'", enabled: "false" }
    ]) {
      await ledger().integration(columns)
    }
    const answer = await ledger().call("read_sync_apis")
    expect(answer.sources).toEqual([
      {
        integration_type: "d365fo",
        health_url: "https://acme.operations.dynamics.com/data",
        health_method: "GET"
      },
      {
        integration_type: "d365fo",
        health_url: "https://b.operations.dynamics.com/data",
        health_method: "HEAD"
      },
      { integration_type: "xledger", health_url: null, health_method: "HEAD" }
    ])
  })
})
