import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { at, json, type Ledger, onEachServer, type Row } from "./Ledger.ts"
import { list, openRunFixture } from "./RunFixture.ts"

const STATE = `select id, kind, subject, resolved_at is not null as over, notified_at, resolve_notified_at,
  alert_attempts, alert_not_before, alert_claimed_by, alert_error, alert_gave_up from public.sync_incident order by id`

onEachServer("alerts", (ledger) => {
  const fresh = async (): Promise<Ledger> => {
    await ledger().reset()
    return ledger()
  }
  const raise = (subject: string, kind = "drift", detail = "{}") =>
    ledger().execute(
      `select sync_scheduler.raise_incident('${kind}', '${subject}', null, null, '${detail}')`
    )
  const resolve = (subject: string, kind = "drift") =>
    ledger().execute(`select sync_scheduler.resolve_incident('${kind}', '${subject}')`)
  const take = (engine = "e1", limit = 100) =>
    ledger().call("take_sync_alerts", { p_engine_id: engine, p_limit: limit })
  const told = (batch: Row) =>
    list(batch.alerts).map(({ subject, transition }) => `${subject} ${transition}`)
  const mark = (batch: Row, error: string | null = null, engine = "e1", more: Row = {}) =>
    ledger().call("mark_sync_alerts", {
      p_engine_id: engine,
      p_deliveries: [{ incident_ids: batch.incident_ids, error, retry_after_seconds: null }],
      ...more
    })
  const state = async (): Promise<Row> => (await ledger().rows(STATE))[0] ?? {}

  test("an empty queue sends nothing", async () => {
    await fresh()
    expect(await take()).toEqual({
      now: at(0),
      total: 0,
      opened: 0,
      resolved: 0,
      kinds: {},
      incident_ids: [],
      alerts: []
    })
  })

  test("the opening and the end of an incident are each notified once", async () => {
    await fresh()
    await raise("a")
    const first = await take()
    expect(told(first)).toEqual(["a opened"])
    expect(await mark(first)).toEqual({ sent: 1, failed: 0, gave_up: 0 })
    await raise("a")
    await ledger().after(3600)
    expect(told(await take())).toEqual([])
    await resolve("a")
    const last = await take("e2")
    expect(told(last)).toEqual(["a resolved"])
    expect(list(last.alerts)[0]).toMatchObject({ announced: true, occurrences: 2 })
    await mark(last, null, "e2")
    await ledger().after(3600)
    expect(told(await take())).toEqual([])
    expect(await state()).toMatchObject({
      notified_at: json(at(0)),
      resolve_notified_at: json(at(3600))
    })
    await raise("a")
    expect(told(await take())).toEqual(["a opened"])
  })

  test("an incident that ended before its opening was sent is a single message", async () => {
    await fresh()
    await raise("a")
    await ledger().after(60)
    await resolve("a")
    const batch = await take()
    expect(told(batch)).toEqual(["a resolved"])
    expect(list(batch.alerts)[0]).toMatchObject({
      announced: false,
      opened_at: at(0),
      resolved_at: at(60)
    })
    await mark(batch)
    expect(await state()).toMatchObject({
      notified_at: json(at(60)),
      resolve_notified_at: json(at(60))
    })
    expect(told(await take())).toEqual([])
  })

  test("an incident that ended a day ago is no longer notified, and this is recorded", async () => {
    await fresh()
    await raise("a")
    await resolve("a")
    await raise("b")
    await ledger().after(86_401)
    expect(told(await take())).toEqual(["b opened"])
    expect(await state()).toMatchObject({ subject: "a", alert_gave_up: "resolved" })
  })

  test("while one engine is sending, other engines get nothing; after it dies, they get everything", async () => {
    await fresh()
    await raise("a")
    const batch = await take("e1")
    await ledger().after(59)
    expect(told(await take("e2"))).toEqual([])
    await ledger().after(1)
    expect(told(await take("e2"))).toEqual(["a opened"])
    expect(await mark(batch, null, "e1")).toEqual({ sent: 0, failed: 0, gave_up: 0 })
    expect(await state()).toMatchObject({ notified_at: null, alert_claimed_by: "e2" })
  })

  test("the end of an incident waits until its opening has been sent", async () => {
    await fresh()
    await raise("a")
    const opening = await take()
    await resolve("a")
    expect(told(await take("e2"))).toEqual([])
    await mark(opening)
    const end = await take("e2")
    expect(told(end)).toEqual(["a resolved"])
    expect(list(end.alerts)[0]).toMatchObject({ announced: true })
  })

  test("a failed message is retried after 30 s, then after twice as long, up to an hour", async () => {
    await fresh()
    await raise("a")
    const waits: Array<unknown> = []
    for (const seconds of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
      const batch = await take()
      expect(told(batch)).toEqual(["a opened"])
      expect(await mark(batch, "answered 500")).toEqual({ sent: 0, failed: 1, gave_up: 0 })
      await ledger().after(seconds - 1)
      expect(told(await take())).toEqual([])
      await ledger().after(1)
      waits.push((await state()).alert_attempts)
    }
    expect(waits).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    const batch = await take()
    await mark(batch)
    expect(await state()).toMatchObject({ alert_error: null, alert_not_before: null })
  })

  test("a receiver that asks for a wait gets it, up to an hour", async () => {
    await fresh()
    await raise("a")
    const batch = await take()
    const delivery = { incident_ids: batch.incident_ids, error: "answered 429" }
    await mark(batch, null, "e1", {
      p_deliveries: [{ ...delivery, retry_after_seconds: 90_000 }]
    })
    expect((await state()).alert_not_before).toBe(json(at(3600)))
  })

  test("an opening is abandoned after its last attempt, and this is recorded; its end is tried anew", async () => {
    await fresh()
    await raise("a")
    for (const gave_up of [0, 0, 1]) {
      const batch = await take()
      expect(await mark(batch, "dead", "e1", { p_max_attempts: 3 })).toMatchObject({ gave_up })
      await ledger().after(3600)
    }
    expect(told(await take())).toEqual([])
    expect(await state()).toMatchObject({ alert_gave_up: "opened", alert_error: "dead" })
    await resolve("a")
    const end = await take()
    expect(told(end)).toEqual(["a resolved"])
    expect(list(end.alerts)[0]).toMatchObject({ announced: false, attempt: 1 })
    expect(await mark(end, "dead", "e1", { p_max_attempts: 1 })).toMatchObject({ gave_up: 1 })
    await ledger().after(3600)
    expect(told(await take())).toEqual([])
  })

  test("each incident goes to exactly one of two concurrent engines", async () => {
    await fresh()
    await ledger().execute(`insert into public.sync_incident (kind, subject)
      select 'drift', n::text from generate_series(1, 400) n`)
    const sessions = [connect(ledger().url, { max: 1 }), connect(ledger().url, { max: 1 })]
    const taken: Array<number> = []
    const rounds = sessions.map(async (session, n) => {
      for (let batch: Row = { total: 1 }; batch.total !== 0; ) {
        batch = await ledger().call(
          "take_sync_alerts",
          { p_engine_id: `e${n}`, p_limit: 7 },
          session
        )
        for (const id of Array.isArray(batch.incident_ids) ? batch.incident_ids : []) {
          taken.push(Number(id))
        }
      }
    })
    await Promise.all(rounds)
    expect(taken.length).toBe(400)
    expect(new Set(taken).size).toBe(400)
    await Promise.all(sessions.map((session) => session.close()))
  })

  test("a flood is counted completely and listed in part, openings first", async () => {
    await fresh()
    await ledger().execute(`insert into public.sync_incident (kind, subject, resolved_at, opened_at, last_seen_at)
      select case when n % 3 = 0 then 'missed' else 'drift' end, n::text,
             case when n <= 300 then sync_scheduler.clock() end, sync_scheduler.clock(), sync_scheduler.clock()
        from generate_series(1, 900) n`)
    const batch = await take("e1", 5000)
    expect(batch).toMatchObject({
      total: 900,
      opened: 600,
      resolved: 300,
      kinds: { drift: 600, missed: 300 }
    })
    expect(list(batch.incident_ids).length).toBe(900)
    const shown = list(batch.alerts)
    expect(shown.length).toBe(50)
    expect(shown.every(({ transition }) => transition === "opened")).toBe(true)
    expect(await mark(batch)).toEqual({ sent: 900, failed: 0, gave_up: 0 })
  })

  test("an alert includes its integration, its run and the times of ticks", async () => {
    const fixture = await openRunFixture(ledger(), { timezone: "'Europe/Oslo'" })
    await ledger().after(420)
    await ledger().execute(
      `insert into public.sync_tick (id, engine_id, started_at) values (gen_random_uuid(), 'e1', sync_scheduler.clock())`
    )
    await ledger().after(1)
    await fixture.start()
    await fixture.settle("failed", { error_code: "TOKEN", error_message: "expired" })
    expect(list((await take()).alerts)[0]).toMatchObject({
      kind: "drift",
      integration: {
        id: fixture.integrationId,
        type: "xledger",
        schedule: "*/5 * * * *",
        timezone: "Europe/Oslo"
      },
      run: {
        id: fixture.runId,
        scheduled_for: at(-60),
        started_at: at(421),
        first_tick_at: at(420),
        drift_ms: 481_000,
        status: "failed",
        error_code: "TOKEN",
        error_message: "expired"
      }
    })
  })

  test("a claim that another engine had to start opens an incident about the first engine, resolved after 15 quiet minutes", async () => {
    const fixture = await openRunFixture(ledger())
    await ledger().after(30)
    await fixture.start("e2")
    expect(await fixture.incidents("rescued")).toEqual(["open"])
    expect(await state()).toMatchObject({ kind: "rescued", subject: "e1" })
    const tick = () =>
      ledger().call("open_sync_tick", { p_tick_id: randomUUID(), p_engine_id: "e2", p_options: {} })
    await ledger().after(890)
    await tick()
    expect(await fixture.incidents("rescued")).toEqual(["open"])
    await ledger().after(11)
    await tick()
    expect(await fixture.incidents("rescued")).toEqual(["resolved"])
  })

  test("an engine's own claim or a retry of a released run opens no incident", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("not_executed", { retry_in_ms: 0 })
    await fixture.start("e2")
    expect(await fixture.incidents("rescued")).toEqual([])
  })

  test("a cold first contact opens an incident about the function, resolved by a warm contact", async () => {
    const cold = await openRunFixture(ledger(), { function_name: "'sync-xledger'" })
    await cold.start()
    await cold.settle("completed", { cold_start: true, warm_up_ms: 2400 })
    expect(await state()).toMatchObject({
      kind: "cold_start",
      subject: "sync-xledger",
      over: false
    })
    expect(list((await take()).alerts)[0]).toMatchObject({
      detail: { warm_up_ms: 2400, function: "sync-xledger" }
    })
    await ledger().execute("delete from public.sync_run_log")
    await ledger().execute(`insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key, status)
      select gen_random_uuid(), id, org_id, sync_scheduler.clock(), id::text, 'running' from public.organization_integrations`)
    await ledger().execute("update public.sync_run_log set warm_up_ms = 40, cold_start = false")
    expect(await state()).toMatchObject({ kind: "cold_start", over: true })
  })

  test("an incident locked by another session does not delay the run", async () => {
    const fixture = await openRunFixture(ledger(), { function_name: "'f'" })
    await raise("f", "cold_start")
    await fixture.start()
    const other = connect(ledger().url, { max: 1 })
    await other.unsafe("begin; select 1 from public.sync_incident for update").simple()
    const settled = await fixture.settle("completed", { cold_start: true, warm_up_ms: 2400 })
    expect(settled).toMatchObject({ accepted: true, status: "completed" })
    await other.unsafe("rollback").simple()
    await other.close()
  })

  test.each(["anon", "authenticated"])(
    "%s can neither take alerts, mark alerts nor read the status",
    async (role) => {
      const session = connect(ledger().url, { max: 1 })
      await session.unsafe(`set role ${role}`)
      for (const statement of [
        "select public.take_sync_alerts('x')",
        "select public.mark_sync_alerts('x', '[]')",
        "select * from public.sync_scheduler_status",
        "select sync_scheduler.alert_json(null)"
      ]) {
        const failure = await session.unsafe(statement).catch((error: Error) => error.message)
        expect(failure).toMatch(/permission denied/)
      }
      await session.close()
    }
  )
})

onEachServer("the status view", (ledger) => {
  const status = async (): Promise<Row> => {
    const session = connect(ledger().url, { max: 1 })
    await session.unsafe("set role service_role")
    const [row] = await session.unsafe(
      "select to_jsonb(s) as row from public.sync_scheduler_status s"
    )
    await session.close()
    return row.row
  }
  const ticks = (ago: string, step = "1 minute", count = 3) =>
    ledger().execute(`insert into public.sync_tick (id, engine_id, started_at, finished_at)
      select gen_random_uuid(), 'e' || n, at, at from (
        select n, now() - interval '${ago}' - n * interval '${step}' as at from generate_series(0, ${count - 1}) n) t`)
  const overdue = (ago: string, columns = {}) =>
    ledger().integration({ next_run_at: `now() - interval '${ago}'`, ...columns })

  test("reports never if no tick has run, whatever is due", async () => {
    await ledger().reset()
    await overdue("1 hour")
    expect(await status()).toMatchObject({ verdict: "never", last_tick_at: null, overdue: 1 })
  })

  test("reports ok if engines tick and nothing is overdue", async () => {
    await ledger().reset()
    await ticks("20 seconds")
    await overdue("30 seconds")
    const row = await status()
    expect(row).toMatchObject({
      verdict: "ticking",
      ticks_last_hour: 3,
      engines_last_hour: 3,
      overdue: 0
    })
    expect(Number(row.seconds_since_last_tick)).toBeGreaterThanOrEqual(20)
    expect(row.stopped_after_seconds).toBe(300)
  })

  test("reports late if engines tick and a slot has been due for 5 minutes", async () => {
    await ledger().reset()
    await ticks("20 seconds")
    await overdue("6 minutes")
    await overdue("2 minutes")
    await overdue("9 minutes", { enabled: "false" })
    await overdue("9 minutes", { breaker_until: "now() + interval '1 hour'" })
    await overdue("9 minutes", { schedule_error: "'bad'" })
    expect(await status()).toMatchObject({ verdict: "late", overdue: 2 })
  })

  test("reports stopped after 5 minutes without engine activity; an operator's own run does not count", async () => {
    await ledger().reset()
    await ticks("6 minutes")
    expect(await status()).toMatchObject({ verdict: "stopped" })
    const id = await overdue("1 minute")
    const run = (trigger: string, slot: string) =>
      ledger().execute(`insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, trigger, status, created_at)
        values ('${id}', gen_random_uuid(), ${slot}, gen_random_uuid(), '${trigger}', 'completed', now())`)
    await run("manual", "now()")
    expect(await status()).toMatchObject({ verdict: "stopped" })
    await run("schedule", "now() - interval '1 second'")
    expect(await status()).toMatchObject({ verdict: "ticking" })
  })

  test("does not report stopped after 6 minutes if engines tick every hour", async () => {
    await ledger().reset()
    await ticks("20 minutes", "1 hour")
    expect(await status()).toMatchObject({ verdict: "ticking", stopped_after_seconds: 10_800 })
  })

  test("counts open incidents by kind and live runs by status", async () => {
    await ledger().reset()
    await ledger().execute(`
      insert into public.sync_incident (kind, subject, resolved_at) values
        ('drift', 'a', null), ('drift', 'b', null), ('missed', 'a', null), ('missed', 'b', now());
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, released_at)
      select gen_random_uuid(), gen_random_uuid(), now(), gen_random_uuid(), s, r
        from (values ('running', null), ('running', null), ('unknown', null), ('unknown', now()), ('completed', null)) v(s, r)`)
    expect(await status()).toMatchObject({
      open_incidents: { drift: 2, missed: 1 },
      live_runs: { running: 2, unknown: 1 }
    })
  })

  test("can be shown to other roles with a function, as the comment on the view says", async () => {
    await ledger().reset()
    const [{ comment }] = await ledger().sql`
      select obj_description('public.sync_scheduler_status'::regclass) as comment`
    const create = /create function .*\$f\$(?=;)/.exec(comment)?.[0] ?? ""
    await ledger().execute(`${create};
      revoke all on function public.scheduler_status() from public, anon;
      grant execute on function public.scheduler_status() to authenticated`)
    const session = connect(ledger().url, { max: 1 })
    await session.unsafe("set role authenticated")
    const [row] = await session.unsafe("select verdict from public.scheduler_status()")
    expect(row.verdict).toBe("never")
    await session.unsafe("set role anon")
    expect(await session.unsafe("select public.scheduler_status()").catch(() => "refused")).toBe(
      "refused"
    )
    await session.close()
  })
})
