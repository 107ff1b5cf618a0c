import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createClient } from "@supabase/supabase-js"
import { runScheduledJobs } from "../../src/job-trigger-engine.ts"
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
  test("three due integrations: three completed rows, each invoked once as the contract says", async () => {
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

  test("a bad row is named and stops nobody else", async () => {
    await project.seedDue(2)
    await project.seedDue(1, { sync_schedule: "'61 * * * *'" })
    await project.seedDue(1, { timezone: "'Europe/Atlantis'", next_run_at: "null" })
    await project.seedDue(1, { sync_schedule: "'0 0 30 2 *'" })
    await project.seedDue(1, { next_run_at: "null", schedule_since: "'-infinity'" })
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

  test("pages: 250 due integrations, and a limit", async () => {
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

  test("catch_up all: every missed slot inside the window, oldest first, one at a time, in one tick", async () => {
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

  test("20 due integrations whose functions take 2 s: eight seconds of work, not forty", async () => {
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

  test("three due integrations: three completed rows", async () => {
    await project.seedDue(3)
    const summary = await runScheduledJobs(client(), url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ due: 3, triggered: 3, completed: 3, errors: [] })
    expect(summary.started_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(await project.statuses()).toEqual({ completed: 3 })
  })

  test("a mocked client needs only rpc", async () => {
    await project.seedDue(1)
    const real = client()
    const mocked = { rpc: (name: string, args: object) => real.rpc(name, args) }
    const summary = await runScheduledJobs(mocked, url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ completed: 1 })
  })

  test("nothing due: zeros and no error", async () => {
    const summary = await runScheduledJobs(client(), url(), {
      functionKey: project.gateway.secretKey
    })
    expect(summary).toMatchObject({ due: 0, triggered: 0, errors: [] })
  })

  test.each([
    ["", "sb_secret_x", "integrationEdgeFunctionUrl"],
    ["https://x.supabase.co/functions/v1/f", "sb_publishable_x", "functionKey"]
  ])("a URL or key that cannot be right is a typed error: %p %p", async (badUrl, key, setting) => {
    const failure = await runScheduledJobs(client(), badUrl, { functionKey: key }).catch((e) => e)
    expect(failure).toMatchObject({ _tag: "ConfigError", problems: [{ key: setting }] })
  })
})
