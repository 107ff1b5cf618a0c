import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { at, json, next, onEachServer, org, type Row, slot, slotOf } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

onEachServer("claiming", (ledger) => {
  const claim = (slots: unknown, token: string | null = randomUUID(), engine = "e1") =>
    ledger().call("claim_sync_runs", {
      p_engine_id: engine,
      p_claim_token: token,
      p_slots: slots
    })
  const reasons = (answer: Row) => list(answer.skipped).map(({ reason }) => reason)
  const fresh = async (columns: Readonly<Record<string, string>> = {}) => {
    await ledger().reset()
    return ledger().integration(columns)
  }
  const nextRun = async () =>
    (await ledger().rows("select next_run_at from public.organization_integrations"))[0]
      ?.next_run_at
  const runs = () => ledger().rows("select * from public.sync_run_log order by scheduled_for")

  test("creates a run for a slot, and moves the integration to its next slot", async () => {
    const id = await fresh({ max_attempts: "5", function_name: "'xledger-sync'", warm_up: "true" })
    const token = randomUUID()
    const answer = await claim([slotOf(id)], token)
    expect(answer).toMatchObject({ now: at(0), skipped: [], advanced: 0 })
    expect(list(answer.claimed)).toEqual([
      {
        ...{ run_id: expect.any(String), org_id: org, integration_id: id },
        ...{ integration_type: "xledger", scheduled_for: slot, trigger: "schedule" },
        ...{ status: "pending", attempt: 0, max_attempts: 5, claimed_by: "e1", drift_ms: null },
        idempotency_key: `${id}:${slot}`,
        function_name: "xledger-sync",
        ...{ invoke_timeout_ms: null, warm_up: true, health_url: null }
      }
    ])
    expect(await runs()).toMatchObject([
      { claim_token: token, status: "pending", created_at: json(at(0)) }
    ])
    expect(await nextRun()).toBe(json(next))
  })

  test("returns the same claims for the same token, and claims nothing twice", async () => {
    const id = await fresh()
    const token = randomUUID()
    const range = { from: at(-600), to: at(-360), count: 1, reason: "superseded" }
    const slots = [slotOf(id, { skipped_range: range, trigger: "catch_up" })]
    const first = await claim(slots, token)
    await ledger().execute("update public.organization_integrations set enabled = false")
    expect(list((await claim(slots, token)).claimed)).toEqual([...list(first.claimed)])
    expect(await runs()).toHaveLength(1)
    const ranges = await ledger().rows("select count, reason from public.sync_skipped_range")
    expect(ranges).toContainEqual({ count: 1, reason: "superseded" })
    expect(ranges.filter(({ reason }) => reason === "superseded")).toHaveLength(1)
    expect(reasons(await claim(slots))).toEqual(["disabled"])
  })

  test("only moves the integration if the slot already has a row", async () => {
    for (const status of ["completed", "failed", "running"]) {
      const id = await fresh()
      await ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status)
        values ('${id}', '${org}', '${slot}', 'someone', '${status}')`)
      const answer = await claim([slotOf(id)])
      expect([answer.claimed, reasons(answer)]).toEqual([[], ["already_recorded"]])
      expect(await nextRun()).toBe(json(next))
    }
  })

  test("leaves the slot due while another slot's run is live", async () => {
    for (const [status, released, reason] of [
      ["pending", "null", "already_running"],
      ["running", "null", "already_running"],
      ["unknown", "null", "already_running"],
      ["unknown", "now()", undefined],
      ["completed", "null", undefined],
      ["failed", "null", undefined],
      ["skipped", "null", undefined]
    ] as const) {
      const id = await fresh()
      await ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, released_at)
        values ('${id}', '${org}', '${at(-360)}', 'before', '${status}', ${released})`)
      const answer = await claim([slotOf(id)])
      expect([status, reasons(answer)[0]]).toEqual([status, reason])
      expect(await nextRun()).toBe(json(reason === undefined ? next : slot))
    }
  })

  const refusals: ReadonlyArray<
    readonly [title: string, columns: string, change: Row, reason: string]
  > = [
    ["disabled", "enabled = false, next_run_at = '2026-03-02T09:59:00Z'", {}, "disabled"],
    ["another version", "schedule_version = 2", {}, "schedule_changed"],
    ["moved on by another", `next_run_at = '${next}'`, {}, "lost_race"],
    ["not computed any more", "next_run_at = null", {}, "lost_race"],
    [
      "computed by another meanwhile",
      "enabled = true",
      { expected_next_run_at: null },
      "lost_race"
    ],
    ["a schedule error meanwhile", "schedule_error = 'x'", {}, "lost_race"],
    ["its breaker is open", `breaker_until = '${at(1)}'`, {}, "breaker_open"],
    ["in the future", "enabled = true", { scheduled_for: at(60), next_run_at: at(360) }, "not_due"],
    [
      "neither slot nor next",
      "enabled = true",
      { scheduled_for: null, next_run_at: null },
      "rejected"
    ],
    ["a next slot that is no later", "enabled = true", { next_run_at: slot }, "rejected"],
    ["a slot before the one due", "enabled = true", { scheduled_for: at(-360) }, "rejected"]
  ]
  for (const [title, columns, change, reason] of refusals) {
    test(`claims nothing: ${title}`, async () => {
      const id = await fresh()
      await ledger().execute(`update public.organization_integrations set ${columns}`)
      const before = await ledger().rows("select * from public.organization_integrations")
      const answer = await claim([slotOf(id, change)])
      expect([answer.claimed, reasons(answer)]).toEqual([[], [reason]])
      expect(await runs()).toEqual([])
      expect(await ledger().rows("select * from public.organization_integrations")).toEqual(before)
    })
  }

  test("refuses an integration that is missing or named twice", async () => {
    const id = await fresh()
    const answer = await claim([
      slotOf(randomUUID()),
      slotOf(id),
      slotOf(id, { scheduled_for: at(0) })
    ])
    expect(reasons(answer).toSorted()).toEqual(["gone", "lost_race"])
    expect(list(answer.claimed)).toMatchObject([{ scheduled_for: slot }])
  })

  test("can only move the integration, and then records the skipped slots as missed", async () => {
    const id = await fresh()
    const range = { from: slot, to: slot, count: 1, reason: "catch_up_skip" }
    const answer = await claim([slotOf(id, { scheduled_for: null, skipped_range: range })])
    expect(answer).toMatchObject({ claimed: [], skipped: [], advanced: 1 })
    expect(await runs()).toEqual([])
    expect(await nextRun()).toBe(json(next))
    expect(await ledger().rows("select * from public.sync_skipped_range")).toMatchObject([
      { from: json(slot), to: json(slot), count: 1, reason: "catch_up_skip", recorded_by: "e1" }
    ])
    const incident = () => ledger().rows("select kind, resolved_at from public.sync_incident")
    expect(await incident()).toEqual([{ kind: "missed", resolved_at: null }])
    await ledger().after(240)
    const change = { expected_next_run_at: next, scheduled_for: next, next_run_at: at(540) }
    await claim([slotOf(id, change)])
    expect(await incident()).toEqual([{ kind: "missed", resolved_at: json(at(240)) }])
  })

  test("of a slot that cannot be claimed does not affect the others", async () => {
    const id = await fresh()
    const bad = await ledger().integration({ max_attempts: "7" })
    await ledger().execute(
      "alter table public.sync_run_log add constraint theirs check (max_attempts <> 7)"
    )
    const answer = await claim([slotOf(bad), slotOf(id)])
    await ledger().execute("alter table public.sync_run_log drop constraint theirs")
    expect(list(answer.claimed)).toMatchObject([{ integration_id: id }])
    expect(list(answer.skipped)).toMatchObject([
      { integration_id: bad, reason: "rejected", detail: expect.stringContaining("theirs") }
    ])
    expect(await runs()).toHaveLength(1)
  })

  test("has a limit per batch, and requires an engine and a token", async () => {
    const id = await fresh()
    const many = Array.from({ length: 101 }, () => slotOf(id))
    for (const slots of [many, {}, null, "x"]) {
      const asked = claim(slots)
      expect(asked).rejects.toThrow("at most 100")
      await asked.catch(() => undefined)
    }
    const asked = claim([slotOf(id)], null)
    expect(asked).rejects.toThrow("are required")
    await asked.catch(() => undefined)
    expect(await claim([])).toMatchObject({ claimed: [], skipped: [], advanced: 0 })
  })

  test("reports a slot locked by another session immediately, and leaves it due", async () => {
    const id = await fresh()
    const other = connect(ledger().url, { max: 1 })
    await other.begin(async (transaction) => {
      const mine = await ledger().call(
        "claim_sync_runs",
        { p_engine_id: "e2", p_claim_token: randomUUID(), p_slots: [slotOf(id)] },
        transaction
      )
      expect(list(mine.claimed)).toHaveLength(1)
      expect(reasons(await claim([slotOf(id)]))).toEqual(["locked"])
    })
    await other.begin(async (transaction) => {
      await transaction`select from public.organization_integrations where id = ${id} for update`
      expect(reasons(await claim([slotOf(id)]))).toEqual(["locked"])
    })
    await other.close()
    expect(reasons(await claim([slotOf(id)]))).toEqual(["lost_race"])
  })

  test("reports a slot with another session's uncommitted row as locked, and does not fail the batch", async () => {
    const id = await fresh()
    const second = await ledger().integration()
    const other = connect(ledger().url, { max: 1 })
    await other.begin(async (transaction) => {
      await transaction`insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key)
                        values (${id}, ${org}, ${slot}, 'theirs')`
      const answer = await claim([slotOf(id), slotOf(second)])
      expect(reasons(answer)).toEqual(["locked"])
      expect(list(answer.claimed)).toMatchObject([{ integration_id: second }])
    })
    await other.close()
    expect(reasons(await claim([slotOf(id)]))).toEqual(["already_recorded"])
  })

  test("of the same 2,000 slots by two sessions in different orders takes each once, without deadlock", async () => {
    await ledger().reset()
    await ledger().execute(`
      insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at, created_at)
      select '${org}', 'xledger', '*/5 * * * *', '${slot}', '${slot}' from generate_series(1, 2000)`)
    const ids = (await ledger().rows("select id from public.organization_integrations")).map(
      (row) => String(row.id)
    )
    const claimAll = async (engine: string, order: ReadonlyArray<string>) => {
      const session = connect(ledger().url, { max: 1 })
      const found = { claimed: 0, locked: 0, lost_race: 0 }
      for (let n = 0; n < order.length; n += 100) {
        const slots = order.slice(n, n + 100).map((id) => slotOf(id))
        const args = { p_engine_id: engine, p_claim_token: randomUUID(), p_slots: slots }
        const answer = await ledger().call("claim_sync_runs", args, session)
        found.claimed += list(answer.claimed).length
        for (const reason of reasons(answer)) {
          if (reason === "locked" || reason === "lost_race") found[reason] += 1
          else throw new Error(String(reason))
        }
      }
      await session.close()
      return found
    }
    const shuffled = [...ids].map((id, n) => [(n * 7919) % ids.length, id] as const)
    const other = shuffled.toSorted(([a], [b]) => a - b).map(([, id]) => id)
    const all = await Promise.all([claimAll("e1", ids), claimAll("e2", other), claimAll("e3", ids)])
    const rest = await claimAll("e4", ids)
    const total = [...all, rest].reduce((sum, { claimed }) => sum + claimed, 0)
    expect(total).toBe(2000)
    const [row] = await ledger().rows(`
      select count(*) as runs, count(distinct (integration_id, scheduled_for)) as slots,
             (select count(*) from public.organization_integrations where next_run_at = '${next}') as moved
        from public.sync_run_log`)
    expect(row).toEqual({ runs: 2000, slots: 2000, moved: 2000 })
  }, 60_000)
})

onEachServer("reading due slots", (ledger) => {
  const read = (args: Row = {}) => ledger().call("read_due_integrations", args)
  const seed = (rows: string) =>
    ledger().execute(`
      insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, next_run_at, enabled, schedule_error)
      select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '${org}', 'x', s, at::timestamptz, enabled, error
        from (values ${rows}) as v(n, s, at, enabled, error)`)

  test("returns slots that were never computed first, then the oldest, and nothing else", async () => {
    await ledger().reset()
    await seed(`
      (1, '* * * * *', '${at(-60)}', true, null), (2, '* * * * *', '${at(-120)}', true, null),
      (3, '* * * * *', null, true, null), (4, '* * * * *', '${at(1)}', true, null),
      (5, '* * * * *', '${at(-60)}', false, null), (6, '* * * * *', '${at(-60)}', true, 'bad'),
      (7, null, '${at(-60)}', true, null), (8, '* * * * *', '${at(0)}', true, null)`)
    const answer = await read()
    const ids = list(answer.integrations).map(({ integration_id }) =>
      Number(String(integration_id).slice(-2))
    )
    expect(ids).toEqual([3, 2, 1, 8])
    expect(answer).toMatchObject({ now: at(0), cursor: null })
  })

  test("returns every due integration once across pages, with equal slots, microseconds and both kinds", async () => {
    await ledger().reset()
    await seed(
      Array.from({ length: 60 }, (_, n) => {
        const due = n % 3 === 0 ? "null" : `'${at(-60 * (n % 4) - 60)}'`
        return `(${n + 1}, '* * * * *', ${due}, true, null)`
      }).join(",")
    )
    // In an adopted table, next_run_at might not be a whole second.
    await ledger().execute(`
      alter table public.organization_integrations disable trigger user;
      update public.organization_integrations set next_run_at = next_run_at + interval '123456 microseconds' where id::text like '%7';
      alter table public.organization_integrations enable trigger user`)
    for (const size of [1, 7, 20, 59, 60, 100]) {
      const seen: Array<unknown> = []
      let cursor: unknown = null
      let pages = 0
      do {
        const page = await read({ p_limit: size, p_cursor: cursor })
        const ids = list(page.integrations).map(({ integration_id }) => integration_id)
        expect(ids.length).toBeLessThanOrEqual(size)
        seen.push(...ids)
        cursor = page.cursor
        pages += 1
      } while (cursor !== null && pages < 100)
      expect([size, seen.length, new Set(seen).size]).toEqual([size, 60, 60])
    }
  })

  test("can be limited to an organisation or to integrations", async () => {
    await ledger().reset()
    const a = await ledger().integration()
    const b = await ledger().integration({ org_id: "'00000000-0000-4000-8000-0000000000bb'" })
    const ids = (answer: Row) =>
      list(answer.integrations).map(({ integration_id }) => integration_id)
    expect(ids(await read({ p_org_id: org }))).toEqual([a])
    expect(ids(await read({ p_integration_ids: [b, randomUUID()] }))).toEqual([b])
    expect(ids(await read({ p_integration_ids: [] }))).toEqual([])
    expect(ids(await read({ p_org_id: org, p_integration_ids: [b] }))).toEqual([])
  })

  test("uses the defaults for null columns of an adopted table", async () => {
    await ledger().reset()
    const id = await ledger().integration()
    await ledger().execute(`
      alter table public.organization_integrations alter catch_up drop not null, alter timezone drop not null,
        alter schedule_version drop not null, alter schedule_since drop not null, alter config drop not null;
      update public.organization_integrations set catch_up = null, schedule_version = null, schedule_since = null, config = null,
        catch_up_window = interval '90 minutes'`)
    expect(list((await read()).integrations)).toMatchObject([
      {
        ...{ catch_up: "latest", timezone: "UTC", schedule_version: 1, schedule_since: at(-3600) },
        catch_up_window_ms: 5_400_000
      }
    ])
    const answer = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [slotOf(id)]
    })
    const [run] = list(answer.claimed)
    const started = await ledger().call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: [{ run_id: run?.run_id, lease_token: randomUUID(), lease_seconds: 60 }]
    })
    expect(list(started.started)).toMatchObject([{ config: {} }])
    await ledger().execute("update public.organization_integrations set sync_schedule = '@daily'")
    expect(
      await ledger().rows("select schedule_version as v from public.organization_integrations")
    ).toEqual([{ v: 2 }])
  })
})
