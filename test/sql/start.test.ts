import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { at, json, next, onEachServer, org, slot, slotOf } from "./Ledger.ts"
import { LEASE, list, nonce, openRunFixture, states } from "./RunFixture.ts"

onEachServer("starting a run", (ledger) => {
  test("sets attempt, lease and drift, and clears earlier results", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.set(
      "error_code = 'OLD', error_message = 'old', http_status = 500, response = '{}'"
    )
    expect(await fixture.start("e1")).toMatchObject({
      run_id: fixture.runId,
      status: "running",
      attempt: 1,
      drift_ms: 60_000
    })
    expect(await fixture.row()).toMatchObject({
      claimed_by: "e1",
      lease_token: fixture.token,
      lease_seconds: LEASE,
      lease_until: json(at(LEASE)),
      started_at: json(at(0)),
      attempt_started_at: json(at(0)),
      began_at: null,
      error_code: null,
      error_message: null,
      http_status: null,
      response: null
    })
    expect(await fixture.events()).toEqual(["claimed ->pending", "started pending>running"])
  })

  test("is allowed to the claimer immediately, to others after the adoption time, and to anyone for a released run", async () => {
    const fixture = await openRunFixture(ledger())
    const asOther = () => fixture.startWith(randomUUID(), "e2")
    expect(await asOther()).toMatchObject({ reason: "claimed_by_another", status: "pending" })
    await fixture.after(9)
    expect(await asOther()).toMatchObject({ reason: "claimed_by_another" })
    const released = await ledger().call("release_sync_claims", {
      p_engine_id: "e2",
      p_run_ids: [fixture.runId]
    })
    expect(released).toEqual({ released: 0 })
    await fixture.after(1)
    expect(await asOther()).toMatchObject({ status: "running", attempt: 1 })
    expect(await fixture.row()).toMatchObject({ status: "running", claimed_by: "e2" })

    const given = await openRunFixture(ledger())
    await ledger().call("release_sync_claims", { p_engine_id: "e1", p_run_ids: [given.runId] })
    const pending = await ledger().call("read_pending_runs", { p_engine_id: "e2" })
    expect(list(pending).map(({ run_id }) => run_id)).toEqual([given.runId])
    expect(await given.startWith(randomUUID(), "e2")).toMatchObject({ status: "running" })
  })

  test("with the same token returns the same run, and a used token starts nothing more", async () => {
    const fixture = await openRunFixture(ledger())
    const first = await fixture.start()
    expect(await fixture.startWith(fixture.token)).toEqual(first)
    await fixture.settle("not_executed", { retry_in_ms: 0 })
    // A delayed copy of the first request arrives.
    expect(await fixture.startWith(fixture.token)).toMatchObject({ reason: "lost_race" })
    expect(await fixture.row()).toMatchObject({ status: "pending", attempt: 1 })
  })

  test("succeeds for one of two engines", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.after(10)
    const answers = await Promise.all(
      ["e1", "e2", "e3", "e4"].map((engine) => fixture.startWith(randomUUID(), engine))
    )
    const reasons = answers.map(({ reason }) => reason ?? "started")
    expect(reasons.toSorted()).toEqual(["lost_race", "lost_race", "lost_race", "started"])
    expect(await fixture.row()).toMatchObject({ attempt: 1 })
  })

  test("is refused before its time", async () => {
    const fixture = await states.backoff?.(ledger())
    expect(await fixture?.startWith(randomUUID())).toMatchObject({ reason: "not_before" })
    expect(list(await ledger().call("read_pending_runs", { p_engine_id: "e2" }))).toEqual([])
    await fixture?.after(60)
    expect(list(await ledger().call("read_pending_runs", { p_engine_id: "e2" }))).toHaveLength(1)
    expect(await fixture?.startWith(randomUUID(), "e2")).toMatchObject({ attempt: 2 })
    // The second start changes neither the run's start time nor its drift.
    expect(await fixture?.row()).toMatchObject({
      started_at: json(at(0)),
      attempt_started_at: json(at(60)),
      drift_ms: 60_000
    })
  })

  test("is refused if its integration is disabled, or if the integration or run is deleted", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.setIntegration("enabled = false")
    expect(await fixture.startWith(randomUUID())).toMatchObject({ reason: "disabled" })
    await ledger().execute("delete from public.organization_integrations")
    expect(await fixture.startWith(randomUUID())).toMatchObject({ reason: "disabled" })
    await ledger().execute("delete from public.sync_run_log")
    expect(await fixture.startWith(randomUUID())).toMatchObject({ reason: "gone", status: null })
  })

  test("too late opens a drift incident, which a punctual run resolves", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.after(241)
    await fixture.start()
    expect(await fixture.incidents("drift")).toEqual(["open"])
    await fixture.settle("completed")
    const claim = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: [
        {
          ...{ integration_id: fixture.integrationId, org_id: fixture.integrationId },
          ...{ schedule_version: 1, expected_next_run_at: next, scheduled_for: next },
          next_run_at: at(540)
        }
      ]
    })
    await ledger().call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: [{ run_id: list(claim.claimed)[0]?.run_id, lease_token: nonce, lease_seconds: 60 }]
    })
    expect(await fixture.incidents("drift")).toEqual(["resolved"])
  })

  test("does not affect other runs if it is refused", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.set("attempt = 2147483647")
    const other = await ledger().integration()
    await ledger().execute(`
      insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key)
      values ('${other}', '${other}', '${other}', '${slot}', 'other')`)
    const answer = await ledger().call("start_sync_runs", {
      p_engine_id: "e1",
      p_starts: [fixture.runId, other].map((run_id) => ({
        run_id,
        lease_token: randomUUID(),
        lease_seconds: 60
      }))
    })
    expect(list(answer.started)).toMatchObject([{ run_id: other, attempt: 1 }])
    expect(list(answer.skipped)).toMatchObject([{ run_id: fixture.runId, reason: "rejected" }])
  })

  test("returns at most 4 MiB of configs, also for runs after a warm-up and in a batch with a faulty run", async () => {
    for (const [isFaulty, warm_up_ms, started] of [
      [false, null, 16],
      [false, 10, 16],
      [true, null, 15]
    ] as const) {
      await ledger().reset()
      await ledger().execute(`
        insert into public.organization_integrations (org_id, integration_type, sync_schedule, config)
        select '${org}', 'xledger', '*/5 * * * *', jsonb_build_object('x', repeat('x', 250000)) from generate_series(1, 20);
        insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key)
        select id, id, org_id, '${slot}', id from public.organization_integrations`)
      const runs = await ledger().rows("select id from public.sync_run_log order by id")
      const p_starts = runs.map(({ id: run_id }, n) => ({
        ...{ run_id, lease_token: randomUUID(), warm_up_ms },
        lease_seconds: isFaulty && n === 0 ? 0 : 60
      }))
      const answer = await ledger().call("start_sync_runs", { p_engine_id: "e1", p_starts })
      const full = list(answer.skipped).filter(({ reason }) => reason === "answer_full")
      expect([isFaulty, warm_up_ms, list(answer.started).length, full.length]).toEqual([
        ...[isFaulty, warm_up_ms, started, 4]
      ])
    }
  })

  test("requires a token and a lease, and has a limit per batch", async () => {
    const fixture = await openRunFixture(ledger())
    for (const bad of [{ lease_token: null }, { lease_seconds: 0 }, { lease_seconds: null }]) {
      const p_starts = [
        { run_id: fixture.runId, lease_token: randomUUID(), lease_seconds: 60, ...bad }
      ]
      const answer = await ledger().call("start_sync_runs", { p_engine_id: "e1", p_starts })
      expect(list(answer.skipped)).toMatchObject([{ reason: "rejected" }])
    }
    const many = Array.from({ length: 101 }, () => ({}))
    for (const p_starts of [many, {}, null]) {
      const answer = ledger().call("start_sync_runs", { p_engine_id: "e1", p_starts })
      expect(answer).rejects.toThrow("at most 100")
      await answer.catch(() => undefined)
    }
    expect(await fixture.row()).toMatchObject({ status: "pending", attempt: 0 })
  })
})

onEachServer("the fence", (ledger) => {
  test("grants a run once; after a lost response the same nonce gets the grant again", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true" })
    await fixture.start()
    await fixture.after(5)
    expect(await fixture.begin()).toEqual({ granted: true })
    const begun = await fixture.row()
    expect(begun).toMatchObject({ began_at: json(at(5)), lease_until: json(at(5 + LEASE)) })
    expect(await fixture.begin()).toEqual({ granted: true })
    const other = { granted: false, reason: "already_begun" }
    expect(await fixture.begin(undefined, randomUUID())).toEqual(other)
    expect(await fixture.begin(undefined, null)).toEqual(other)
    expect(await fixture.row()).toEqual(begun)
    expect((await fixture.events()).filter((event) => event.startsWith("began"))).toHaveLength(1)
  })

  test("grants one of many concurrent requests", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true" })
    await fixture.start()
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => fixture.begin(undefined, randomUUID()))
    )
    expect(answers.filter(({ granted }) => granted === true)).toHaveLength(1)
  })

  test("grants nothing before or after the run, or after the lease has ended", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true" })
    expect(await fixture.begin()).toMatchObject({ reason: "token_mismatch" })
    await fixture.start()
    await fixture.after(LEASE)
    expect(await fixture.begin()).toMatchObject({ granted: false, reason: "lease_ended" })
    const old = fixture.token
    await fixture.sweep()
    expect(await fixture.begin()).toMatchObject({ reason: "not_running" })
    await fixture.start("e2")
    expect(await fixture.begin(old)).toMatchObject({ reason: "token_mismatch" })
    expect(await fixture.begin()).toEqual({ granted: true })
    const gone = await ledger().call("begin_sync_run", { p_run_id: nonce, p_lease_token: nonce })
    expect(gone).toEqual({ granted: false, reason: "not_found" })
  })

  test("extends the lease with heartbeats, and never shortens it", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("accepted", { lease_seconds: 1800 })
    expect(await fixture.row()).toMatchObject({ lease_until: json(at(1800)), status: "running" })
    await fixture.after(60)
    expect(await fixture.heartbeat()).toMatchObject({ lease_until: at(1860) })
    await fixture.set("lease_seconds = 10")
    await fixture.after(60)
    expect(await fixture.heartbeat()).toMatchObject({ lease_until: at(1860) })
  })

  test("keeps an accepted run for half an hour from its start unless told otherwise", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(20)
    await fixture.settle("accepted")
    await fixture.after(1779)
    expect(await fixture.sweep()).toMatchObject({ expired: 0 })
    await fixture.after(1)
    expect(await fixture.sweep()).toMatchObject({ expired: 1 })
  })
})

onEachServer("giving runs back", (ledger) => {
  /** Returns the ids of three runs that engine e1 has claimed. */
  const claimThree = async (): Promise<ReadonlyArray<string>> => {
    await ledger().reset()
    const slots = []
    for (let n = 0; n < 3; n += 1) slots.push(slotOf(await ledger().integration()))
    const { claimed } = await ledger().call("claim_sync_runs", {
      p_engine_id: "e1",
      p_claim_token: randomUUID(),
      p_slots: slots
    })
    return list(claimed).map(({ run_id }) => String(run_id))
  }
  const startThree = async () => {
    const ids = await claimThree()
    const p_starts = ids.map((run_id) => ({
      run_id,
      lease_token: randomUUID(),
      lease_seconds: LEASE
    }))
    await ledger().call("start_sync_runs", { p_engine_id: "e1", p_starts })
    return {
      ids,
      revert: () => ledger().call("revert_sync_starts", { p_engine_id: "e1", p_starts })
    }
  }
  const sorted = (ids: unknown) => list(ids).map(String).toSorted()
  const others = (ids: ReadonlyArray<string>) => ids.toSpliced(1, 1).toSorted()
  /** While `use` runs, the project's own trigger rejects changes to the run. */
  const rejecting = async (runId: string | undefined, use: () => Promise<void>) => {
    await ledger().execute(`
      create function public.refuse() returns trigger language plpgsql as $$ begin perform * from nowhere; end $$;
      create trigger refuse before update on public.sync_run_log for each row
        when (old.id = '${runId}') execute function public.refuse()`)
    try {
      await use()
    } finally {
      await ledger().execute(
        "drop trigger refuse on public.sync_run_log; drop function public.refuse()"
      )
    }
  }

  test("reverts the other starts if a trigger rejects one of the rows, or another session has locked it", async () => {
    const first = await startThree()
    await rejecting(first.ids[1], async () => {
      const { returned } = await first.revert()
      expect(sorted(returned)).toEqual(others(first.ids))
    })
    const { returned: all } = await first.revert()
    expect(sorted(all)).toEqual(first.ids.toSorted())

    const second = await startThree()
    const holder = connect(ledger().url, { max: 1 })
    await holder.begin(async (transaction) => {
      await transaction`select from public.sync_run_log where id = ${second.ids[1]} for update`
      const { returned } = await second.revert()
      expect(sorted(returned)).toEqual(others(second.ids))
    })
    await holder.close()
  })

  test("releases the other claims if a trigger rejects one of the rows", async () => {
    const ids = await claimThree()
    const release = () =>
      ledger().call("release_sync_claims", { p_engine_id: "e1", p_run_ids: ids })
    await rejecting(ids[1], async () => {
      expect(await release()).toEqual({ released: 2 })
      expect(await release()).toEqual({ released: 0 })
    })
    expect(await release()).toEqual({ released: 1 })
  })
})
