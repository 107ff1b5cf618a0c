import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test"
import { type DenoServer, serveWithDeno, testFunctions } from "../functions/support/DenoServer.ts"
import { type LedgerStandIn, startLedger } from "../functions/support/LedgerStandIn.ts"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { dropBefore, lostAnswer } from "../support/GatewayFaults.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"

beforeAll(binaryPath, 60_000)
let project: Project
/** Tests use only the gates and events of this stand-in, because the database is real. */
let control: LedgerStandIn
let deno: DenoServer
let api: RpcGateway

beforeEach(async () => {
  project = await startProject()
  control = startLedger()
  deno = await serveWithDeno(testFunctions, {
    CONTROL_URL: control.url,
    SUPABASE_URL: project.gateway.url,
    SUPABASE_SECRET_KEY: project.gateway.secretKey
  })
  api = await startGateway({
    databaseUrl: project.database.url,
    functionsUrl: deno.url,
    secretKey: project.gateway.secretKey
  })
})
afterEach(async () => {
  await deno.stop()
  await api.close()
  await control.stop()
  await project.close()
})

const FUNCTIONS = "echo,gated,background,until-aborted"
const startTick = (settings: Readonly<Record<string, string>> = {}) =>
  startEngine({
    SUPABASE_URL: api.url,
    SUPABASE_SECRET_KEY: api.secretKey,
    SYNC_SCHEDULER_FUNCTIONS: FUNCTIONS,
    ...settings
  })

const tick = async (settings: Readonly<Record<string, string>> = {}) =>
  (await startTick(settings)).exited

const seed = (name: string, columns: Readonly<Record<string, string>> = {}) =>
  project.seedDue(1, {
    function_name: `'${name}'`,
    fenced: "true",
    on_unknown: "'hold'",
    ...columns
  })

const readRun = async () => {
  const rows = await project.sql`select * from sync_run_log`
  expect(rows.length).toBe(1)
  return rows[0]
}

const readEvents = async () => {
  const rows: ReadonlyArray<{ kind: string; actor: string; to_status: string }> =
    await project.sql`select kind, actor, to_status from sync_run_event order by id`
  return rows.map(({ kind, actor, to_status }) =>
    actor === "function" ? `${kind} by the function: ${to_status}` : `${kind}: ${to_status}`
  )
}

const untilRun = async (condition: string) => {
  for (;;) {
    const [row] = await project.sql.unsafe(`select * from sync_run_log where ${condition}`)
    if (row !== undefined) return row
    await Bun.sleep(20)
  }
}

/** A proxy, or an engine that resumes after a freeze, might repeat the request. */
const deliverAgain = async (name: string) => {
  const row = await readRun()
  const answer = await fetch(`${api.url}/functions/v1/${name}`, {
    method: "POST",
    headers: { apikey: api.secretKey, "content-type": "application/json" },
    body: JSON.stringify({
      run_id: row.id,
      org_id: row.org_id,
      integration_id: row.integration_id,
      integration_type: row.integration_type,
      scheduled_for: row.scheduled_for.toISOString(),
      attempt: row.attempt,
      idempotency_key: row.idempotency_key,
      trigger: row.trigger,
      lease_token: row.lease_token,
      deadline: new Date(Date.now() + 60_000).toISOString(),
      config: {}
    })
  })
  return { status: answer.status, body: await answer.json() }
}

test("the function begins, works and reports, and a second delivery is refused", async () => {
  await seed("echo", { config: `'{"channel": "A-12"}'` })
  expect(await tick()).toMatchObject({ code: 0, summary: { completed: 1, errors: [] } })
  const row = await readRun()
  expect(row).toMatchObject({ status: "completed", attempt: 1, fenced: true, ambiguous: false })
  expect(row.began_at).not.toBeNull()
  expect(JSON.stringify(row.response)).toContain(row.idempotency_key)
  expect(await readEvents()).toEqual([
    "claimed: pending",
    "started: running",
    "began by the function: running",
    "settled by the function: completed"
  ])
  expect(await deliverAgain("echo")).toMatchObject({ status: 409, body: { executed: false } })
  expect(control.events).toEqual([`ran ${row.id}`])
}, 30_000)

test("a second delivery during the work is refused, and the first delivery continues", async () => {
  await seed("gated")
  const engine = await startTick()
  const { id } = await untilRun("began_at is not null")
  expect(await deliverAgain("gated")).toMatchObject({
    status: 409,
    body: { executed: false, reason: "already_begun" }
  })
  control.openGate(id)
  expect(await engine.exited).toMatchObject({ code: 0, summary: { completed: 1 } })
  expect(await readRun()).toMatchObject({ status: "completed", attempt: 1 })
  expect(control.events).toEqual([`waiting ${id}`])
}, 30_000)

test.each(["begin_sync_run", "complete_sync_run"])(
  "if the response to %s is lost, the call is repeated and takes effect once",
  async (fn) => {
    await seed("echo")
    project.gateway.faults.once(fn, lostAnswer)
    expect(await tick()).toMatchObject({ code: 0, summary: { completed: 1, errors: [] } })
    expect(project.gateway.faults.calls(fn)).toBe(2)
    const row = await readRun()
    expect(row).toMatchObject({ status: "completed", attempt: 1 })
    expect(control.events).toEqual([`ran ${row.id}`])
    expect((await readEvents()).length).toBe(4)
  },
  30_000
)

test("after a 202 the run stays running while heartbeats arrive, and completes with the function's report", async () => {
  await seed("background")
  const exit = await tick({ SYNC_SCHEDULER_RUNNING_GUARD: "1h" })
  expect(exit.summary).toMatchObject({ triggered: 1, completed: 0, unresolved: 1, errors: [] })
  const running = await readRun()
  expect(running).toMatchObject({ status: "running", http_status: 202, finished_at: null })
  expect(running.lease_until.getTime() - running.started_at.getTime()).toBeGreaterThanOrEqual(
    3_600_000
  )
  const iso = running.heartbeat_at.toISOString()
  const beaten = await untilRun(`heartbeat_at > '${iso}' and status = 'running'`)
  expect(beaten.lease_until >= running.lease_until).toBe(true)

  expect(await tick()).toMatchObject({ code: 0, summary: { triggered: 0 } })
  control.openGate(running.id)
  expect(await untilRun("status = 'completed'")).toMatchObject({ attempt: 1, ambiguous: false })
  expect((await readEvents()).at(-1)).toBe("settled by the function: completed")
}, 30_000)

test("an attempt that lost its run is stopped and can no longer report", async () => {
  const [integration] = await seed("until-aborted", { on_unknown: "'retry'" })
  const first = await startTick()
  const { id } = await untilRun("began_at is not null")
  await control.until(() => control.events.includes(`working ${id}`))

  // The function loses its connection to the database, its lease expires, and another engine starts the next attempt.
  project.gateway.faults.set("heartbeat_sync_run", dropBefore)
  await project.sql`update organization_integrations set function_name = 'echo' where id = ${integration}`
  const second = { SYNC_SCHEDULER_QUIESCENCE: "0s" }
  let status = ""
  while (status !== "completed") {
    await project.sql`update sync_run_log set lease_until = now() - interval '1 second'
                       where id = ${id} and attempt = 1 and status = 'running'`
    expect((await tick(second)).summary?.errors).toEqual([])
    status = (await readRun()).status
  }
  project.gateway.faults.clear()

  expect((await first.exited).summary).toMatchObject({ triggered: 1, completed: 1, errors: [] })
  expect(control.events).toEqual([
    `working ${id}`,
    `ran ${id}`,
    `aborted ${id}: Stopped because this attempt no longer owns the run`
  ])
  expect(await readRun()).toMatchObject({ status: "completed", attempt: 2 })
  expect(project.gateway.faults.calls("complete_sync_run")).toBe(1)
}, 30_000)

test("an OPTIONS request warms the function up, and its latency and cold start are recorded", async () => {
  await seed("echo", { warm_up: "true" })
  for (const isCold of [true, false]) {
    const exit = await tick()
    expect(exit.summary).toMatchObject({ completed: 1, cold_starts: isCold ? 1 : 0, errors: [] })
    const row = await readRun()
    expect(row).toMatchObject({ status: "completed", cold_start: isCold })
    expect(row.warm_up_ms).toBeGreaterThanOrEqual(0)
    const open = await project.sql`select kind from sync_incident
                                   where kind = 'cold_start' and resolved_at is null`
    expect(open.length).toBe(isCold ? 1 : 0)
    await project.sql`delete from sync_run_log`
    await project.sql`update organization_integrations set next_run_at = now() - interval '1 minute'`
  }
}, 30_000)
