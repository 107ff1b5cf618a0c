import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { openApi, throttled } from "./Api.ts"
import { at, json, type Ledger, onEachServer, org } from "./Ledger.ts"

const incidents = (ledger: Ledger) =>
  ledger.rows(`select subject, detail ->> 'status' as status, resolved_at is null as open, occurrences
                 from public.sync_incident where kind = 'health' order by id`)

const writes = async (ledger: Ledger): Promise<unknown> =>
  (await ledger.rows("select xmin::text as x from public.integration_health"))[0]?.x

onEachServer("health learned from syncs", (ledger) => {
  test("a completed sync makes its API healthy, with at most one write a minute", async () => {
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

  test("a throttle holds its organisation and opens an incident, but does not change the API's health", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start(api.runIds)
    await api.settle(a, "not_executed", { retry_in_ms: 45_000, health: throttled(45) })
    expect(await api.holds()).toMatchObject([
      {
        provider: "xledger",
        host: "www.xledger.net",
        org_id: org,
        throttled_until: json(at(45)),
        expires_at: json(at(3645)),
        start_limit: 1
      }
    ])
    expect(await api.health()).toEqual({})
    const subject = `xledger/www.xledger.net/${org}`
    const opened = { subject, status: "throttled", open: true }
    expect(await incidents(ledger())).toEqual([{ ...opened, occurrences: 1 }])
    // An attempt that began before the throttling says nothing about the API's current state.
    await api.settle(b, "completed")
    expect(await api.holds()).toMatchObject([{ throttled_until: json(at(45)) }])
    expect(await api.health()).toMatchObject({ status: "healthy", mode: "active" })
    expect(await incidents(ledger())).toMatchObject([{ open: true }])
  })

  test("a hold ends with the organisation's first completed sync that started after it", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 1, health: throttled(45) })
    await ledger().after(50)
    expect(await api.start([b])).toEqual({ [b]: "running" })
    await api.settle(b, "completed")
    expect(await api.holds()).toMatchObject([{ throttled_until: null, start_limit: 2 }])
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
  })

  test("a hold ends an hour after its wait at the latest, and the next tick removes its row and incident", async () => {
    const api = await openApi(ledger(), 2)
    const [a = "", b = ""] = api.runIds
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 1, health: throttled(45) })
    await ledger().after(3_645)
    expect(await api.start([b])).toEqual({ [b]: "running" })
    await ledger().call("finish_sync_tick", {
      p_tick_id: randomUUID(),
      p_engine_id: "e1",
      p_summary: {}
    })
    expect(await api.holds()).toEqual([])
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
  })

  test("three throttled organisations within a minute hold the host for half a minute at most; two do not", async () => {
    const api = await openApi(ledger(), 3, { orgs: "each" })
    const [a = "", b = "", c = ""] = api.runIds
    await api.start(api.runIds)
    const health = throttled(3_600)
    for (const id of [a, b]) await api.settle(id, "not_executed", { retry_in_ms: 1, health })
    expect(await api.health()).toEqual({})
    await ledger().after(59)
    await api.settle(c, "not_executed", { retry_in_ms: 1, health })
    expect(await api.health()).toMatchObject({
      status: "throttled",
      mode: "passive",
      throttled_until: json(at(59 + 30)),
      throttles: 1,
      error_code: "BAD_REQUEST.BURST_RATE_LIMIT_REACHED"
    })
    const subjects = (await incidents(ledger())).map(({ subject }) => subject)
    expect(subjects).toContain("xledger/www.xledger.net")
    expect(subjects).toHaveLength(3)
  })

  test("three organisations throttled over more than a minute hold only themselves", async () => {
    const api = await openApi(ledger(), 3, { orgs: "each" })
    await api.start(api.runIds)
    for (const id of api.runIds) {
      await api.settle(id, "not_executed", { retry_in_ms: 1, health: throttled(3_600) })
      await ledger().after(30)
    }
    expect(await api.holds()).toHaveLength(3)
    expect(await api.health()).toEqual({})
  })

  test("a second throttle within a day doubles the passive period, up to a day, for all hosts of a known vendor", async () => {
    const api = await openApi(ledger(), 7, { orgs: "each" })
    await ledger().execute(
      "insert into public.integration_health (provider, host) values ('xledger', 'test.xledger.net'), ('xero', 'api.xero.com')"
    )
    const throttleThree = async (from: number) => {
      const chosen = api.runIds.slice(from, from + 3)
      await api.start(chosen)
      for (const id of chosen) {
        await api.settle(id, "not_executed", { retry_in_ms: 1, health: throttled(10) })
      }
    }
    await throttleThree(0)
    await ledger().after(3600)
    await throttleThree(3)
    expect(await api.health()).toMatchObject({ throttles: 2, passive_until: json(at(3610 + 7200)) })
    expect(await api.health("test.xledger.net")).toMatchObject({
      mode: "passive",
      passive_until: json(at(3610 + 7200))
    })
    expect(await api.health("api.xero.com")).toMatchObject({ mode: "active", passive_until: null })
    await ledger().after(90_000)
    await throttleThree(4)
    expect(await api.health()).toMatchObject({ throttles: 1 })
  })

  test("a passive API is unhealthy after failed syncs of three organisations, and healthy after the next completed one", async () => {
    const api = await openApi(ledger(), 6, { orgs: "each" })
    const [a = "", b = "", c = "", d = "", e = ""] = api.runIds
    await ledger().execute(`insert into public.integration_health (provider, host, status, mode)
      values ('xledger', 'www.xledger.net', 'healthy', 'passive')`)
    await api.start(api.runIds)
    const failure = { error_code: "NO_PERIOD", error_message: "no" }
    await api.settle(a, "failed", failure)
    await api.settle(b, "failed", failure)
    expect(await api.health()).toMatchObject({ status: "healthy" })
    expect(await incidents(ledger())).toEqual([])
    await api.settle(c, "failed", failure)
    expect(await api.health()).toMatchObject({ status: "unhealthy", error_code: "NO_PERIOD" })
    expect(await incidents(ledger())).toMatchObject([{ status: "unhealthy", open: true }])
    await api.settle(d, "completed")
    expect(await api.health()).toMatchObject({ status: "healthy", consecutive_failures: 0 })
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
    await api.settle(e, "unknown", { error_code: "TIMED_OUT" })
    expect(await api.health()).toMatchObject({ status: "healthy" })
  })

  test("failed syncs of one organisation prove nothing about a passive API, unless it has a separate health_url", async () => {
    const api = await openApi(ledger(), 4)
    await ledger().execute(`insert into public.integration_health (provider, host, status, mode)
      values ('xledger', 'www.xledger.net', 'healthy', 'passive')`)
    await api.start(api.runIds)
    for (const id of api.runIds) await api.settle(id, "failed", { error_code: "NO_PERIOD" })
    expect(await api.health()).toMatchObject({ status: "healthy" })

    const host = "erp.example.com/acme/ping"
    const own = await openApi(ledger(), 1, { api: { api_provider: "generic", api_host: host } })
    await ledger().execute(`insert into public.integration_health (provider, host, status, mode)
      values ('generic', '${host}', 'healthy', 'passive')`)
    await own.start(own.runIds)
    await own.settle(own.runIds[0] ?? "", "failed", { error_code: "NO_PERIOD" })
    expect(await own.health()).toMatchObject({ status: "unhealthy" })
  })

  test("a failed sync proves nothing about an active API, but brings its next probe forward", async () => {
    const api = await openApi(ledger(), 1)
    await ledger().execute(`insert into public.integration_health (provider, host, status, next_probe_at)
      values ('xledger', 'www.xledger.net', 'healthy', '${at(800)}')`)
    await api.start(api.runIds)
    await api.settle(api.runIds[0] ?? "", "failed", { error_code: "NO_PERIOD" })
    expect(await api.health()).toMatchObject({ status: "healthy", next_probe_at: json(at(0)) })
  })

  test("an API is unhealthy after faults of three organisations in a row, or after two faults with a separate health_url", async () => {
    const api = await openApi(ledger(), 4, { orgs: "each" })
    const [a = "", b = "", c = "", d = ""] = api.runIds
    await api.start(api.runIds)
    const health = throttled(0, { sign: "unreachable", code: "HTTP_503", http_status: 503 })
    await api.settle(a, "unknown", { health })
    await api.settle(b, "unknown", { health })
    expect(await api.health()).toMatchObject({ status: "unknown", consecutive_failures: 2 })
    await api.settle(c, "completed")
    await api.settle(d, "unknown", { health })
    expect(await api.health()).toMatchObject({ status: "healthy" })
    const others = await openApi(ledger(), 3, { orgs: "each" })
    await others.start(others.runIds)
    for (const id of others.runIds) await others.settle(id, "unknown", { health })
    expect(await others.health()).toMatchObject({ status: "unhealthy", http_status: 503 })
    expect(await incidents(ledger())).toMatchObject([{ status: "unhealthy", open: true }])

    const one = await openApi(ledger(), 3)
    await one.start(one.runIds)
    for (const id of one.runIds) await one.settle(id, "unknown", { health })
    expect(await one.health()).toMatchObject({ status: "unknown" })
    const own = await openApi(ledger(), 2, {
      api: { api_provider: "generic", api_host: "erp.example.com/acme" }
    })
    await own.start(own.runIds)
    for (const id of own.runIds) await own.settle(id, "unknown", { health })
    expect(await own.health()).toMatchObject({ status: "unhealthy", http_status: 503 })
  })

  test("a function's report by token also counts", async () => {
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

  test("the outcome is recorded even if the health signal is unreadable", async () => {
    const api = await openApi(ledger(), 1)
    const [a = ""] = api.runIds
    await api.start(api.runIds)
    await api.settle(a, "completed", { health: throttled(1, { wait_ms: "soon", quota: [] }) })
    const [row] = await ledger().rows("select status from public.sync_run_log")
    expect(row).toEqual({ status: "completed" })
  })
})

onEachServer("runs of a throttled API", (ledger) => {
  test("wait in sequence, with a reason, until any engine starts them", async () => {
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
    await ledger().after(64)
    const pending = await ledger().call("read_pending_runs", { p_engine_id: "e2", p_limit: 100 })
    expect(JSON.stringify(pending)).toContain(b)
  })

  test("start one at a time after it, then more with each completed run, until there is no limit", async () => {
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
    expect(await api.holds()).toEqual([])
    expect(await api.health()).toMatchObject({ status: "healthy" })
    const delayed = await ledger().rows(
      "select run_id, count(*) as n from public.sync_run_event where kind = 'delayed' group by 1 having count(*) > 1"
    )
    expect(delayed).toEqual([])
  })

  test("are limited across all engines, for this API only", async () => {
    const api = await openApi(ledger(), 3)
    const [a = "", b = "", c = ""] = api.runIds
    await ledger().execute(`insert into public.sync_api_hold (provider, host, org_id, start_limit, told_at, expires_at)
      values ('xledger', 'www.xledger.net', '${org}', 2, '${at(0)}', '${at(900)}'), ('xero', 'api.xero.com', '${org}', 1, '${at(0)}', '${at(900)}')`)
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

  test("start one at a time while the quota is low, and as before afterwards", async () => {
    const api = await openApi(ledger(), 4)
    const [a = "", b = "", c = "", d = ""] = api.runIds
    const low = throttled(40, { sign: "reachable", code: null, low: true })
    await api.start([a])
    await api.settle(a, "completed", { health: low })
    expect(await api.health()).toMatchObject({ status: "healthy", mode: "active" })
    expect(await api.holds()).toMatchObject([{ start_limit: 1, limited_until: json(at(40)) }])
    expect(Object.values(await api.start([b, c])).sort()).toEqual([`api_limit ${at(3)}`, "running"])
    await ledger().after(41)
    await api.settle(b, "completed")
    await api.settle(c, "completed")
    await api.start([c, d])
    await api.settle(c, "completed")
    await api.settle(d, "completed")
    expect(Number((await api.holds())[0]?.start_limit ?? 5)).toBeGreaterThan(1)
  })

  test("do not delay runs of other organisations: a hold covers one organisation and host, also with a health_url", async () => {
    const api = await openApi(ledger(), 4, { orgs: "each" })
    const [a = "", ...others] = api.runIds
    await api.start([a])
    await api.settle(a, "not_executed", { retry_in_ms: 1, health: throttled(3_600) })
    expect(await api.start(others)).toEqual(Object.fromEntries(others.map((id) => [id, "running"])))

    const own = await openApi(ledger(), 2, {
      api: { api_provider: "generic", api_host: "erp.example.com/acme" }
    })
    const [c = "", d = ""] = own.runIds
    await own.start([c])
    await own.settle(c, "not_executed", { retry_in_ms: 1, health: throttled(60) })
    expect(await own.holds()).toMatchObject([{ provider: "generic", host: "erp.example.com" }])
    expect(await own.start([d])).toEqual({ [d]: `api_throttled ${at(63)}` })
  })

  test("of other organisations wait for at most a minute", async () => {
    const api = await openApi(ledger(), 45, { orgs: "each" })
    const told = api.runIds.slice(0, 3)
    const others = api.runIds.slice(3)
    await api.start(told)
    for (const id of told) {
      await api.settle(id, "not_executed", { retry_in_ms: 1, health: throttled(1_000_000) })
    }
    const answers = Object.values(await api.start(others))
    expect(new Set(answers.map((answer) => answer.split(" ")[0]))).toEqual(
      new Set(["api_throttled"])
    )
    const waits = answers.map(
      (answer) => Date.parse(answer.split(" ")[1] ?? "") - Date.parse(at(0))
    )
    expect(Math.min(...waits)).toBe(33_000)
    expect(Math.max(...waits)).toBe(60_000)
    await ledger().after(60)
    expect(new Set(Object.values(await api.start(others)))).toEqual(new Set(["running"]))
  })
})
