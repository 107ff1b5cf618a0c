import { expect, test } from "bun:test"
import { at, json, onEachServer } from "./Ledger.ts"
import { LEASE, openScene, QUIESCENCE, type Scene, states } from "./Scene.ts"

const stateOf = async (scene: Scene) => {
  const { status, attempt, ambiguous, ambiguous_before, released_at } = await scene.row()
  return { status, attempt, ambiguous, ambiguous_before, released: released_at !== null }
}

/** Lets a sweeper requeue an unknown run after its quiescence, and starts it again. */
const again = async (scene: Scene) => {
  await scene.after(QUIESCENCE)
  await scene.sweep()
  await scene.start("e2")
}

onEachServer("what may have happened", (ledger) => {
  test("an attempt proven not executed does not clear what an earlier one left open", async () => {
    const scene = await openScene(ledger(), { max_attempts: "3" })
    await scene.start()
    await scene.settle("unknown", { error_code: "RESET" })
    await again(scene)
    expect(await stateOf(scene)).toMatchObject({ attempt: 2, ambiguous_before: true })
    await scene.settle("not_executed", { retry_in_ms: 0 })
    expect(await stateOf(scene)).toMatchObject({ status: "pending", ambiguous: true })
    await scene.start()
    await scene.settle("not_executed", { retry_in_ms: 0 })
    // No attempts left: refused in the end, but the first may have gone through. Never failed.
    expect(await stateOf(scene)).toMatchObject({ status: "unknown", attempt: 3, ambiguous: true })
  })

  test("a definite failure after an unknown attempt is unknown, not failed", async () => {
    const scene = await openScene(ledger())
    await scene.start()
    await scene.settle("unknown", { error_code: "RESET" })
    await again(scene)
    await scene.settle("failed", { error_code: "NO_PERIOD", error_message: "no open period" })
    expect(await stateOf(scene)).toMatchObject({ status: "unknown", ambiguous: true })
    expect((await scene.row()).error_code).toBe("NO_PERIOD")
    expect(await scene.incidents("unknown")).toEqual(["open"])
  })

  test("a success after an unknown attempt is a success, and closes the incident", async () => {
    const scene = await openScene(ledger())
    await scene.start()
    await scene.settle("unknown", { error_code: "RESET" })
    await again(scene)
    await scene.settle("completed")
    expect(await stateOf(scene)).toMatchObject({ status: "completed", attempt: 2 })
    expect(await scene.incidents("unknown")).toEqual(["resolved"])
  })

  test("proof about the only unknown attempt clears it", async () => {
    const scene = await openScene(ledger(), { fenced: "true", max_attempts: "1" })
    await scene.start()
    await scene.settle("unknown", { error_code: "RESET" })
    await scene.after(LEASE)
    expect(await scene.sweep()).toMatchObject({ proven: 1, requeued: 0, released: 0 })
    expect(await stateOf(scene)).toMatchObject({ status: "failed", ambiguous: false })
    expect(await scene.incidents("unknown")).toEqual(["resolved"])
  })

  test("proof about the last of several attempts leaves the run unknown, and held where it is to hold", async () => {
    const columns = { fenced: "true", max_attempts: "2" }
    for (const onUnknown of ["retry", "hold"]) {
      const scene = await openScene(ledger(), columns)
      await scene.start()
      await scene.begin()
      await scene.settle("unknown", { error_code: "RESET" })
      await again(scene)
      await scene.setIntegration(`on_unknown = '${onUnknown}'`)
      await scene.after(LEASE)
      await scene.sweep()
      expect(await stateOf(scene)).toMatchObject({ status: "unknown", released: false })
      await scene.after(QUIESCENCE)
      await scene.sweep()
      expect(await stateOf(scene)).toMatchObject({
        status: "unknown",
        ambiguous: true,
        released: onUnknown === "retry"
      })
    }
  })

  test("an unfenced function proves nothing by its silence", async () => {
    const scene = await openScene(ledger(), { on_unknown: "'hold'" })
    await scene.start()
    await scene.settle("unknown")
    await scene.after(10 * LEASE)
    expect(await scene.sweep()).toMatchObject({ proven: 0 })
    expect(await stateOf(scene)).toMatchObject({ status: "unknown", released: false })
  })

  test("the fence counts as it was when the attempt started", async () => {
    const scene = await openScene(ledger(), { on_unknown: "'hold'" })
    await scene.start()
    await scene.setIntegration("fenced = true")
    await scene.after(LEASE)
    expect(await scene.sweep()).toMatchObject({ expired: 1, proven: 0 })
  })

  test("refused, yet a function began: one of them is wrong, so it is unknown", async () => {
    const scene = await openScene(ledger(), { fenced: "true" })
    await scene.start()
    await scene.begin()
    await scene.settle("not_executed", { error_code: "RATE_LIMIT_EXCEEDED" })
    expect(await stateOf(scene)).toMatchObject({ status: "unknown", ambiguous: true })
  })

  test("quiescence is counted from the last sign of life: start, begin, heartbeat", async () => {
    const scene = await openScene(ledger())
    await scene.start()
    await scene.after(10)
    await scene.begin()
    await scene.after(30)
    await scene.heartbeat()
    await scene.after(20)
    await scene.settle("unknown")
    expect((await scene.row()).not_before).toBe(json(at(40 + QUIESCENCE)))
    await scene.after(QUIESCENCE - 21)
    expect(await scene.sweep()).toMatchObject({ requeued: 0 })
    await scene.after(1)
    expect(await scene.sweep()).toMatchObject({ requeued: 1 })
  })

  test("a heartbeat brings an unknown run back, and what it reports counts", async () => {
    const scene = await openScene(ledger(), { fenced: "true" })
    await scene.start()
    await scene.begin()
    await scene.after(LEASE)
    await scene.sweep()
    expect(await scene.heartbeat()).toMatchObject({ accepted: true, status: "running" })
    expect(await scene.incidents("unknown")).toEqual(["resolved"])
    await scene.after(LEASE - 1)
    expect(await scene.sweep()).toMatchObject({ expired: 0 })
    expect(await scene.complete("completed")).toMatchObject({ accepted: true })
    expect(await stateOf(scene)).toMatchObject({ status: "completed", attempt: 1 })
  })

  test("a heartbeat on a released run, or of a superseded attempt, is refused", async () => {
    const released = await states.released?.(ledger())
    expect(await released?.heartbeat()).toMatchObject({ accepted: false, reason: "released" })
    const scene = await openScene(ledger())
    await scene.start()
    const old = scene.token
    await scene.settle("unknown")
    await again(scene)
    expect(await scene.heartbeat(old)).toMatchObject({ reason: "token_mismatch" })
    expect(await scene.complete("completed", null, old)).toMatchObject({ accepted: false })
    expect(await stateOf(scene)).toMatchObject({ status: "running", attempt: 2 })
  })

  test("a late report on a requeued run is accepted until the next attempt starts", async () => {
    const scene = await states.requeued?.(ledger())
    expect(await scene?.complete("completed")).toMatchObject({ accepted: true })
    expect(await scene?.row()).toMatchObject({
      status: "completed",
      attempt: 1,
      not_before: null
    })
    const failing = await states.requeued?.(ledger())
    expect(await failing?.complete("failed")).toMatchObject({ accepted: true, status: "failed" })
    expect(await failing?.row()).toMatchObject({ ambiguous: false })
  })

  test("a late report on a released run is accepted, while a later slot runs", async () => {
    const scene = await states.released?.(ledger())
    if (scene === undefined) throw new Error("no such state")
    await ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status)
        values ('${scene.integrationId}', '${scene.integrationId}', now(), 'later', 'running')`)
    expect(await scene.complete("completed")).toMatchObject({ accepted: true })
    expect(await stateOf(scene)).toMatchObject({ status: "completed", released: false })
    expect(await scene.incidents("unknown")).toEqual(["resolved"])
  })
})
