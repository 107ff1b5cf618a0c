import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { onEachServer, type Row } from "./Ledger.ts"
import { list, openRunFixture } from "./RunFixture.ts"

onEachServer("the states failing and retrying", (ledger) => {
  const tick = () => ledger().call("open_sync_tick", { p_tick_id: randomUUID(), p_engine_id: "e1" })
  const incidents = async (): Promise<ReadonlyArray<string>> =>
    (
      await ledger().rows(
        "select kind, resolved_at is null as open, occurrences from public.sync_incident where kind in ('failing', 'retrying') order by id"
      )
    ).map(({ kind, occurrences, open }: Row) => `${kind} ${open ? "open" : "over"} ${occurrences}`)
  const refused = { error_code: "FUNCTION_REFUSED", http_status: 409, retry_in_ms: 0 }
  const status = async (): Promise<Row> => {
    const status = await ledger().call("read_sync_status", {})
    return list(status.integrations)[0] ?? {}
  }

  test("open an incident after the second refusal, until no run waits for a retry", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("not_executed", refused)
    expect(await incidents()).toEqual([])
    expect((await status()).live_run).toMatchObject({ status: "pending", attempt: 1 })
    await fixture.start()
    await fixture.settle("not_executed", refused)
    expect(await incidents()).toEqual(["retrying open 1"])
    await fixture.start()
    await tick()
    expect(await incidents()).toEqual(["retrying open 1"])
    await fixture.settle("completed")
    await tick()
    expect(await incidents()).toEqual(["retrying over 1"])
  })

  test("open one incident per failing integration immediately, until its newest run does not fail", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("failed", { error_code: "TOKEN_EXPIRED", error_message: "401" })
    await tick()
    expect(await incidents()).toEqual(["failing open 1"])
    const batch = await ledger().call("take_sync_alerts", { p_engine_id: "e1", p_limit: 10 })
    expect(list(batch.alerts)[0]).toMatchObject({
      kind: "failing",
      run: { id: fixture.runId, error_code: "TOKEN_EXPIRED" }
    })
    await fixture.retry()
    await fixture.start()
    await fixture.settle("failed", { error_code: "TOKEN_EXPIRED" })
    expect(await incidents()).toEqual(["failing open 2"])
    await fixture.retry()
    await fixture.start()
    await fixture.settle("completed")
    await tick()
    expect(await incidents()).toEqual(["failing over 2"])
  })

  test("end when the integration is paused", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("failed")
    await fixture.setIntegration("enabled = false")
    await tick()
    expect(await incidents()).toEqual(["failing over 1"])
  })

  test("refer to the newest attempted run, even if later slots were skipped", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("failed", { error_code: "TOKEN_EXPIRED" })
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, attempt, skip_reason)
      select integration_id, org_id, scheduled_for + interval '1 hour', 'later', 'skipped', 0, 'disabled' from public.sync_run_log`)
    expect((await status()).last_run).toMatchObject({ run_id: fixture.runId, status: "failed" })
  })

  test("are counted separately in the figures of a day", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const day = async (args: Row = {}): Promise<Row> =>
      list((await ledger().call("read_sync_figures", { p_days: 1, ...args })).days)[0] ?? {}
    const counts = { runs: 1, completed: 0, failed: 0, unknown: 0, skipped: 0, retrying: 0 }
    expect(await day()).toMatchObject({ ...counts, in_progress: 1 })
    await fixture.settle("not_executed", refused)
    const retrying = { ...counts, retrying: 1, in_progress: 0 }
    expect(await day()).toMatchObject(retrying)
    expect(await day({ p_integration_id: fixture.integrationId })).toMatchObject(retrying)
    await fixture.start()
    expect(await day()).toMatchObject(retrying)
    await fixture.settle("completed")
    expect(await day()).toMatchObject({ ...counts, completed: 1, in_progress: 0 })
    await ledger().execute(`
      insert into public.sync_skipped_range (integration_id, "from", "to", count, reason)
      select integration_id, scheduled_for, scheduled_for, 3, r from public.sync_run_log, unnest(array['disabled', 'superseded']) r`)
    expect(await day()).toMatchObject({ skipped_slots: 3 })
    expect(await day({ p_integration_id: fixture.integrationId })).toMatchObject({
      skipped_slots: 3
    })
  })
})
