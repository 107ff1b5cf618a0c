import { expect, test } from "bun:test"
import { openApi, throttled } from "./Api.ts"
import { at, json, type Ledger, onEachServer } from "./Ledger.ts"

const incidents = (ledger: Ledger) =>
  ledger.rows(`select subject, detail ->> 'status' as status, resolved_at is null as open, occurrences
                 from public.sync_incident where kind = 'health' order by id`)

const writes = async (ledger: Ledger): Promise<unknown> =>
  (await ledger.rows("select xmin::text as x from public.integration_health"))[0]?.x

onEachServer("health learned from syncs", (ledger) => {
  test("a sync that completes makes its API healthy; a busy API is one write a minute", async () => {
    const api = await openApi(ledger(), 3)
    const [a = "", b = "", c = ""] = api.runIds
    await api.start(api.runIds)
    expect(await api.health()).toEqual({})
    await api.settle(a, "completed")
    expect(await api.health()).toMatchObject({
      provider: "xledger",
      status: "healthy",
      mode: "active",
      last_sync_at: json(at(0))
    })
    const before = await writes(ledger())
    await ledger().after(59)
    await api.settle(b, "completed")
    expect(await writes(ledger())).toBe(before)
    await ledger().after(2)
    await api.settle(c, "completed")
    expect(await api.health()).toMatchObject({ last_sync_at: json(at(61)) })
    expect(await incidents(ledger())).toEqual([])
  })

  test("a throttle is recorded, the API goes passive, and an incident says until when", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start(api.runIds)
    await api.settle(a, "not_executed", { retry_in_ms: 45_000, health: throttled(45) })
    expect(await api.health()).toMatchObject({
      status: "throttled",
      mode: "passive",
      throttled_until: json(at(45)),
      passive_until: json(at(3645)),
      start_limit: 1,
      throttles: 1,
      error_code: "BAD_REQUEST.BURST_RATE_LIMIT_REACHED"
    })
    const opened = { subject: "xledger/www.xledger.net", status: "throttled", open: true }
    expect(await incidents(ledger())).toEqual([{ ...opened, occurrences: 1 }])
    // One that was under way before proves nothing.
    await api.settle(b, "completed")
    expect(await api.health()).toMatchObject({ status: "throttled" })
  })

  test("it is over with the first sync that completes after it; passive stays until its time", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 1, health: throttled(45) })
    await ledger().after(50)
    expect(await api.start([b])).toEqual({ [b]: "running" })
    await api.settle(b, "completed")
    expect(await api.health()).toMatchObject({
      status: "healthy",
      mode: "passive",
      throttled_until: null,
      start_limit: 2,
      passive_until: json(at(3645))
    })
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
  })

  test("again within a day, passive is twice as long, up to a day; a known vendor's hosts go together", async () => {
    const api = await openApi(ledger(), 3)
    const [a = "", b = "", c = ""] = api.runIds
    await ledger().execute(
      "insert into public.integration_health (provider, host) values ('xledger', 'test.xledger.net'), ('xero', 'api.xero.com')"
    )
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 1, health: throttled(10) })
    await ledger().after(3600)
    await api.start([b])
    await api.settle(b, "not_executed", { retry_in_ms: 1, health: throttled(10) })
    expect(await api.health()).toMatchObject({ throttles: 2, passive_until: json(at(3610 + 7200)) })
    expect(await api.health("test.xledger.net")).toMatchObject({
      mode: "passive",
      passive_until: json(at(3610 + 7200))
    })
    expect(await api.health("api.xero.com")).toMatchObject({ mode: "active", passive_until: null })
    await ledger().after(90_000)
    await api.start([c])
    await api.settle(c, "not_executed", { retry_in_ms: 1, health: throttled(10) })
    expect(await api.health()).toMatchObject({ throttles: 1 })
  })

  test("passive: unhealthy with the first sync that fails, healthy with the next that completes", async () => {
    const api = await openApi(ledger(), 3)
    const [a = "", b = "", c = ""] = api.runIds
    await ledger().execute(`insert into public.integration_health (provider, host, status, mode)
      values ('xledger', 'www.xledger.net', 'healthy', 'passive')`)
    await api.start(api.runIds)
    await api.settle(a, "failed", { error_code: "NO_PERIOD", error_message: "no" })
    expect(await api.health()).toMatchObject({ status: "unhealthy", error_code: "NO_PERIOD" })
    expect(await incidents(ledger())).toMatchObject([{ status: "unhealthy", open: true }])
    await api.settle(b, "completed")
    expect(await api.health()).toMatchObject({ status: "healthy", consecutive_failures: 0 })
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
    await api.settle(c, "unknown", { error_code: "TIMED_OUT" })
    expect(await api.health()).toMatchObject({ status: "healthy" })
  })

  test("active: a failed sync accuses nobody, but has the API looked at as soon as may be", async () => {
    const api = await openApi(ledger(), 1)
    await ledger().execute(`insert into public.integration_health (provider, host, status, next_probe_at)
      values ('xledger', 'www.xledger.net', 'healthy', '${at(800)}')`)
    await api.start(api.runIds)
    await api.settle(api.runIds[0] ?? "", "failed", { error_code: "NO_PERIOD" })
    expect(await api.health()).toMatchObject({ status: "healthy", next_probe_at: json(at(0)) })
  })

  test("the vendor's own fault, reported by a function: once a hiccup, twice unhealthy", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start(api.runIds)
    const health = throttled(0, { sign: "unreachable", code: "HTTP_503", http_status: 503 })
    await api.settle(a, "unknown", { health })
    expect(await api.health()).toMatchObject({ status: "unknown", consecutive_failures: 1 })
    await api.settle(b, "unknown", { health })
    expect(await api.health()).toMatchObject({ status: "unhealthy", http_status: 503 })
    expect(await incidents(ledger())).toMatchObject([{ status: "unhealthy", open: true }])
  })

  test("a function that reports by token is heard as well", async () => {
    const api = await openApi(ledger(), 1)
    await api.start(api.runIds)
    const [row] = await ledger().rows("select id, lease_token from public.sync_run_log")
    await ledger().call("complete_sync_run", {
      p_run_id: row?.id,
      p_lease_token: row?.lease_token,
      p_status: "completed"
    })
    expect(await api.health()).toMatchObject({ status: "healthy" })
  })

  test("a sign that cannot be read keeps no outcome from being recorded", async () => {
    const api = await openApi(ledger(), 1)
    const [a = ""] = api.runIds
    await api.start(api.runIds)
    await api.settle(a, "completed", { health: throttled(1, { wait_ms: "soon", quota: [] }) })
    const [row] = await ledger().rows("select status from public.sync_run_log")
    expect(row).toEqual({ status: "completed" })
  })
})

onEachServer("runs of a throttled API", (ledger) => {
  test("wait, one behind the other, with a reason, free for every engine", async () => {
    const api = await openApi(ledger(), 4)
    const [a = "", b = "", c = "", d = ""] = api.runIds
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 60_000, health: throttled(60) })
    expect(await api.start([b, c, d])).toEqual({
      [b]: `api_throttled ${at(63)}`,
      [c]: `api_throttled ${at(66)}`,
      [d]: `api_throttled ${at(69)}`
    })
    const runs = await ledger().rows(
      "select status, attempt, claimed_by, delay_reason from public.sync_run_log where delay_reason is not null"
    )
    const waiting = {
      status: "pending",
      attempt: 0,
      claimed_by: null,
      delay_reason: "api_throttled"
    }
    expect(runs).toEqual([waiting, waiting, waiting])
    const events = await ledger().rows(
      `select kind, reason, detail ->> 'host' as host from public.sync_run_event where run_id = '${b}' order by id`
    )
    expect(events.at(-1)).toEqual({
      kind: "delayed",
      reason: "api_throttled",
      host: "www.xledger.net"
    })
    // Its time has come: any engine reads it.
    await ledger().after(64)
    const pending = await ledger().call("read_pending_runs", { p_engine_id: "e2", p_limit: 100 })
    expect(JSON.stringify(pending)).toContain(b)
  })

  test("go one at a time after it, and a few more with each that completes, until there is no limit", async () => {
    const api = await openApi(ledger(), 9)
    const [first = "", ...rest] = api.runIds
    await api.start([first])
    await api.settle(first, "not_executed", { retry_in_ms: 1, health: throttled(60) })
    await ledger().after(61)
    let left = rest
    const sizes: Array<number> = []
    while (left.length > 0) {
      const answers = await api.start(left)
      const running = left.filter((id) => answers[id] === "running")
      sizes.push(running.length)
      for (const id of running) await api.settle(id, "completed")
      left = left.filter((id) => !running.includes(id))
      await ledger().after(60)
    }
    expect(sizes).toEqual([1, 2, 4, 1])
    expect(await api.health()).toMatchObject({ status: "healthy", start_limit: null })
    const delayed = await ledger().rows(
      "select run_id, count(*) as n from public.sync_run_event where kind = 'delayed' group by 1 having count(*) > 1"
    )
    expect(delayed).toEqual([])
  })

  test("a limit counts what runs, whoever started it, and is of this API only", async () => {
    const api = await openApi(ledger(), 3)
    const [a = "", b = "", c = ""] = api.runIds
    await ledger().execute(`insert into public.integration_health (provider, host, start_limit)
      values ('xledger', 'www.xledger.net', 2), ('xero', 'api.xero.com', 1)`)
    const answers = await api.start([a, b, c])
    expect(Object.values(answers).sort()).toEqual([`api_limit ${at(3)}`, "running", "running"])
    const held = [a, b, c].find((id) => answers[id] !== "running") ?? ""
    await ledger().after(3)
    expect(await api.start([held])).toEqual({ [held]: `api_limit ${at(6)}` })
    await api.settle([a, b, c].find((id) => id !== held) ?? "", "completed")
    await ledger().after(3)
    expect(await api.start([held])).toEqual({ [held]: "running" })
    const [row] = await ledger().rows(
      `select delay_reason, not_before, api_host from public.sync_run_log where id = '${held}'`
    )
    expect(row).toEqual({ delay_reason: null, not_before: null, api_host: "www.xledger.net" })
  })

  test("little left of a quota: one at a time until there is more, then as before", async () => {
    const api = await openApi(ledger(), 4)
    const [a = "", b = "", c = "", d = ""] = api.runIds
    const low = throttled(40, { sign: "reachable", code: null, low: true })
    await api.start([a])
    await api.settle(a, "completed", { health: low })
    expect(await api.health()).toMatchObject({
      status: "healthy",
      mode: "active",
      start_limit: 1,
      limited_until: json(at(40))
    })
    expect(Object.values(await api.start([b, c])).sort()).toEqual([`api_limit ${at(3)}`, "running"])
    await ledger().after(41)
    await api.settle(b, "completed")
    await api.settle(c, "completed")
    await api.start([c, d])
    await api.settle(c, "completed")
    await api.settle(d, "completed")
    expect(Number((await api.health()).start_limit ?? 5)).toBeGreaterThan(1)
  })
})
