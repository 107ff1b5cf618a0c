import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { at, json, onEachServer, org, slot, slotOf } from "./Ledger.ts"
import { LEASE, list, openRunFixture, QUIESCENCE, states } from "./RunFixture.ts"

/** The fields that a sweep adds to the response of `open_sync_tick`. */
const swept = { expired: 0, proven: 0, requeued: 0, released: 0, skipped: 0 }
const nothing = { ...swept, rejected: [] }

onEachServer("a sweep", (ledger) => {
  /** Inserts a run without a lease or token, as a project's own code might. */
  const foreign = async (columns: Readonly<Record<string, string>>) => {
    await ledger().reset()
    const integrationId = await ledger().integration()
    const id = randomUUID()
    const all = {
      id: `'${id}'`,
      integration_id: `'${integrationId}'`,
      org_id: `'${org}'`,
      scheduled_for: `'${slot}'`,
      idempotency_key: `'${id}'`,
      status: "'running'",
      created_at: `'${at(0)}'`,
      ...columns
    }
    await ledger().execute(
      `insert into public.sync_run_log (${Object.keys(all)}) values (${Object.values(all)})`
    )
    const row = async () =>
      (await ledger().rows(`select * from public.sync_run_log where id = '${id}'`))[0]
    return { id, integrationId, row }
  }
  const sweep = (more = {}) =>
    ledger().call("sweep_sync_runs", { p_engine_id: "e2", p_quiescence_seconds: 430, ...more })

  test("does nothing without an expired lease", async () => {
    await ledger().reset()
    expect(await sweep()).toEqual(nothing)
  })

  test("makes a dead engine's run unknown, with an incident, and retries it after its quiescence period", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(LEASE - 1)
    expect(await sweep()).toEqual(nothing)
    await fixture.after(1)
    expect(await sweep()).toEqual({ ...nothing, expired: 1 })
    expect(await fixture.row()).toMatchObject({
      status: "unknown",
      ambiguous: true,
      error_code: "LEASE_ENDED",
      not_before: json(at(QUIESCENCE))
    })
    expect(await fixture.incidents("unknown")).toEqual(["open"])
    await fixture.after(QUIESCENCE - LEASE)
    expect(await sweep()).toEqual({ ...nothing, requeued: 1 })
    expect(await fixture.row()).toMatchObject({
      status: "pending",
      claimed_by: null,
      ambiguous: true
    })
    expect(await fixture.incidents("unknown")).toEqual(["open"])
    expect(await fixture.events()).toEqual([
      "claimed ->pending",
      "started pending>running",
      "swept running>unknown (lease_ended)",
      "swept unknown>pending (on_unknown_retry)"
    ])
  })

  test("immediately retries a fenced run whose function never began", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true", on_unknown: "'hold'" })
    await fixture.start()
    await fixture.after(LEASE)
    expect(await sweep()).toEqual({ ...nothing, expired: 1, proven: 1 })
    expect(await fixture.row()).toMatchObject({
      status: "pending",
      ambiguous: false,
      not_before: null
    })
    expect(await fixture.incidents("unknown")).toEqual(["resolved"])
  })

  test("releases a run without attempts left and keeps its incident open, and later slots run", async () => {
    const fixture = await states.released?.(ledger())
    expect(await fixture?.row()).toMatchObject({
      status: "unknown",
      released_at: json(at(QUIESCENCE))
    })
    expect(await fixture?.incidents("unknown")).toEqual(["open"])
    const claim = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [
        slotOf(fixture?.integrationId ?? "", {
          expected_next_run_at: at(240),
          scheduled_for: at(240),
          next_run_at: at(540)
        })
      ]
    })
    expect(list(claim.claimed)).toHaveLength(1)
  })

  test("holds a run with on_unknown = hold, and later slots wait", async () => {
    const fixture = await states.held?.(ledger())
    expect(await sweep()).toEqual(nothing)
    const claim = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [
        slotOf(fixture?.integrationId ?? "", {
          expected_next_run_at: at(240),
          scheduled_for: at(240),
          next_run_at: at(540)
        })
      ]
    })
    expect(list(claim.skipped)).toMatchObject([{ reason: "already_running" }])
  })

  test("treats another application's running row without a lease as live for half an hour", async () => {
    for (const since of ["started_at", "created_at"]) {
      const { row } = await foreign({ [since]: `'${at(-1799)}'` })
      expect(await sweep()).toEqual(nothing)
      await ledger().after(1)
      expect(await sweep()).toEqual({ ...nothing, expired: 1, requeued: 1 })
      expect(await row()).toMatchObject({ status: "pending", ambiguous: true })
    }
    const { row } = await foreign({ started_at: `'${at(-90)}'` })
    expect(await sweep({ p_running_guard_seconds: 60 })).toEqual({ ...nothing, expired: 1 })
    expect(await row()).toMatchObject({ status: "unknown", not_before: json(at(340)) })
  })

  test("skips a pending run whose integration is disabled or deleted, or makes it unknown if it may have run", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.setIntegration("enabled = false")
    expect(await sweep()).toEqual({ ...nothing, skipped: 1 })
    expect(await fixture.row()).toMatchObject({ status: "skipped", skip_reason: "disabled" })
    const gone = await openRunFixture(ledger())
    await ledger().execute("delete from public.organization_integrations")
    await sweep()
    expect(await gone.row()).toMatchObject({ status: "skipped", skip_reason: "gone" })

    const requeued = await states.requeued?.(ledger())
    await requeued?.setIntegration("enabled = false")
    expect(await sweep()).toEqual({ ...nothing, skipped: 1 })
    expect(await requeued?.row()).toMatchObject({ status: "unknown", ambiguous: true })
    expect((await requeued?.row())?.released_at).not.toBeNull()
    expect(await requeued?.incidents("unknown")).toEqual(["open"])
    expect(await sweep()).toEqual(nothing)
  })

  test("keeps a held retry on hold if its integration is disabled meanwhile", async () => {
    const fixture = await states.held?.(ledger())
    await fixture?.retry()
    await fixture?.setIntegration("enabled = false")
    await sweep()
    expect(await fixture?.row()).toMatchObject({ status: "unknown", released_at: null })
    expect(await fixture?.incidents("unknown")).toEqual(["resolved", "open"])
    expect(await sweep()).toEqual(nothing)
  })

  test("handles a limited number of rows, and leaves rows locked by another session", async () => {
    await ledger().reset()
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, lease_until)
      select gen_random_uuid(), '${org}', '${slot}', n::text, 'running', '${at(-1)}' from generate_series(1, 7) n`)
    const holder = connect(ledger().url, { max: 1 })
    await holder.begin(async (transaction) => {
      await transaction`select from public.sync_run_log where idempotency_key in ('1', '2') for update`
      expect(await sweep({ p_limit: 3 })).toMatchObject({ expired: 3 })
      expect(await sweep()).toMatchObject({ expired: 2 })
    })
    await holder.close()
    expect(await sweep()).toMatchObject({ expired: 2 })
  })

  test("continues with the other rows and the tick if a row cannot be swept", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(LEASE)
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, lease_until, created_at)
      values (gen_random_uuid(), '${org}', '${slot}', 'poison', 'running', '${at(0)}', '${at(0)}');
      create function public.refuse() returns trigger language plpgsql as
        $$ begin raise exception 'not this one'; end $$;
      create trigger refuse before update on public.sync_run_log for each row
        when (old.idempotency_key = 'poison') execute function public.refuse()`)
    try {
      const tick = await ledger().call("open_sync_tick", {
        p_tick_id: randomUUID(),
        p_engine_id: "e1"
      })
      expect(tick.swept).toEqual({ ...swept, expired: 1 })
    } finally {
      await ledger().execute(
        "drop trigger refuse on public.sync_run_log; drop function public.refuse()"
      )
    }
  })

  test("150 rows of each kind that cannot be swept do not prevent the sweep of other rows", async () => {
    await ledger().reset()
    const insert = (keys: string, count: number, columns: string, values: string) =>
      ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, created_at, ${columns})
        select gen_random_uuid(), '${org}', '${slot}', '${keys} ' || n, '${at(-900)}', ${values} from generate_series(1, ${count}) n`)
    for (const [kind, columns, values] of [
      [
        "running",
        "status, lease_until",
        `'running', timestamptz '${at(-600)}' + n * interval '1 s'`
      ],
      [
        "unknown",
        "status, not_before",
        `'unknown', timestamptz '${at(-600)}' + n * interval '1 s'`
      ],
      ["pending", "status, attempt", "'pending', 0"]
    ] as const) {
      await insert(`poison ${kind}`, 150, columns, values)
      await insert(`good ${kind}`, 1, columns, values.replace(at(-600), at(-60)))
    }
    await ledger().execute(`
      update public.sync_run_log set created_at = '${at(-60)}' where idempotency_key like 'good%';
      create function public.refuse() returns trigger language plpgsql as
        $$ begin raise exception 'not this one'; end $$;
      create trigger refuse before update on public.sync_run_log for each row
        when (old.idempotency_key like 'poison%') execute function public.refuse()`)
    try {
      const { rejected, ...counts } = await sweep()
      expect(counts).toEqual({ ...swept, expired: 1, requeued: 1, skipped: 2 })
      expect(list(rejected)).toHaveLength(20)
      const good = await ledger().rows(
        "select status from public.sync_run_log where idempotency_key like 'good%' order by idempotency_key"
      )
      expect(good.map(({ status }) => status)).toEqual(["skipped", "unknown", "skipped"])
    } finally {
      await ledger().execute(
        "drop trigger refuse on public.sync_run_log; drop function public.refuse()"
      )
    }
  })
})
