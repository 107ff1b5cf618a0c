import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { at, json, next, onEachServer, org } from "./Ledger.ts"
import { list, openRunFixture, type RunFixture, runFixtureOf, states } from "./RunFixture.ts"

/** Settles the integration's next slot, and returns that run's fixture. */
const nextRun = async (fixture: RunFixture, outcome: string): Promise<RunFixture> => {
  const id = randomUUID()
  await fixture.ledger.execute(`
    insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key, created_at)
    select '${id}', '${fixture.integrationId}', '${org}', c.at, '${id}', c.at from sync_scheduler.test_clock c`)
  const run = runFixtureOf(fixture.ledger, fixture.integrationId, id)
  await run.start("e2")
  await run.settle(outcome, { error_code: "NO_PERIOD" })
  return run
}

onEachServer("settling a run", (ledger) => {
  test("records the outcome", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.after(7)
    const answer = await fixture.settle("completed", {
      http_status: 200,
      response: { rows: 3 },
      cold_start: true,
      warm_up_ms: 812
    })
    expect(answer).toEqual({
      run_id: fixture.runId,
      accepted: true,
      status: "completed"
    })
    expect(await fixture.row()).toMatchObject({
      status: "completed",
      http_status: 200,
      response: { rows: 3 },
      cold_start: true,
      warm_up_ms: 812,
      duration_ms: 7000,
      finished_at: json(at(7)),
      ambiguous: false,
      error_code: null
    })
  })

  test("keeps a refused run pending for the requested time, and any engine may retry it", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const answer = await fixture.settle("not_executed", {
      error_code: "RATE_LIMIT_EXCEEDED",
      http_status: 429,
      retry_in_ms: 30_000
    })
    expect(answer).toMatchObject({ accepted: true, status: "pending", retry_at: at(30) })
    expect(await fixture.row()).toMatchObject({
      status: "pending",
      claimed_by: null,
      not_before: json(at(30)),
      error_code: "RATE_LIMIT_EXCEEDED",
      finished_at: null
    })
    expect(await fixture.settle("not_executed", { error_code: "RATE_LIMIT_EXCEEDED" })).toEqual(
      answer
    )
  })

  test("a refusal without attempts left fails the run, and does not count for the breaker", async () => {
    const fixture = await openRunFixture(ledger(), { max_attempts: "1" })
    await fixture.start()
    await fixture.settle("not_executed", { error_code: "BOOT_ERROR" })
    expect(await fixture.row()).toMatchObject({ status: "failed", ambiguous: false })
    const [row] = await ledger().rows(
      "select consecutive_failures from public.organization_integrations"
    )
    expect(row).toEqual({ consecutive_failures: 0 })
  })

  test("returns the report that the function made earlier", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.complete("completed")
    for (const outcome of ["unknown", "failed", "not_executed"]) {
      expect(await fixture.settle(outcome)).toMatchObject({
        accepted: false,
        status: "completed",
        reason: "finished"
      })
    }
    expect(await fixture.settle("completed")).toMatchObject({ accepted: true, status: "completed" })
  })

  test("truncates texts to 2 KiB between characters, and responses to 64 KiB", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const message = "blåbær🔑".repeat(600)
    await fixture.settle("failed", {
      error_code: "X".repeat(500),
      error_message: message,
      response: { text: "x".repeat(70_000) }
    })
    const row = await fixture.row()
    const kept = String(row.error_message)
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(2048)
    expect(Buffer.byteLength(kept)).toBeGreaterThan(2048 - 8)
    expect(message.startsWith(kept)).toBe(true)
    expect(String(row.error_code)).toHaveLength(200)
    expect(row.response).toEqual({ truncated: true, bytes: 70_012 })
  })

  test("records the function's report about its failure", async () => {
    const reports: ReadonlyArray<readonly [unknown, unknown, unknown]> = [
      [{ code: "NO_PERIOD", message: "closed" }, "NO_PERIOD", "closed"],
      [{ message: "closed" }, "FUNCTION_FAILED", "closed"],
      ["closed", "FUNCTION_FAILED", "closed"],
      [null, "FUNCTION_FAILED", "The function reported a failure."]
    ]
    for (const [error, code, message] of reports) {
      const fixture = await openRunFixture(ledger())
      await fixture.start()
      await fixture.complete("failed", error)
      expect(await fixture.row()).toMatchObject({ error_code: code, error_message: message })
    }
    const fixture = await openRunFixture(ledger())
    expect(fixture.complete("unknown")).rejects.toThrow("must be completed or failed")
  })

  test("an outcome that cannot be recorded does not affect the others", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const other = await nextRunning(fixture)
    const settled = await ledger().call("settle_sync_runs", {
      p_engine_id: "e1",
      p_settlements: [
        { run_id: fixture.runId, lease_token: fixture.token, outcome: "failed", http_status: 3e10 },
        { run_id: other.runId, lease_token: other.token, outcome: "completed" },
        { run_id: fixture.runId, lease_token: fixture.token, outcome: "gone" }
      ]
    })
    const answers = list(settled.settled).map(({ accepted, reason }) => reason ?? accepted)
    expect(answers.toSorted()).toEqual(["rejected", "rejected", true])
    expect(await other.row()).toMatchObject({ status: "completed" })
    expect(await fixture.row()).toMatchObject({ status: "running" })
  })

  test("settles nothing while another session locks the run, and the caller may retry", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const holder = connect(ledger().url, { max: 1 })
    await holder.begin(async (transaction) => {
      await transaction`select from public.sync_run_log where id = ${fixture.runId} for update`
      const asked = fixture.settle("completed")
      expect(asked).rejects.toMatchObject({ errno: "55P03" })
      await asked.catch(() => undefined)
    })
    await holder.close()
    expect(await fixture.settle("completed")).toMatchObject({ accepted: true })
  })

  test("records the outcome even while another session locks the integration", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    const holder = connect(ledger().url, { max: 1 })
    await holder.begin(async (transaction) => {
      await transaction`select from public.organization_integrations for update`
      expect(await fixture.settle("failed", { error_code: "X" })).toMatchObject({ accepted: true })
    })
    await holder.close()
    expect(await fixture.row()).toMatchObject({ status: "failed" })
    expect((await fixture.events()).at(-1)).toBe("not_counted failed>failed (lock_timeout)")
  })
})

onEachServer("the breaker", (ledger) => {
  const stateOf = async () => {
    const [row] =
      await ledger().rows(`select consecutive_failures as failures, breaker_until as until
                                         from public.organization_integrations`)
    return row
  }

  test("opens at the fifth definite failure in a row, and doubles its time up to a day", async () => {
    let fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("failed")
    const waits: Array<unknown> = []
    let now = 0
    for (let failures = 2; failures <= 13; failures++) {
      await fixture.after(60)
      now += 60
      fixture = await nextRun(fixture, "failed")
      const { until } = (await stateOf()) ?? {}
      waits.push(until === null ? null : (Date.parse(String(until)) - Date.parse(at(now))) / 60_000)
    }
    const open = [15, 30, 60, 120, 240, 480, 960, 1440, 1440]
    expect(waits).toEqual([null, null, null, ...open])
    expect(await fixture.incidents("breaker")).toEqual(["open"])
  })

  test("blocks every slot while open, allows one run when half-open, and closes after a success", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("completed")
    await fixture.setIntegration(
      `consecutive_failures = 5, breaker_until = '${at(900)}', next_run_at = '${next}'`
    )
    await ledger().call("pause_integration", {
      p_integration_id: randomUUID(),
      p_actor: "Kari",
      p_reason: "nobody"
    })
    await fixture.after(899)
    const due = async () => list((await ledger().call("read_due_integrations")).integrations).length
    const claim = () =>
      ledger().call("claim_sync_runs", {
        p_engine_id: "e1",
        p_claim_token: randomUUID(),
        p_slots: [
          {
            ...{ integration_id: fixture.integrationId, org_id: org, schedule_version: 1 },
            ...{ expected_next_run_at: next, scheduled_for: next, next_run_at: at(1200) }
          }
        ]
      })
    expect(await due()).toBe(0)
    expect(list((await claim()).skipped)).toMatchObject([{ reason: "breaker_open" }])
    await fixture.after(1)
    expect(await due()).toBe(1)
    const trial = list((await claim()).claimed)[0]
    const run = runFixtureOf(ledger(), fixture.integrationId, String(trial?.run_id))
    await run.start()
    await run.settle("failed")
    expect(await stateOf()).toEqual({ failures: 6, until: json(at(900 + 1800)) })
    await fixture.after(1800)
    await nextRun(fixture, "completed")
    expect(await stateOf()).toEqual({ failures: 0, until: null })
    expect(await fixture.incidents("breaker")).toEqual(["resolved"])
  })

  test("restarts its count after a success, and does not count unknown outcomes", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.start()
    await fixture.settle("failed")
    expect(await stateOf()).toMatchObject({ failures: 1 })
    await fixture.after(60)
    await nextRun(fixture, "completed")
    expect(await stateOf()).toMatchObject({ failures: 0 })
    const unknown = await states.unknown?.(ledger())
    expect(await unknown?.row()).toMatchObject({ status: "unknown" })
    expect(await stateOf()).toMatchObject({ failures: 0 })
  })

  test("can be closed by an operator", async () => {
    const fixture = await openRunFixture(ledger())
    await fixture.setIntegration(`consecutive_failures = 7, breaker_until = '${at(900)}'`)
    await ledger().execute(`select sync_scheduler.raise_incident('breaker', '${fixture.integrationId}',
      '${fixture.integrationId}', null, null)`)
    const answer = await ledger().call("resume_integration", {
      p_integration_id: fixture.integrationId,
      p_actor: "Kari",
      p_reason: "the period is open again"
    })
    expect(answer).toMatchObject({ done: true })
    expect(await stateOf()).toEqual({ failures: 0, until: null })
    expect(await fixture.incidents("breaker")).toEqual(["resolved"])
  })
})

const nextRunning = async (fixture: RunFixture): Promise<RunFixture> => {
  const integrationId = await fixture.ledger.integration()
  const id = randomUUID()
  await fixture.ledger.execute(`
    insert into public.sync_run_log (id, integration_id, org_id, scheduled_for, idempotency_key)
    values ('${id}', '${integrationId}', '${org}', '${next}', '${id}')`)
  const run = runFixtureOf(fixture.ledger, integrationId, id)
  await run.start("e1")
  return run
}
