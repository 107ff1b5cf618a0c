import { afterEach, beforeEach, expect, test } from "bun:test"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"

let project: Project
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

/** The first request takes `bootMs`, because the isolate has to boot. */
const bootsSlowly = (bootMs: number) => {
  let isWarm = false
  const answer = (): Behaviour.Behaviour => {
    const cold = !isWarm
    isWarm = true
    const headers = { "x-sync-cold": cold ? "1" : "0" }
    return Behaviour.delay(cold ? bootMs : 5, Behaviour.status(200, { success: true }, headers))
  }
  project.functions.behave(answer)
  project.functions.behaveWarmUp(answer)
}

const soon = "now() + interval '40 seconds'"
const warmth = async () => (await project.sql`select * from sync_function_warmth`)[0]

test("a run whose cold start exceeds the timeout completes only with a warm-up", async () => {
  const lost: Array<string> = []
  for (const warm_up of ["false", "true"]) {
    await project.sql`delete from organization_integrations`
    const [id] = await project.seedDue(1, { warm_up, invoke_timeout: "interval '1 second'" })
    bootsSlowly(1_500)
    const { runs } = await project.tick("supabase-js")
    if (runs[0]?.status !== "completed") lost.push(warm_up)
    const [row] = await project.sql`select cold_start, warm_up_ms, status from sync_run_log
                                    where integration_id = ${id}`
    expect(row).toMatchObject(
      warm_up === "true"
        ? { status: "completed", cold_start: true }
        : { status: "unknown", cold_start: false, warm_up_ms: null }
    )
    if (warm_up === "true") expect(row.warm_up_ms).toBeGreaterThanOrEqual(1_500)
  }
  expect(lost).toEqual(["false"])
  const [incident] =
    await project.sql`select kind, detail from sync_incident where kind = 'cold_start'`
  expect(incident.detail.warm_up_ms).toBeGreaterThanOrEqual(1_500)
})

test("a tick warms a function up once, before its first invocation", async () => {
  await project.seedDue(12, { warm_up: "true" })
  const summary = await project.tick("direct")
  expect(summary).toMatchObject({ completed: 12 })
  const methods = project.functions.calls.map((call) => call.method)
  expect(methods.filter((method) => method === "OPTIONS").length).toBe(1)
  expect(methods[0]).toBe("OPTIONS")
})

test("a tick warms up the functions of the next minute's slots, and their runs find them warm", async () => {
  const [id] = await project.seedDue(1, { warm_up: "true", next_run_at: soon })
  await project.seedDue(1, { next_run_at: soon, function_name: "'never-asked'" })
  bootsSlowly(300)
  expect(await project.tick("supabase-js")).toMatchObject({ due: 0, triggered: 0, errors: [] })
  expect(project.functions.calls.map((call) => call.method)).toEqual(["OPTIONS"])
  expect(await warmth()).toMatchObject({ function_name: "(default)", cold_count: "1" })

  await project.sql`update organization_integrations set next_run_at = now() where id = ${id}`
  expect(await project.tick("supabase-js")).toMatchObject({ completed: 1, cold_starts: 0 })
  expect(await warmth()).toMatchObject({ cold_count: "1", warm_count: "1" })
  const open = await project.sql`select kind from sync_incident where resolved_at is null`
  expect(open.length).toBe(0)
})

test("a warm-up without benefit is reported and stopped, and measured again after a day", async () => {
  await project.seedDue(1, { warm_up: "true", next_run_at: soon })
  for (let n = 0; n < 19; n += 1) {
    await project.sql`select record_function_contact('measured', null, 5, true, false)`
  }
  await project.tick("direct")
  const row = await warmth()
  expect(row.verdict).toBe("none of 20 first requests was a cold start")
  expect(row.paused_until.getTime()).toBeGreaterThan(Date.now() + 23 * 3_600_000)
  const before = project.functions.calls.length

  await project.tick("direct")
  await project.seedDue(1, { warm_up: "true" })
  expect(await project.tick("direct")).toMatchObject({ completed: 1 })
  expect(project.functions.calls.slice(before).map((call) => call.method)).toEqual(["POST"])

  await project.sql`update sync_function_warmth set paused_until = now() - interval '1 second'`
  await project.tick("direct")
  expect(await warmth()).toMatchObject({ warm_count: "1", paused_until: null, verdict: null })
})

test("a failed warm-up is an incident, and the run continues", async () => {
  await project.seedDue(1, { warm_up: "true" })
  project.functions.behaveWarmUp(() => Behaviour.platformError("BOOT_ERROR"))
  expect(await project.tick("direct")).toMatchObject({ completed: 1, cold_starts: 1 })
  expect(await warmth()).toMatchObject({ failed_count: "1", cold_count: "0" })
  const [incident] =
    await project.sql`select resolved_at from sync_incident where kind = 'cold_start'`
  expect(incident.resolved_at).toBeNull()
})
