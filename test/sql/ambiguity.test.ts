import { expect, test } from "bun:test"
import { at, json, onEachServer } from "./Ledger.ts"
import { LEASE, openRunFixture, QUIESCENCE, type RunFixture, states } from "./RunFixture.ts"

const stateOf = async (fixture: RunFixture) => {
  const { status, attempt, ambiguous, ambiguous_before, released_at } = await fixture.row()
  return { status, attempt, ambiguous, ambiguous_before, released: released_at !== null }
}

/** Lets the sweep requeue an unknown run, and starts the run again. */
const again = async (fixture: RunFixture) => {
  await fixture.after(QUIESCENCE)
  await fixture.sweep()
  await fixture.start("e2")
}

onEachServer("ambiguous runs", (ledger) => {
  test("an attempt that was not executed does not resolve the ambiguity of an earlier one", async () => {
    const fixture = await openRunFixture(ledger(), { max_attempts: "3" })
    await fixture.start()
    await fixture.settle("unknown", { error_code: "RESET" })
    await again(fixture)
    expect(await stateOf(fixture)).toMatchObject({ attempt: 2, ambiguous_before: true })
    await fixture.settle("not_executed", { retry_in_ms: 0 })
    expect(await stateOf(fixture)).toMatchObject({ status: "pending", ambiguous: true })
    await fixture.start()
    await fixture.settle("not_executed", { retry_in_ms: 0 })
    // The last attempt was refused, but the first might have taken effect, so the run must not become failed.
    expect(await stateOf(fixture)).toMatchObject({ status: "unknown", attempt: 3, ambiguous: true })
  })

  test("a definite failure after an unknown attempt is unknown, not failed", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("unknown", { error_code: "RESET" })
    await again(fixture)
    await fixture.settle("failed", { error_code: "NO_PERIOD", error_message: "no open period" })
    expect(await stateOf(fixture)).toMatchObject({ status: "unknown", ambiguous: true })
    expect((await fixture.row()).error_code).toBe("NO_PERIOD")
    expect(await fixture.incidents("unknown")).toEqual(["open"])
  })

  test("a success after an unknown attempt is a success, and closes the incident", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("unknown", { error_code: "RESET" })
    await again(fixture)
    await fixture.settle("completed")
    expect(await stateOf(fixture)).toMatchObject({ status: "completed", attempt: 2 })
    expect(await fixture.incidents("unknown")).toEqual(["resolved"])
  })

  test("proof that the only unknown attempt was not executed resolves its ambiguity", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true", max_attempts: "1" })
    await fixture.start()
    await fixture.settle("unknown", { error_code: "RESET" })
    await fixture.after(LEASE)
    expect(await fixture.sweep()).toMatchObject({ proven: 1, requeued: 0, released: 0 })
    expect(await stateOf(fixture)).toMatchObject({ status: "failed", ambiguous: false })
    expect(await fixture.incidents("unknown")).toEqual(["resolved"])
  })

  test("proof about the last of several attempts leaves the run unknown, and on hold with on_unknown = hold", async () => {
    const columns = { fenced: "true", max_attempts: "2" }
    for (const onUnknown of ["retry", "hold"]) {
      const fixture = await openRunFixture(ledger(), columns)
      await fixture.start()
      await fixture.begin()
      await fixture.settle("unknown", { error_code: "RESET" })
      await again(fixture)
      await fixture.setIntegration(`on_unknown = '${onUnknown}'`)
      await fixture.after(LEASE)
      await fixture.sweep()
      expect(await stateOf(fixture)).toMatchObject({ status: "unknown", released: false })
      await fixture.after(QUIESCENCE)
      await fixture.sweep()
      expect(await stateOf(fixture)).toMatchObject({
        status: "unknown",
        ambiguous: true,
        released: onUnknown === "retry"
      })
    }
  })

  test("the silence of an unfenced function proves nothing", async () => {
    const fixture = await openRunFixture(ledger(), { on_unknown: "'hold'" })
    await fixture.start()
    await fixture.settle("unknown")
    await fixture.after(10 * LEASE)
    expect(await fixture.sweep()).toMatchObject({ proven: 0 })
    expect(await stateOf(fixture)).toMatchObject({ status: "unknown", released: false })
  })

  test("the fence setting at the start of the attempt applies", async () => {
    const fixture = await openRunFixture(ledger(), { on_unknown: "'hold'" })
    await fixture.start()
    await fixture.setIntegration("fenced = true")
    await fixture.after(LEASE)
    expect(await fixture.sweep()).toMatchObject({ expired: 1, proven: 0 })
  })

  test("a refused attempt is unknown if its function began", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true" })
    await fixture.start()
    await fixture.begin()
    await fixture.settle("not_executed", { error_code: "RATE_LIMIT_EXCEEDED" })
    expect(await stateOf(fixture)).toMatchObject({ status: "unknown", ambiguous: true })
  })

  test("the quiescence period is counted from the last sign of life: start, begin or heartbeat", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(10)
    await fixture.begin()
    await fixture.after(30)
    await fixture.heartbeat()
    await fixture.after(20)
    await fixture.settle("unknown")
    expect((await fixture.row()).not_before).toBe(json(at(40 + QUIESCENCE)))
    await fixture.after(QUIESCENCE - 21)
    expect(await fixture.sweep()).toMatchObject({ requeued: 0 })
    await fixture.after(1)
    expect(await fixture.sweep()).toMatchObject({ requeued: 1 })
  })

  test("a heartbeat sets an unknown run back to running, and its report counts", async () => {
    const fixture = await openRunFixture(ledger(), { fenced: "true" })
    await fixture.start()
    await fixture.begin()
    await fixture.after(LEASE)
    await fixture.sweep()
    expect(await fixture.heartbeat()).toMatchObject({ accepted: true, status: "running" })
    expect(await fixture.incidents("unknown")).toEqual(["resolved"])
    await fixture.after(LEASE - 1)
    expect(await fixture.sweep()).toMatchObject({ expired: 0 })
    expect(await fixture.complete("completed")).toMatchObject({ accepted: true })
    expect(await stateOf(fixture)).toMatchObject({ status: "completed", attempt: 1 })
  })

  test("a heartbeat of a released run or a superseded attempt is refused", async () => {
    const released = await states.released?.(ledger())
    expect(await released?.heartbeat()).toMatchObject({ accepted: false, reason: "released" })
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const old = fixture.token
    await fixture.settle("unknown")
    await again(fixture)
    expect(await fixture.heartbeat(old)).toMatchObject({ reason: "token_mismatch" })
    expect(await fixture.complete("completed", null, old)).toMatchObject({ accepted: false })
    expect(await stateOf(fixture)).toMatchObject({ status: "running", attempt: 2 })
  })

  test("a late report on a requeued run is accepted until the next attempt starts", async () => {
    const fixture = await states.requeued?.(ledger())
    expect(await fixture?.complete("completed")).toMatchObject({ accepted: true })
    expect(await fixture?.row()).toMatchObject({
      status: "completed",
      attempt: 1,
      not_before: null
    })
    const failing = await states.requeued?.(ledger())
    expect(await failing?.complete("failed")).toMatchObject({ accepted: true, status: "failed" })
    expect(await failing?.row()).toMatchObject({ ambiguous: false })
  })

  test("a late report on a released run is accepted, while a later slot runs", async () => {
    const fixture = await states.released?.(ledger())
    if (fixture === undefined) throw new Error("no such state")
    await ledger().execute(`
        insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status)
        values ('${fixture.integrationId}', '${fixture.integrationId}', now(), 'later', 'running')`)
    expect(await fixture.complete("completed")).toMatchObject({ accepted: true })
    expect(await stateOf(fixture)).toMatchObject({ status: "completed", released: false })
    expect(await fixture.incidents("unknown")).toEqual(["resolved"])
  })
})
