import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { at, onEachServer, org } from "./Ledger.ts"
import { list, openScene, QUIESCENCE, states } from "./Scene.ts"

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
    test(`retries a run that is ${state}, on record`, async () => {
      const scene = await states[state]?.(ledger())
      const before = await scene?.row()
      const answer = await scene?.retry()
      expect(answer).toMatchObject({ done: true, status: "pending", from: before?.status })
      const row = await scene?.row()
      expect(row).toMatchObject({
        status: "pending",
        attempt: before?.attempt,
        max_attempts: Number(before?.max_attempts) + 1,
        ambiguous,
        not_before: state === "unknown" ? answer?.not_before : null,
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
      await scene?.after(QUIESCENCE)
      expect(await scene?.startWith(randomUUID(), "e9")).toMatchObject({ status: "running" })
    })
  }

  test("a report of the attempt before a retried failure changes nothing; of an unknown one, it counts", async () => {
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
    const scene = await states.held?.(ledger())
    await scene?.retry()
    await scene?.start("e2")
    await scene?.settle("failed", { error_code: "NO_PERIOD" })
    expect(await scene?.row()).toMatchObject({ status: "unknown", ambiguous: true })
  })

  test("cannot retry while another run of the integration is live, when disabled, or what is gone", async () => {
    const scene = await states.released?.(ledger())
    if (scene === undefined) throw new Error("no such state")
    await ledger().execute(`
      insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key)
      values ('${scene.integrationId}', '${org}', '${at(240)}', 'later')`)
    expect(await scene.retry()).toMatchObject({ done: false, reason: "already_running" })
    await ledger().execute("delete from public.sync_run_log where idempotency_key = 'later'")
    await scene.setIntegration("enabled = false")
    expect(await scene.retry()).toMatchObject({ done: false, reason: "disabled" })
    await ledger().execute("delete from public.organization_integrations")
    expect(await scene.retry()).toMatchObject({ done: false, reason: "gone" })
    expect(await operate("retry_sync_run", randomUUID())).toMatchObject({ reason: "not_found" })
  })

  test("releases what is held: it stays unknown, its incident is resolved, later slots run", async () => {
    const scene = await states.held?.(ledger())
    expect(await scene?.release()).toMatchObject({ done: true, status: "unknown" })
    expect(await scene?.row()).toMatchObject({ status: "unknown", ambiguous: true })
    expect(await scene?.incidents("unknown")).toEqual(["resolved"])
    const again = await operate("trigger_sync_run", scene?.integrationId ?? "")
    expect(again).toMatchObject({ done: true, status: "pending" })
  })

  test("triggers a run now, unless one is live or the integration is disabled", async () => {
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

  test("pauses and resumes, on record; what passed meanwhile is a range", async () => {
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

  test("says who and why, or is refused", async () => {
    const scene = await openScene(ledger())
    const anonymous = { p_run_id: scene.runId, p_actor: " ", p_reason: "because" }
    for (const args of [anonymous, { ...anonymous, p_actor: "Kari", p_reason: null }]) {
      const asked = ledger().call("retry_sync_run", args)
      expect(asked).rejects.toThrow("who (p_actor) and why (p_reason) are required")
      await asked.catch(() => undefined)
    }
  })

  test("a retried unknown run waits until its function must be over", async () => {
    const scene = await states.unknown?.(ledger())
    const { not_before } = (await scene?.row()) ?? {}
    expect(await scene?.retry()).toMatchObject({ done: true, not_before })
    expect(await scene?.startWith(randomUUID(), "e2")).toMatchObject({ reason: "not_before" })
    await scene?.after(QUIESCENCE)
    expect(await scene?.startWith(randomUUID(), "e2")).toMatchObject({ attempt: 2 })
  })

  test("a retried unknown run whose function must be over is started at once", async () => {
    const scene = await states.unknown?.(ledger())
    await scene?.after(QUIESCENCE)
    expect(await scene?.retry()).toMatchObject({ done: true, not_before: null })
    expect(await scene?.startWith(randomUUID(), "e2")).toMatchObject({ attempt: 2 })
  })
})
