import { beforeAll, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { startFunctionServer } from "../support/FunctionServer.ts"
import { freePort } from "../support/freePort.ts"
import * as Faults from "../support/GatewayFaults.ts"
import { RESET } from "../support/HttpServer.ts"
import { playOutage } from "../support/OutageFixture.ts"
import { connect, createDatabase, startPostgres } from "../support/Postgres.ts"
import { startProject } from "../support/Project.ts"
import { startGateway } from "../support/RpcGateway.ts"

/** The tests run concurrently, because an engine waits 10 to 20 s before it abandons a call. */
beforeAll(binaryPath, 60_000)

/** With these settings, the next engine resolves abandoned runs immediately. */
const SHORT = {
  SYNC_SCHEDULER_INVOKE_TIMEOUT: "1s",
  SYNC_SCHEDULER_LEASE_MARGIN: "1s",
  SYNC_SCHEDULER_QUIESCENCE: "0s",
  SYNC_SCHEDULER_ADOPT_AFTER: "0s"
}

const errorCodes = (summary: Readonly<Record<string, unknown>> | undefined) => {
  const errors: unknown = summary?.errors
  return [...new Set(Array.isArray(errors) ? errors.map((error) => error.code) : [])]
}

test.concurrent("without a confirmed start nothing is sent, and the lease decides the run", async () => {
  const project = await startProject()
  const tick = async () => (await startEngine({ ...project.environment, ...SHORT })).exited
  await project.seedDue(2)
  project.gateway.faults.set("start_sync_runs", Faults.lostAnswer)
  const { code, summary } = await tick()
  expect(code).toBe(5)
  expect(summary).toMatchObject({
    triggered: 0,
    skipped: 2,
    skips: [{ reason: "start_unconfirmed" }, { reason: "start_unconfirmed" }]
  })
  expect(errorCodes(summary)).toEqual(["SUPABASE_UNREACHABLE"])
  expect(project.functions.calls.length).toBe(0)
  expect(await project.statuses()).toEqual({ running: 2 })

  project.gateway.faults.clear()
  expect(await tick()).toMatchObject({ code: 0, summary: { completed: 2 } })
  expect(await project.statuses()).toEqual({ completed: 2 })
  expect([...project.functions.effects.values()]).toEqual([1, 1])
  await project.close()
}, 90_000)

test.concurrent("if the API does not respond, the error names it, the exit code is 5, and the database is unchanged", async () => {
  const project = await startProject()
  const tick = async (settings = {}) =>
    (await startEngine({ ...project.environment, ...settings })).exited
  await project.seedDue(2)
  project.gateway.faults.set("*", { waitBefore: 300, instead: RESET })
  // A tick waits for an unreachable database for up to three quarters of its interval.
  const soon = { SYNC_SCHEDULER_INTERVAL: "5s" }
  const exits = await Promise.all([
    tick(soon),
    tick({ ...soon, SUPABASE_URL: `http://127.0.0.1:${await freePort()}` })
  ])
  for (const { code, summary } of exits) {
    expect(code).toBe(5)
    expect(summary).toMatchObject({ due: 0, errors: [{ code: "SUPABASE_UNREACHABLE" }] })
  }
  expect(await project.statuses()).toEqual({})
  project.gateway.faults.clear()
  expect(await tick()).toMatchObject({ code: 0, summary: { completed: 2 } })
  await project.close()
}, 90_000)

test.concurrent("when PostgreSQL dies with runs in flight and stays down, the exit code is 5 and nothing is lost", async () => {
  const postgres = await startPostgres({ fresh: true })
  const database = await createDatabase({ server: postgres })
  const mayAnswer = Promise.withResolvers<void>()
  const functions = await startFunctionServer({ behave: () => until(mayAnswer.promise, ok()) })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const api = { SUPABASE_URL: gateway.url, SUPABASE_SECRET_KEY: gateway.secretKey, ...SHORT }
  const direct = { ...api, SUPABASE_DB_URL: database.url }
  const before = connect(database.url)
  await before.unsafe(
    `insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
     select gen_random_uuid(), 'xledger', '0 0 1 1 *', now() - interval '1 minute' from generate_series(1, 30)`
  )
  await before.close()
  // Neither engine may adopt the other engine's runs, because they would count towards its --limit.
  const patient = { SYNC_SCHEDULER_INVOKE_TIMEOUT: "10s", SYNC_SCHEDULER_ADOPT_AFTER: "1m" }
  const limited = ["run", "-o", "json", "--limit", "5"]
  const engines = await Promise.all([
    startEngine({ ...api, ...patient }, limited),
    startEngine({ ...direct, ...patient }, limited)
  ])
  await functions.arrived(10)
  await postgres.kill()
  mayAnswer.resolve()
  for (const { code, summary } of await Promise.all(engines.map((engine) => engine.exited))) {
    expect(code).toBe(5)
    expect(errorCodes(summary)).toEqual(["OUTCOME_NOT_RECORDED", "SUPABASE_UNREACHABLE"])
    expect(summary).toMatchObject({ completed: 0, unresolved: 5 })
  }

  await postgres.restart()
  const sql = connect(database.url)
  const [left] = await sql.unsafe(
    "select count(*)::int as n from sync_run_log where status = 'running'"
  )
  expect(left.n).toBe(10)
  await sql.unsafe("update sync_run_log set lease_until = now() where status = 'running'")
  for (const environment of [api, direct]) {
    expect((await (await startEngine(environment)).exited).code).toBe(0)
  }
  const [after] = await sql.unsafe(
    `select count(*) filter (where status = 'completed')::int as completed, count(*)::int as rows,
            count(distinct integration_id)::int as integrations,
            count(*) filter (where ambiguous and attempt = 2)::int as repeated from sync_run_log`
  )
  expect(after).toEqual({ completed: 30, rows: 30, integrations: 30, repeated: 10 })
  expect(functions.effects.size).toBe(30)
  await sql.close()
  await gateway.close()
  await functions.close()
  await postgres.stop()
}, 120_000)

test.concurrent("a tick waits for the database for longer than one call does, and then works", async () => {
  const { tick } = await playOutage({ when: "before", awayMs: 14_000, due: 3 })
  expect(tick).toMatchObject({ code: 0, summary: { completed: 3, errors: [] } })
  expect(tick.stderr).toContain("s for the database")
}, 120_000)

test.concurrent("an outage of some seconds during a tick repeats no run", async () => {
  const { tick, next } = await playOutage({ when: "during", awayMs: 3_000, due: 8 })
  expect(tick).toMatchObject({ code: 0, summary: { errors: [] } })
  expect(next.code).toBe(0)
}, 120_000)

test.concurrent("outcomes that arrive while the database refuses connections are recorded afterwards", async () => {
  const project = await startProject()
  const mayAnswer = Promise.withResolvers<void>()
  project.functions.behave(() => until(mayAnswer.promise, ok()))
  await project.seedDue(2)
  const engine = await startEngine({
    ...project.environment,
    SUPABASE_DB_URL: project.database.url
  })
  await project.functions.arrived(2)
  await project.sql.close()
  const { pathname } = new URL(project.database.url)
  const name = pathname.slice(1)
  const elsewhere = new URL(project.database.adminUrl)
  elsewhere.pathname = "/postgres"
  const admin = connect(elsewhere.href, { max: 1 })
  await admin.unsafe(`alter database "${name}" with allow_connections false`)
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
  mayAnswer.resolve()
  await Bun.sleep(1_500)
  await admin.unsafe(`alter database "${name}" with allow_connections true`)
  expect(await engine.exited).toMatchObject({ code: 0, summary: { completed: 2, errors: [] } })
  await admin.close()
  await project.close()
}, 90_000)
