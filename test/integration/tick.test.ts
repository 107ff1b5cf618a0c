import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createClient } from "@supabase/supabase-js"
import { ConfigError, runScheduledJobs, TickFailed } from "../../src/job-trigger-engine.ts"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type Mechanism, type Project, startProject } from "../support/Project.ts"

let project: Project
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

const mechanisms: ReadonlyArray<Mechanism> = ["supabase-js", "direct"]

const client = () =>
  createClient(project.gateway.url, project.gateway.secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false }
  })

describe.each([...mechanisms])("over %s", (mechanism) => {
  test("three due integrations give three completed rows, each invoked once as the contract says", async () => {
    const ids = await project.seedDue(3, { config: `'{"company": "Fjord AS"}'` })
    const summary = await project.tick(mechanism)
    expect(summary).toMatchObject({ due: 3, triggered: 3, completed: 3, failed: 0, errors: [] })
    expect(await project.statuses()).toEqual({ completed: 3 })

    expect(project.functions.calls.length).toBe(3)
    const rows = await project.sql`select * from sync_run_log`
    for (const row of rows) {
      expect(ids).toContain(row.integration_id)
      expect(row).toMatchObject({
        attempt: 1,
        trigger: "schedule",
        http_status: 200,
        ambiguous: false
      })
      const call = project.functions.calls.find((c) => c.body.run_id === row.id)
      expect(call?.body).toMatchObject({
        org_id: row.org_id,
        integration_id: row.integration_id,
        integration_type: "xledger",
        scheduled_for: row.scheduled_for.toISOString(),
        attempt: 1,
        idempotency_key: row.idempotency_key,
        trigger: "schedule",
        lease_token: row.lease_token,
        config: { company: "Fjord AS" }
      })
      expect(call?.headers["idempotency-key"]).toBe(row.idempotency_key)
      expect(call?.headers["x-sync-run-id"]).toBe(row.id)
      expect(call?.headers.apikey).toBe(project.gateway.secretKey)
      expect(call?.headers.authorization).toBeUndefined()
    }
    expect(await project.tick(mechanism)).toMatchObject({ due: 0, triggered: 0, errors: [] })
    const ticks =
      await project.sql`select due, completed, finished_at from sync_tick order by started_at`
    expect(ticks.map((t: { due: number; completed: number }) => [t.due, t.completed])).toEqual([
      [3, 3],
      [0, 0]
    ])
    expect(ticks.every((t: { finished_at: Date | null }) => t.finished_at !== null)).toBe(true)
  })

  test("an invalid row is named and blocks no other row", async () => {
    await project.seedDue(2)
    await project.seedDue(1, { sync_schedule: "'61 * * * *'" })
    await project.seedDue(1, { timezone: "'Europe/Atlantis'", next_run_at: "null" })
    await project.seedDue(1, { sync_schedule: "'0 0 30 2 *'" })
    const unbounded = { next_run_at: "null", schedule_since: "'-infinity'" }
    await expect(project.seedDue(1, unbounded)).rejects.toThrow("organization_integrations_bounds")
    // An adopted table can contain a schedule_since that the constraint rejects.
    await project.sql`alter table organization_integrations drop constraint organization_integrations_bounds`
    await project.seedDue(1, unbounded)
    const summary = await project.tick(mechanism)
    expect(summary).toMatchObject({ triggered: 2, completed: 2 })
    expect(summary.errors.map((e) => e.code).sort()).toEqual([
      "ROW_UNREADABLE",
      "SCHEDULE_INVALID",
      "SCHEDULE_INVALID",
      "SCHEDULE_INVALID"
    ])
    const again = await project.tick(mechanism)
    expect(again.errors.map((e) => e.code)).toEqual(["ROW_UNREADABLE"])
    const bad = await project.sql`select schedule_error from organization_integrations
                                  where schedule_error is not null order by 1`
    expect(bad.length).toBe(3)
  })

  test("250 due integrations take several pages, and the limit applies", async () => {
    await project.seedDue(250)
    const limited = await project.tick(mechanism, {}, { limit: 30 })
    expect(limited).toMatchObject({ triggered: 30, completed: 30 })
    expect(await project.tick(mechanism)).toMatchObject({
      triggered: 220,
      completed: 220,
      skipped: 0
    })
    expect(await project.statuses()).toEqual({ completed: 250 })
    expect(project.functions.peakInFlight).toBeLessThanOrEqual(5)
  })

  test("catch_up = all runs every missed slot inside the window in one tick, oldest first and one at a time", async () => {
    const [id] = await project.seedDue(1, {
      catch_up: "'all'",
      sync_schedule: "'*/10 * * * *'",
      next_run_at: "date_trunc('hour', now()) - interval '3 hours'",
      catch_up_window: "interval '2 hours'"
    })
    await project.seedDue(7)
    const summary = await project.tick(mechanism)
    const rows = await project.sql`select scheduled_for, started_at, finished_at from sync_run_log
                                   where integration_id = ${id} order by scheduled_for`
    expect(rows.length).toBeGreaterThanOrEqual(12)
    expect(summary.completed).toBe(rows.length + 7)
    for (let n = 1; n < rows.length; n += 1) {
      expect(rows[n].started_at.getTime()).toBeGreaterThanOrEqual(rows[n - 1].finished_at.getTime())
    }
    const [range] = await project.sql`select count::int, reason from sync_skipped_range`
    expect(range.reason).toBe("outside_window")
    expect(summary.missed).toBe(range.count)
  })

  test("20 due integrations with functions of 2 s take eight seconds, not forty", async () => {
    await project.seedDue(20)
    project.functions.behave(() => Behaviour.delay(2_000))
    const summary = await project.tick(mechanism)
    expect(summary).toMatchObject({ triggered: 20, completed: 20 })
    expect(project.functions.peakInFlight).toBe(5)
    expect(summary.duration_ms).toBeLessThan(50_000)
  }, 60_000)
})

describe("runScheduledJobs(supabaseClient, integrationEdgeFunctionUrl)", () => {
  const url = () => `${project.gateway.url}/functions/v1/integration-sync`

  test("three due integrations give three completed rows", async () => {
    await project.seedDue(3)
    const summary = await runScheduledJobs(client(), url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ due: 3, triggered: 3, completed: 3, errors: [] })
    expect(summary.started_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(await project.statuses()).toEqual({ completed: 3 })
  })

  test("a mock client needs only rpc", async () => {
    await project.seedDue(1)
    const real = client()
    const mocked = { rpc: (name: string, args: object) => real.rpc(name, args) }
    const summary = await runScheduledJobs(mocked, url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ completed: 1 })
  })

  test("nothing due gives zeros and no error", async () => {
    const summary = await runScheduledJobs(client(), url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ ok: true, due: 0, triggered: 0, errors: [] })
  })

  test("only functions that the options allow are invoked", async () => {
    await project.seedDue(1, { function_name: "'payroll-sync'" })
    const options = { functionKey: project.gateway.secretKey }
    const refused = await runScheduledJobs(client(), url(), options)
    expect(refused.runs[0]?.error?.code).toBe("FUNCTION_NOT_ALLOWED")
    await project.seedDue(1, { function_name: "'payroll-sync'" })
    const allowed = await runScheduledJobs(client(), url(), {
      ...options,
      functions: ["payroll-sync"]
    })
    expect(allowed).toMatchObject({ triggered: 1, completed: 1 })
  })

  test("a tick that could not work is not ok, and rejects with throwOnError", async () => {
    await project.seedDue(1)
    const refused = createClient(project.gateway.url, "sb_secret_wrong")
    const options = { functionKey: project.gateway.secretKey }
    const summary = await runScheduledJobs(refused, url(), options)
    expect(summary).toMatchObject({ ok: false, due: 0, errors: [{ code: "KEY_REFUSED" }] })
    const failure = await runScheduledJobs(refused, url(), {
      ...options,
      throwOnError: true
    }).catch((error) => error)
    expect(failure).toBeInstanceOf(TickFailed)
    expect(failure).toMatchObject({
      _tag: "TickFailed",
      code: "KEY_REFUSED",
      summary: { ok: false }
    })
    expect(failure.message).toContain("Set SUPABASE_SECRET_KEY")
    project.functions.behave(() => Behaviour.status(400, { error: "no" }))
    expect(
      await runScheduledJobs(client(), url(), { ...options, throwOnError: true })
    ).toMatchObject({ ok: true, failed: 1 })
    const [tick] = await project.sql`select ok, failed from sync_tick`
    expect(tick).toMatchObject({ ok: true, failed: 1 })
  })

  test("the wait for an unavailable database is short, not three quarters of a minute", async () => {
    const away: Array<string> = []
    const rpc = async (name: string) => {
      away.push(name)
      throw Object.assign(new TypeError("fetch failed"), { code: "ECONNREFUSED" })
    }
    const began = performance.now()
    const options = { functionKey: project.gateway.secretKey }
    const summary = await runScheduledJobs({ rpc }, url(), options)
    // A timer-driven tick would wait 45 s.
    expect(performance.now() - began).toBeLessThan(30_000)
    expect(away.length).toBeGreaterThan(3)
    expect(summary).toMatchObject({
      ok: false,
      errors: [
        {
          code: "SUPABASE_UNREACHABLE",
          message:
            "Supabase or the database does not answer: the connection to the server was refused",
          hint: "Check SUPABASE_URL (or SUPABASE_DB_URL), and check that the project is running."
        }
      ]
    })
  }, 60_000)

  test("an unknown option is rejected with the closest known one", async () => {
    const misspelt = { functionKey: project.gateway.secretKey, concurency: 3 }
    const failure = await runScheduledJobs(client(), url(), misspelt).catch((error) => error)
    expect(failure).toBeInstanceOf(ConfigError)
    expect(failure.message).toBe(
      "options.concurency is invalid: this option does not exist. Did you mean settings.concurrency?"
    )
    const settings = {
      functionKey: project.gateway.secretKey,
      settings: { concurrency: 5, retryBaseMS: 3 }
    }
    expect(
      (await runScheduledJobs(client(), url(), settings).catch((error) => error)).message
    ).toContain("options.settings.retryBaseMS is invalid")
  })

  test.each([
    { settings: { concurrency: 0 } },
    { settings: { concurrency: 1.5 } },
    { settings: { concurrency: Number.NaN } },
    { settings: { invokeTimeoutMs: -1 } },
    { settings: { retryBaseMs: Number.POSITIVE_INFINITY } },
    { limit: -1 },
    { budgetMs: Number.NaN }
  ])("an impossible number is rejected with the allowed range: %p", async (given) => {
    const options = { functionKey: project.gateway.secretKey, ...given }
    const failure = await runScheduledJobs(client(), url(), options).catch((error) => error)
    expect(failure).toBeInstanceOf(ConfigError)
    expect(failure.message).toMatch(/^options\..+ is invalid: it is .+\. Pass .+ from [01]\.$/)
  })

  test.each([
    ["", "sb_secret_x", "integrationEdgeFunctionUrl"],
    ["https://x.supabase.co/functions/v1/f", "sb_publishable_x", "functionKey"]
  ])("an invalid URL or key is a typed error: %p %p", async (badUrl, key, setting) => {
    const failure = await runScheduledJobs(client(), badUrl, { functionKey: key }).catch((e) => e)
    expect(failure).toMatchObject({ _tag: "ConfigError", problems: [{ key: setting }] })
  })
})
