import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { at, json, next, onEachServer, slot, slotOf } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

onEachServer("editing a schedule", (ledger) => {
  const integration = async (columns: Readonly<Record<string, string>> = {}) => {
    await ledger().reset()
    return ledger().integration(columns)
  }
  const update = (columns: string) =>
    ledger().execute(`update public.organization_integrations set ${columns}`)
  const row = async () =>
    (await ledger().rows("select * from public.organization_integrations"))[0] ?? {}
  const ranges = () =>
    ledger().rows(`select "from", "to", count, reason, recorded_by as by
                     from public.sync_skipped_range order by id`)
  const history = () =>
    ledger().rows(`select schedule_version as v, schedule, timezone, enabled, "from", "to"
                     from public.sync_schedule_history order by id`)
  const range = (from: number, reason: string, by: string, to = 0, count = 1) => ({
    from: json(at(from)),
    to: json(at(to)),
    count,
    reason,
    by
  })

  test("an insert creates no second version, keeps its slot to the millisecond, and begins the history", async () => {
    await integration({ next_run_at: "'2026-03-02T09:59:00.123987Z'" })
    expect(await row()).toMatchObject({
      schedule_version: 1,
      schedule_since: json(at(-3600)),
      next_run_at: "2026-03-02T09:59:00.123+00:00",
      schedule_error: null
    })
    expect(await ranges()).toEqual([])
    expect(await history()).toEqual([
      {
        ...{ v: 1, schedule: "*/5 * * * *", timezone: "UTC", enabled: true },
        ...{ from: json(at(-3600)), to: null }
      }
    ])
  })

  test("the history begins with the earlier of creation and first slot", async () => {
    for (const [created, first, from] of [
      [at(-60), `'${at(-7200)}'`, -7200],
      [at(-60), `'${at(7200)}'`, -60],
      [at(-60), "null", -60]
    ] as const) {
      await integration({ created_at: `'${created}'`, next_run_at: first })
      expect((await history())[0]?.from).toEqual(json(at(from)))
    }
  })

  for (const [column, value] of [
    ["sync_schedule", "'0 3 * * *'"],
    ["timezone", "'Europe/Oslo'"]
  ] as const) {
    test(`changing ${column} creates a new version from now on, and records the slot that was due`, async () => {
      await integration()
      await ledger().after(30)
      await update(`${column} = ${value}, next_run_at = '${next}'`)
      expect(await row()).toMatchObject({
        schedule_version: 2,
        schedule_since: json(at(30)),
        next_run_at: null
      })
      expect(await ranges()).toEqual([range(-60, "schedule_changed", "edit", 30)])
      expect(await history()).toMatchObject([
        { v: 1, to: json(at(30)) },
        { v: 2, from: json(at(30)), to: null }
      ])
    })
  }

  test("an edit that does not change the schedule creates no version, and sets updated_at", async () => {
    await integration({ updated_at: `'${at(-3600)}'` })
    const before = await row()
    await update(`config = '{"company": 7}', sync_schedule = sync_schedule, timezone = 'UTC'`)
    expect(await row()).toEqual({ ...before, config: { company: 7 }, updated_at: json(at(0)) })
    await update(`next_run_at = '${next}', consecutive_failures = 1`)
    expect(await row()).toMatchObject({ schedule_version: 1, updated_at: json(at(0)) })
    expect(await ranges()).toEqual([])
    expect(await history()).toHaveLength(1)
  })

  test("an application that writes back an old row with an edit creates a new version", async () => {
    await integration()
    const fetch = { p_engine_id: "e1", p_fetch_token: randomUUID(), p_limit: 9 }
    await ledger().call("fetch_sync_work", fetch)
    await update(
      "sync_schedule = '0 3 * * *', fetch_token = null, reserved_by = null, reserved_until = null"
    )
    expect(await row()).toMatchObject({ schedule_version: 2, next_run_at: null })
  })

  test("an edit drops a slot that is not yet due", async () => {
    await integration({ next_run_at: `'${next}'` })
    await update("sync_schedule = '0 3 * * *'")
    expect(await ranges()).toEqual([])
    expect(await row()).toMatchObject({ schedule_version: 2, next_run_at: null })
  })

  test("an edit records possible slots that were never computed", async () => {
    // No tick has run yet. A slot might have passed, but nothing proves that, so the count is 0.
    await integration({ next_run_at: "null", schedule_since: `'${at(-60)}'` })
    await update("sync_schedule = '* * * * *'")
    expect(await ranges()).toEqual([range(-60, "schedule_changed", "edit", 0, 0)])
    // Within 50 s, a slot can pass only if the schedule has a seconds field.
    for (const [schedule, count] of [
      ["* * * * *", 0],
      ["* * * * * *", 1]
    ] as const) {
      await integration({
        ...{ next_run_at: "null", schedule_since: `'${at(0)}'` },
        sync_schedule: `'${schedule}'`
      })
      await ledger().after(50)
      await update("timezone = 'Europe/Oslo'")
      expect(await ranges()).toHaveLength(count)
    }
  })

  test("disabling records the due slots, and enabling never runs a past slot", async () => {
    await integration()
    await update("enabled = false")
    expect(await ranges()).toEqual([range(-60, "disabled", "disable")])
    expect(await row()).toMatchObject({ next_run_at: null, schedule_version: 2 })
    await ledger().after(600)
    await update("enabled = true")
    expect(await row()).toMatchObject({
      next_run_at: null,
      schedule_since: json(at(600)),
      schedule_version: 3
    })
    expect(await ranges()).toEqual([
      range(-60, "disabled", "disable"),
      range(0, "disabled", "enable", 600, 0)
    ])
    expect((await history()).map(({ enabled }) => enabled)).toEqual([true, false, true])
  })

  test("an engine that read the row earlier cannot claim a slot that is recorded as skipped", async () => {
    const id = await integration({ next_run_at: "null" })
    await update("enabled = false")
    await update("enabled = true")
    const answer = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [slotOf(id, { expected_next_run_at: null, trigger: "catch_up" })]
    })
    expect(list(answer.claimed)).toEqual([])
    expect(list(answer.skipped)[0]?.reason).toBe("schedule_changed")
    expect(await ranges()).toEqual([range(-3600, "disabled", "disable", 0, 0)])
  })

  test("enabling skips a slot that passed while disabled, and keeps a future one", async () => {
    await integration({ next_run_at: `'${at(240)}'` })
    await update("enabled = false")
    await update("enabled = true")
    expect(await row()).toMatchObject({
      next_run_at: json(at(240)),
      schedule_since: json(at(-3600))
    })
    await update("enabled = false")
    await ledger().after(300)
    await update("enabled = true")
    expect(await ranges()).toEqual([range(240, "disabled", "enable", 300)])
    expect(await row()).toMatchObject({ next_run_at: null, schedule_since: json(at(300)) })
  })

  test("enabling with a past slot in the same statement does not run that slot", async () => {
    await integration({ enabled: "false", next_run_at: "null" })
    await update(`enabled = true, next_run_at = '${at(-120)}'`)
    expect(await row()).toMatchObject({ next_run_at: null })
    expect(await ranges()).toEqual([range(-120, "disabled", "enable")])
  })

  test("an edit while disabled records the passed slots as disabled", async () => {
    await integration({ enabled: "false" })
    await update("sync_schedule = '0 3 * * *'")
    expect(await ranges()).toEqual([range(-60, "disabled", "edit")])
  })

  test("a deletion closes the history and records the due slots", async () => {
    await integration()
    await ledger().execute("delete from public.organization_integrations")
    expect(await ranges()).toEqual([range(-60, "gone", "delete")])
    expect(await history()).toMatchObject([{ to: json(at(0)) }])
  })

  test("an edit clears a schedule error and its incident, and until then the row is not due", async () => {
    const id = await integration({ sync_schedule: "'nonsense'", next_run_at: "null" })
    const answer = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [
        { integration_id: id, org_id: id, schedule_version: 1, schedule_error: "5 fields please" }
      ]
    })
    expect(list(answer.skipped)).toMatchObject([{ reason: "schedule_error" }])
    expect(await row()).toMatchObject({ schedule_error: "5 fields please", schedule_version: 1 })
    const incident = () =>
      ledger().rows("select kind, resolved_at is null as open from public.sync_incident")
    expect(await incident()).toEqual([{ kind: "schedule_error", open: true }])
    const due = async () => list((await ledger().call("read_due_integrations")).integrations)
    expect(await due()).toEqual([])
    await update("sync_schedule = '0 3 * * *'")
    expect(await due()).toMatchObject([{ integration_id: id, next_run_at: null }])
    expect(await incident()).toEqual([{ kind: "schedule_error", open: false }])
    expect(await ranges()).toEqual([])
  })

  test("an application's role that may only edit its row still records the history", async () => {
    await integration()
    await ledger().execute(`
      grant select, update on public.organization_integrations to authenticated;
      create policy theirs on public.organization_integrations to authenticated using (true)`)
    await ledger().sql.begin(async (transaction) => {
      await transaction.unsafe("set local role authenticated")
      await transaction.unsafe("update public.organization_integrations set enabled = false")
    })
    expect(await ranges()).toHaveLength(1)
    expect(await history()).toHaveLength(2)
    await ledger().execute(`drop policy theirs on public.organization_integrations;
      revoke select, update on public.organization_integrations from authenticated`)
  })
})

onEachServer("finished runs", (ledger) => {
  const columnsOf = async () =>
    ledger().rows(`
      select a.attname as name, format_type(a.atttypid, null) as type from pg_attribute a
       where a.attrelid = 'public.sync_run_log'::regclass and a.attnum > 0 and not a.attisdropped`)
  const other: Readonly<Record<string, string>> = {
    uuid: "gen_random_uuid()",
    text: "'x'",
    "character varying": "'x'",
    integer: "77",
    bigint: "77",
    boolean: "not coalesce(%, false)",
    jsonb: `'{"x": 1}'`,
    "timestamp with time zone": `'${slot}'::timestamptz - interval '1 day'`
  }

  for (const status of ["completed", "failed", "skipped"]) {
    test(`no column of a ${status} run changes`, async () => {
      await ledger().reset()
      const id = randomUUID()
      await ledger().execute(`
        insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key, status)
        values ('${id}', '${id}', '${id}', '${slot}', '${id}', '${status}')`)
      const columns = await columnsOf()
      expect(columns.length).toBeGreaterThan(35)
      for (const { name, type } of columns) {
        const value =
          name === "status" ? "'unknown'" : name === "trigger" ? "'manual'" : other[String(type)]
        const change = ledger().execute(
          `update public.sync_run_log set ${name} = ${value?.replace("%", String(name))}`
        )
        const said = await change.then(
          () => "changed",
          (error: unknown) => String(error)
        )
        expect(said, `column ${name}`).toContain(
          `run ${id} is ${status}: finished runs never change`
        )
      }
      await ledger().execute("update public.sync_run_log set status = status")
    })
  }

  test("a failed or skipped run can only be revived with more attempts than it had; a completed one never", async () => {
    for (const [status, change, allowed] of [
      ["failed", "status = 'pending'", false],
      ["failed", "status = 'pending', max_attempts = 4", true],
      ["failed", "status = 'running', max_attempts = 4", false],
      ["failed", "status = 'pending', max_attempts = 4, attempt = 0", false],
      ["skipped", "status = 'pending', max_attempts = 4", true],
      ["completed", "status = 'pending', max_attempts = 4", false]
    ] as const) {
      await ledger().reset()
      await ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, attempt)
        values (gen_random_uuid(), gen_random_uuid(), '${slot}', 'key', '${status}', 3)`)
      const done = await ledger()
        .execute(`update public.sync_run_log set ${change}`)
        .then(
          () => true,
          () => false
        )
      expect([status, change, done]).toEqual([status, change, allowed])
    }
  })

  test("a column that the project added stays writable", async () => {
    await ledger().reset()
    await ledger().execute(`
      alter table public.sync_run_log add column note json;
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status)
      values (gen_random_uuid(), gen_random_uuid(), '${slot}', 'key', 'completed');
      update public.sync_run_log set note = '{"seen": true}';
      alter table public.sync_run_log drop column note`)
  })

  test("an integration has one live row, a slot one row, and a key one row", async () => {
    for (const [first, second, refused] of [
      [
        "'a', '2026-01-01', 'k1', 'pending', null",
        "'b', '2026-01-02', 'k2', 'running', null",
        true
      ],
      [
        "'a', '2026-01-01', 'k1', 'unknown', null",
        "'b', '2026-01-02', 'k2', 'pending', null",
        true
      ],
      [
        "'a', '2026-01-01', 'k1', 'unknown', now()",
        "'b', '2026-01-02', 'k2', 'pending', null",
        false
      ],
      ["'a', '2026-01-01', 'k1', 'failed', null", "'b', '2026-01-01', 'k2', 'pending', null", true],
      ["'a', '2026-01-01', 'k1', 'failed', null", "'b', '2026-01-02', 'k1', 'pending', null", true],
      ["'a', '2026-01-01', 'k1', 'failed', null", "'b', '2026-01-02', 'k2', 'pending', null", false]
    ] as const) {
      await ledger().reset()
      const insert = (values: string) =>
        ledger().execute(`
          insert into public.sync_run_log (claimed_by, scheduled_for, idempotency_key, status, released_at, integration_id, org_id)
          values (${values}, '00000000-0000-4000-8000-000000000001', gen_random_uuid())`)
      await insert(first)
      const said = await insert(second).then(
        () => false,
        () => true
      )
      expect([first, second, said]).toEqual([first, second, refused])
    }
  })
})
