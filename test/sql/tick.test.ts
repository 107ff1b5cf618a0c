import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { readMigrations } from "../support/PostgresTemplate.ts"
import { at, json, next, onEachServer, org, slot, slotOf } from "./Ledger.ts"
import { list, openRunFixture, states } from "./RunFixture.ts"

onEachServer("a tick", (ledger) => {
  const open = (options = {}, id: string = randomUUID()) =>
    ledger().call("open_sync_tick", {
      p_tick_id: id,
      p_engine_id: "e1",
      p_options: { engine_version: "0.1.0", ...options }
    })
  const ticks = () => ledger().rows("select * from public.sync_tick order by started_at, id")

  /** Claims one of an integration's two due slots for engine e1. */
  const claimOneOfTwo = async () => {
    await ledger().reset()
    const due = await ledger().integration()
    const claim = { p_engine_id: "e1", p_claim_token: randomUUID() }
    await ledger().call("claim_sync_runs", {
      ...claim,
      p_slots: [slotOf(due, { next_run_at: at(-1) })]
    })
    return {
      due,
      fetchBy: async (p_engine_id: string) =>
        (
          await ledger().call("fetch_sync_work", {
            ...{ p_engine_id, p_fetch_token: randomUUID(), p_limit: 9 }
          })
        ).integrations,
      finish: async (p_engine_id: string) => {
        const tick = { p_engine_id, p_tick_id: randomUUID(), p_summary: {} }
        expect(await ledger().call("finish_sync_tick", tick)).toEqual({ finished: true })
      }
    }
  }

  test("without work is finished by its first call", async () => {
    await ledger().reset()
    const answer = await open()
    expect(answer).toMatchObject({
      ...{ now: at(0), idle: true, pending: [], integrations: [], more: false },
      swept: { expired: 0, proven: 0, requeued: 0, released: 0, skipped: 0 },
      schema_version: readMigrations().at(-1)?.name.slice(0, 14)
    })
    expect(await ticks()).toMatchObject([
      { engine_id: "e1", engine_version: "0.1.0", finished_at: json(at(0)), due: 0, summary: null }
    ])
  })

  test("gets the first page of due slots and pending runs, and is finished by its last call", async () => {
    const fixture = await openRunFixture(ledger())
    const due = await ledger().integration()
    await ledger().call("release_sync_claims", { p_engine_id: "e1", p_run_ids: [fixture.runId] })
    const id = randomUUID()
    const answer = await open({ limit: 2 }, id)
    expect(answer).toMatchObject({ idle: false, more: true })
    expect(list(answer.pending)).toMatchObject([{ run_id: fixture.runId, status: "pending" }])
    expect(list(answer.integrations)).toMatchObject([{ integration_id: due, next_run_at: slot }])
    expect(await ticks()).toMatchObject([{ id, finished_at: null }])
    await ledger().after(9)
    const finish = (due: number, skew: number | null) =>
      ledger().call("finish_sync_tick", {
        ...{ p_tick_id: id, p_engine_id: "e1", p_clock_skew_ms: skew },
        p_summary: { due, triggered: 1, completed: 1, missed: 3, runs: [] }
      })
    expect(await finish(1, 6000)).toEqual({ finished: true })
    expect(await finish(2, 6000)).toEqual({ finished: true })
    expect(await ticks()).toMatchObject([
      {
        ...{ id, due: 2, triggered: 1, completed: 1, failed: 0, missed: 3, clock_skew_ms: 6000 },
        ...{ started_at: json(at(0)), finished_at: json(at(9)) },
        summary: { runs: [] }
      }
    ])
    expect(await fixture.incidents("clock_skew")).toEqual(["open"])
    await finish(2, 12)
    expect(await fixture.incidents("clock_skew")).toEqual(["resolved"])
  })

  test("can be limited to an organisation or to integrations, including pending runs", async () => {
    const fixture = await openRunFixture(ledger())
    await ledger().call("release_sync_claims", { p_engine_id: "e1", p_run_ids: [fixture.runId] })
    const elsewhere = randomUUID()
    for (const [options, idle] of [
      [{ org_id: org }, false],
      [{ org_id: elsewhere }, true],
      [{ integration_ids: [fixture.integrationId] }, false],
      [{ integration_ids: [elsewhere] }, true],
      [{ integration_ids: [] }, true],
      [{ org_id: null, integration_ids: null }, false]
    ] as const) {
      expect([options, (await open(options)).idle]).toEqual([options, idle])
      // Other ticks see the row only after the reservation ends.
      await ledger().after(15)
    }
  })

  test("with a repeated id is still one tick", async () => {
    await ledger().reset()
    const id = randomUUID()
    await open({}, id)
    expect(await open({}, id)).toMatchObject({ idle: true })
    expect(await ticks()).toHaveLength(1)
  })

  test("ends its engine's reservations of next slots when it finishes", async () => {
    const { finish, fetchBy, due } = await claimOneOfTwo()
    await finish("e2")
    expect(await fetchBy("e2")).toEqual([])
    await finish("e1")
    expect(await fetchBy("e2")).toMatchObject([{ integration_id: due }])
  })

  test("finishes although a reserved row is locked or rejects the update", async () => {
    const { finish, fetchBy, due } = await claimOneOfTwo()
    await ledger().sql.begin(async (held) => {
      await held.unsafe("select 1 from public.organization_integrations for update")
      await finish("e1")
    })
    await ledger().execute(`
      create function public.refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
      create trigger refuse before update on public.organization_integrations for each row execute function public.refuse()`)
    await finish("e1")
    await ledger().execute(
      "drop trigger refuse on public.organization_integrations; drop function public.refuse()"
    )
    expect(await fetchBy("e2")).toEqual([])
    await finish("e1")
    expect(await fetchBy("e2")).toMatchObject([{ integration_id: due }])
  })

  test("accepts a summary that is not an object", async () => {
    await ledger().reset()
    for (const p_summary of [null, [], "x"]) {
      const args = { p_tick_id: randomUUID(), p_engine_id: "e1", p_summary }
      expect(await ledger().call("finish_sync_tick", args)).toEqual({ finished: true })
    }
  })
})

onEachServer("rows that another application wrote", (ledger) => {
  test("without a slot or key are never invoked, and block no longer than the running guard", async () => {
    await ledger().reset()
    const id = await ledger().integration()
    await ledger().execute(`
      alter table public.sync_run_log alter scheduled_for drop not null, alter idempotency_key drop not null,
        alter org_id drop not null, alter attempt drop not null, alter max_attempts drop not null;
      insert into public.sync_run_log (integration_id, status, attempt, max_attempts, created_at)
      values ('${id}', 'pending', null, null, '${at(-1000)}')`)
    const waiting = () => ledger().call("read_pending_runs", { p_engine_id: "e1" })
    const run = (await ledger().rows("select id from public.sync_run_log"))[0]?.id
    expect(list(await waiting())).toEqual([])
    const started = await ledger().call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: [{ run_id: run, lease_token: randomUUID(), lease_seconds: 60 }]
    })
    expect(list(started.skipped)).toMatchObject([{ reason: "foreign" }])
    const claim = () =>
      ledger().call("claim_sync_runs", {
        p_engine_id: "e1",
        p_claim_token: randomUUID(),
        p_slots: [slotOf(id)]
      })
    expect(list((await claim()).skipped)).toMatchObject([{ reason: "already_running" }])
    await ledger().after(800)
    expect(await ledger().call("sweep_sync_runs", { p_engine_id: "e1" })).toMatchObject({
      skipped: 1
    })
    expect(await ledger().rows("select status, skip_reason from public.sync_run_log")).toEqual([
      { status: "skipped", skip_reason: "foreign" }
    ])
    expect(list((await claim()).claimed)).toHaveLength(1)

    // A run without a key cannot be retried, so the run is released after its time limit.
    await ledger().reset()
    const other = await ledger().integration()
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, status, attempt, max_attempts, started_at)
      values ('${other}', 'running', null, null, '${at(-1800)}')`)
    expect(await ledger().call("sweep_sync_runs", { p_engine_id: "e1" })).toMatchObject({
      expired: 1,
      released: 1
    })
    const [left] = await ledger().rows("select id, status from public.sync_run_log")
    expect(left).toMatchObject({ status: "unknown" })
    const retried = await ledger().call("retry_sync_run", {
      p_run_id: left?.id,
      p_actor: "Kari",
      p_reason: "again"
    })
    expect(retried).toMatchObject({ done: false, reason: "foreign" })
  })
})

onEachServer("retention", (ledger) => {
  test("deletes old rows in batches, and never live or unknown runs", async () => {
    await ledger().reset()
    const old = at(-401 * 86_400)
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, created_at, released_at)
      select gen_random_uuid(), '${org}', '${old}', n::text, s, '${old}', case when n % 2 = 0 then now() end
        from generate_series(1, 30) n
       cross join lateral (select (array['completed', 'failed', 'skipped', 'unknown', 'pending', 'running'])[1 + n % 6] as s) s;
      insert into public.sync_run_event (run_id, integration_id, at, kind)
      select id, integration_id, '${old}', 'claimed' from public.sync_run_log;
      insert into public.sync_skipped_range (integration_id, "from", "to", count, reason)
      values (gen_random_uuid(), '${old}', '${old}', 1, 'disabled'), (gen_random_uuid(), '${old}', '${next}', 1, 'disabled');
      insert into public.sync_tick (id, engine_id, started_at)
      select gen_random_uuid(), 'e1', '${at(0)}'::timestamptz - n * interval '10 days' from generate_series(0, 5) n;
      insert into public.sync_incident (kind, resolved_at) values ('drift', '${old}'), ('health', null)`)
    const prune = (p_limit: number) => ledger().call("prune_sync_history", { p_limit })
    expect(await prune(4)).toEqual({ runs: 4, events: 4, ranges: 1, ticks: 2, incidents: 1 })
    expect(await prune(100)).toEqual({ runs: 11, events: 11, ranges: 0, ticks: 0, incidents: 0 })
    const kept = await ledger().rows(
      "select status, count(*) from public.sync_run_log group by 1 order by 1"
    )
    expect(kept).toEqual(["pending", "running", "unknown"].map((status) => ({ status, count: 5 })))
    expect(await ledger().rows("select count(*) from public.sync_run_event")).toEqual([
      { count: 15 }
    ])
  })

  test.each([
    [
      "sync_run_log",
      "(integration_id, org_id, scheduled_for, idempotency_key, status, created_at)",
      401
    ],
    ["sync_run_event", "(run_id, integration_id, kind, at)", 401],
    ["sync_skipped_range", `(integration_id, count, reason, "from", "to")`, 401],
    ["sync_tick", "(id, engine_id, started_at)", 31],
    ["sync_incident", "(kind, resolved_at)", 401]
  ])("a tick with nothing to do deletes an old row of %s", async (table, columns, days) => {
    await ledger().reset()
    const values: Readonly<Record<string, string>> = {
      id: `'${randomUUID()}'`,
      run_id: `'${randomUUID()}'`,
      integration_id: `'${randomUUID()}'`,
      org_id: `'${org}'`,
      idempotency_key: "'old'",
      status: "'completed'",
      engine_id: "'e0'",
      kind: table === "sync_incident" ? "'drift'" : "'claimed'",
      count: "1",
      reason: "'disabled'"
    }
    const given = columns.replaceAll(/\w+/g, (name) => values[name] ?? `'${at(-days * 86_400)}'`)
    await ledger().execute(
      `insert into public.${table} ${columns} values ${given.replaceAll('"', "")}`
    )
    const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
    expect(await ledger().call("open_sync_tick", tick)).toMatchObject({ idle: true })
    const left = await ledger().rows(
      `select 1 from public.${table} t where t::text not like '%e1%'`
    )
    expect(left).toEqual([])
  })

  test("is part of every tick, and cannot make one fail", async () => {
    const fixture = await states.completed?.(ledger())
    await ledger().execute(`
      create table public.theirs (run_id uuid references public.sync_run_log);
      insert into public.theirs values ('${fixture?.runId}')`)
    await ledger().after(500 * 86_400)
    const tick = { p_tick_id: randomUUID(), p_engine_id: "e1" }
    expect(await ledger().call("finish_sync_tick", { ...tick, p_summary: {} })).toEqual({
      finished: true
    })
    expect(await fixture?.row()).toMatchObject({ status: "completed" })
    await ledger().execute("drop table public.theirs")
    await ledger().execute("update public.organization_integrations set enabled = false")
    expect(await ledger().call("open_sync_tick", tick)).toMatchObject({ idle: true })
    expect(await fixture?.row()).toEqual({})
  })
})
