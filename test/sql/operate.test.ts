import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { at, onEachServer, org } from "./Ledger.ts"
import { list, openRunFixture, QUIESCENCE, states } from "./RunFixture.ts"

const who = { p_actor: "Kari Nordmann", p_reason: "checked in Xledger: not booked" }

onEachServer("an operator", (ledger) => {
  const operate = (name: string, id: string) => {
    const key =
      name.includes("run") && name !== "trigger_sync_run" ? "p_run_id" : "p_integration_id"
    return ledger().call(name, { [key]: id, ...who })
  }

  for (const [state, ambiguous] of [
    ["failed", false],
    ["skipped", false],
    ["unknown", true],
    ["held", true],
    ["released", true]
  ] as const) {
    test(`retries a run that is ${state}, and the retry is recorded`, async () => {
      const fixture = await states[state]?.(ledger())
      const before = await fixture?.row()
      const answer = await fixture?.retry()
      expect(answer).toMatchObject({ done: true, status: "pending", from: before?.status })
      const row = await fixture?.row()
      const [clock] = await ledger().rows("select to_jsonb(sync_scheduler.clock()) as now")
      expect(row).toMatchObject({
        status: "pending",
        attempt: before?.attempt,
        max_attempts: Number(before?.max_attempts) + 1,
        ambiguous,
        not_before: state === "unknown" ? answer?.not_before : clock?.now,
        released_at: null,
        finished_at: null,
        claimed_by: null
      })
      const [event] = await ledger().rows(
        `select actor, reason, from_status, to_status from public.sync_run_event where kind = 'retried'`
      )
      expect(event).toEqual({
        actor: "Kari",
        reason: "checked in Xledger",
        from_status: before?.status,
        to_status: "pending"
      })
      await fixture?.after(QUIESCENCE)
      expect(await fixture?.startWith(randomUUID(), "e9")).toMatchObject({ status: "running" })
    })
  }

  test("an earlier attempt's report changes nothing after a retried failure, and counts after a retried unknown run", async () => {
    const failed = await states.failed?.(ledger())
    await failed?.retry()
    expect(await failed?.complete("failed")).toMatchObject({ reason: "token_mismatch" })
    expect(await failed?.row()).toMatchObject({ status: "pending" })
    const unknown = await states.unknown?.(ledger())
    await unknown?.retry()
    expect(await unknown?.complete("completed")).toMatchObject({ accepted: true })
    expect(await unknown?.row()).toMatchObject({ status: "completed" })
  })

  test("a retried run that is refused again keeps its ambiguity", async () => {
    const fixture = await states.held?.(ledger())
    await fixture?.retry()
    await fixture?.start("e2")
    await fixture?.settle("failed", { error_code: "NO_PERIOD" })
    expect(await fixture?.row()).toMatchObject({ status: "unknown", ambiguous: true })
  })

  test("cannot retry a deleted run, or a run of an integration that is disabled or has a live run", async () => {
    const fixture = await states.released?.(ledger())
    if (fixture === undefined) throw new Error("no such state")
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key)
      values ('${fixture.integrationId}', '${org}', '${at(240)}', 'later')`)
    expect(await fixture.retry()).toMatchObject({ done: false, reason: "already_running" })
    await ledger().execute("delete from public.sync_run_log where idempotency_key = 'later'")
    await fixture.setIntegration("enabled = false")
    expect(await fixture.retry()).toMatchObject({ done: false, reason: "disabled" })
    await ledger().execute("delete from public.organization_integrations")
    expect(await fixture.retry()).toMatchObject({ done: false, reason: "gone" })
    expect(await operate("retry_sync_run", randomUUID())).toMatchObject({ reason: "not_found" })
  })

  test("releases a held run: it stays unknown, its incident is resolved, and later slots run", async () => {
    const fixture = await states.held?.(ledger())
    expect(await fixture?.release()).toMatchObject({ done: true, status: "unknown" })
    expect(await fixture?.row()).toMatchObject({ status: "unknown", ambiguous: true })
    expect(await fixture?.incidents("unknown")).toEqual(["resolved"])
    const again = await operate("trigger_sync_run", fixture?.integrationId ?? "")
    expect(again).toMatchObject({ done: true, status: "pending" })
  })

  test("triggers a run, unless the integration has a live run or is disabled", async () => {
    await ledger().reset()
    const id = await ledger().integration()
    const answer = await operate("trigger_sync_run", id)
    expect(answer).toMatchObject({ done: true, scheduled_for: at(0) })
    const [row] = await ledger().rows("select * from public.sync_run_log")
    expect(row).toMatchObject({
      ...{ trigger: "manual", status: "pending", claimed_by: null, attempt: 0, max_attempts: 3 },
      idempotency_key: `${id}:${at(0)}`
    })
    const pending = list(await ledger().call("read_pending_runs", { p_engine_id: "e1" }))
    expect(pending).toMatchObject([{ run_id: row?.id, trigger: "manual" }])
    expect(await operate("trigger_sync_run", id)).toMatchObject({ reason: "already_running" })
    await ledger().execute("update public.sync_run_log set status = 'completed'")
    expect(await operate("trigger_sync_run", id)).toMatchObject({ reason: "already_recorded" })
    await ledger().execute("update public.organization_integrations set enabled = false")
    expect(await operate("trigger_sync_run", id)).toMatchObject({ reason: "disabled" })
    expect(await operate("trigger_sync_run", randomUUID())).toMatchObject({ reason: "not_found" })
  })

  test("pauses and resumes, which is recorded; slots in between are a range", async () => {
    await ledger().reset()
    const id = await ledger().integration()
    expect(await operate("pause_integration", id)).toEqual({ done: true, integration_id: id })
    expect(await operate("pause_integration", id)).toMatchObject({ reason: "already_paused" })
    const row = async () =>
      (await ledger().rows("select * from public.organization_integrations"))[0]
    expect(await row()).toMatchObject({ enabled: false, paused_reason: who.p_reason })
    await ledger().after(600)
    expect(await operate("resume_integration", id)).toEqual({ done: true, integration_id: id })
    expect(await operate("resume_integration", id)).toMatchObject({ reason: "not_paused" })
    expect(await row()).toMatchObject({ enabled: true, paused_reason: null, next_run_at: null })
    const events = await ledger().rows(
      "select kind, actor, reason from public.sync_run_event order by id"
    )
    expect(events).toEqual(
      ["paused", "resumed"].map((kind) => ({ kind, actor: who.p_actor, reason: who.p_reason }))
    )
    const ranges = await ledger().rows("select reason from public.sync_skipped_range order by id")
    expect(ranges).toEqual([{ reason: "disabled" }, { reason: "disabled" }])
    for (const name of ["pause_integration", "resume_integration"]) {
      expect(await operate(name, randomUUID())).toMatchObject({ done: false, reason: "not_found" })
    }
  })

  test("must name an actor and a reason", async () => {
    const fixture = await openRunFixture(ledger())
    const anonymous = { p_run_id: fixture.runId, p_actor: " ", p_reason: "because" }
    for (const args of [anonymous, { ...anonymous, p_actor: "Kari", p_reason: null }]) {
      const asked = ledger().call("retry_sync_run", args)
      expect(asked).rejects.toThrow("who (p_actor) and why (p_reason) are required")
      await asked.catch(() => undefined)
    }
  })

  test("a retried unknown run waits until its function must have ended", async () => {
    const fixture = await states.unknown?.(ledger())
    const { not_before } = (await fixture?.row()) ?? {}
    expect(await fixture?.retry()).toMatchObject({ done: true, not_before })
    expect(await fixture?.startWith(randomUUID(), "e2")).toMatchObject({ reason: "not_before" })
    await fixture?.after(QUIESCENCE)
    expect(await fixture?.startWith(randomUUID(), "e2")).toMatchObject({ attempt: 2 })
  })

  test("a retried unknown run whose function must have ended starts immediately", async () => {
    const fixture = await states.unknown?.(ledger())
    await fixture?.after(QUIESCENCE)
    expect(await fixture?.retry()).toMatchObject({ done: true, not_before: null })
    expect(await fixture?.startWith(randomUUID(), "e2")).toMatchObject({ attempt: 2 })
  })
})
