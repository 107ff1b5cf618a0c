import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { at, type Ledger, onEachServer, slot } from "./Ledger.ts"

onEachServer("a repeatedly skipped slot", (ledger) => {
  const finish = (skips: ReadonlyArray<unknown>, engine = "e1") =>
    ledger().call("finish_sync_tick", {
      p_tick_id: randomUUID(),
      p_engine_id: engine,
      p_summary: { skipped: skips.length, skips }
    })
  const open = () => ledger().call("open_sync_tick", { p_tick_id: randomUUID(), p_engine_id: "e1" })
  const incidents = (one: Ledger) =>
    one.rows(`select subject, integration_id, detail, occurrences, resolved_at is null as open
                from public.sync_incident where kind = 'stuck' order by id`)
  const skipOf = (
    integration_id: string,
    reason = "lost_race",
    scheduled_for: string | null = slot
  ) => ({
    org_id: randomUUID(),
    integration_id,
    scheduled_for,
    reason
  })
  const fresh = async () => {
    await ledger().reset()
    return ledger().integration({ next_run_at: `'${slot}'` })
  }

  test("becomes an incident with its reason after three ticks over two minutes, and further ticks add to that incident", async () => {
    const id = await fresh()
    await finish([skipOf(id)])
    await ledger().after(60)
    await finish([skipOf(id)], "e2")
    expect(await incidents(ledger())).toEqual([])
    await ledger().after(60)
    await finish([skipOf(id)])
    const found = {
      subject: id,
      integration_id: id,
      open: true,
      detail: { reason: "lost_race", scheduled_for: slot, ticks: 3, since: at(0) }
    }
    expect(await incidents(ledger())).toEqual([{ ...found, occurrences: 1 }])
    await ledger().after(60)
    await finish([skipOf(id)])
    expect(await incidents(ledger())).toMatchObject([{ occurrences: 2, open: true }])
    // While the slot is due, the incident stays open.
    await open()
    expect(await incidents(ledger())).toMatchObject([{ open: true }])
    await ledger().execute(
      `update public.organization_integrations set next_run_at = '${at(3_600)}' where id = '${id}'`
    )
    await open()
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
  })

  test("opens the same incident for a pending run that cannot be started, until the run is no longer pending", async () => {
    const id = await fresh()
    await ledger().execute(`
      update public.organization_integrations set next_run_at = '${at(3_600)}' where id = '${id}';
      insert into public.sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status)
      select id, org_id, integration_type, '${slot}', 'key', 'pending' from public.organization_integrations`)
    for (let n = 0; n < 3; n++) {
      await finish([skipOf(id, "start_unconfirmed")])
      await ledger().after(61)
    }
    await open()
    expect(await incidents(ledger())).toMatchObject([
      { open: true, detail: { reason: "start_unconfirmed" } }
    ])
    await ledger().execute("update public.sync_run_log set status = 'skipped'")
    await open()
    expect(await incidents(ledger())).toMatchObject([{ open: false }])
  })

  test("opens no incident for many engines in one minute, other slots, other reasons or recorded waits", async () => {
    const id = await fresh()
    for (let n = 0; n < 10; n++) await finish([skipOf(id, "locked")], `e${n}`)
    await ledger().after(120)
    await finish([skipOf(id, "lost_race")])
    await finish([skipOf(id, "locked", at(-3_600))])
    await finish([skipOf(id, "locked", null)])
    for (const reason of [
      "rejected",
      "already_running",
      "api_throttled",
      "api_limit",
      "not_before",
      "schedule_error"
    ]) {
      for (let n = 0; n < 4; n++) {
        await finish([skipOf(id, reason)])
        await ledger().after(60)
      }
    }
    expect(await incidents(ledger())).toEqual([])
  })

  test("a tick is recorded even if its summary or an earlier summary is unreadable", async () => {
    const id = await fresh()
    await ledger().execute(`insert into public.sync_tick (id, engine_id, started_at, skipped, summary)
      values (gen_random_uuid(), 'old', '${at(-600)}', 3, '{"skips": "many"}')`)
    await finish([{ integration_id: "no uuid", scheduled_for: "yesterday", reason: 7 }])
    await ledger().after(130)
    await finish([skipOf(id)])
    const [row] = await ledger().rows(
      "select count(*)::int as n from public.sync_tick where finished_at is not null"
    )
    expect(row).toEqual({ n: 2 })
  })
})
