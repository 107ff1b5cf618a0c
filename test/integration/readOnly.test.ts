import { beforeAll, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { startFunctionServer } from "../support/FunctionServer.ts"
import { connect, createDatabase, type PostgresServer, startPostgres } from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { runBinary } from "../support/runBinary.ts"

beforeAll(binaryPath, 120_000)

const startScene = async (server: PostgresServer) => {
  const database = await createDatabase({ server })
  const functions = await startFunctionServer()
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const execute = async (statement: string) => {
    const sql = connect(database.adminUrl, { max: 1 })
    await sql`set default_transaction_read_only = off`
    await sql.unsafe(statement)
    await sql.close()
  }
  await execute(`insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
    select gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute' from generate_series(1, 2)`)
  const api = {
    SUPABASE_URL: gateway.url,
    SUPABASE_SECRET_KEY: gateway.secretKey,
    SYNC_SCHEDULER_PROBES: "false"
  }
  const ask = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) => {
    const { code, stdout } = await runBinary([...args, "-o", "json"], { env })
    return { code, answer: JSON.parse(stdout) }
  }
  const expectReadOnly = async (env: Readonly<Record<string, string>>, sqlState: string) => {
    const { answer, code } = await ask(["run"], env)
    expect(answer.errors).toMatchObject([
      { code: "DATABASE_READ_ONLY", hint: expect.stringContaining("disk is full") }
    ])
    expect(answer.errors[0].detail).toContain(`NotExecuted, ${sqlState}`)
    expect(code).toBe(5)
    const doctor = await ask(["doctor"], env)
    expect(doctor.answer.findings).toContainEqual(
      expect.objectContaining({ code: "DATABASE_READ_ONLY", level: "error" })
    )
    expect(doctor.code).toBe(5)
    expect(functions.invocations).toEqual([])
  }
  const close = async () => {
    await gateway.close()
    await functions.close()
  }
  return {
    ...{ database, execute, ask, expectReadOnly, close, api },
    direct: { ...api, SUPABASE_DB_URL: database.url }
  }
}

test.concurrent("if a full database is read-only by default, a direct connection cannot write, but the Data API can", async () => {
  const { api, ask, close, database, direct, execute, expectReadOnly } = await startScene(
    await startPostgres()
  )
  await execute(`alter database "${database.name}" set default_transaction_read_only = on`)
  await expectReadOnly(direct, "25006")
  // The Data API explicitly opens its transactions as read-write.
  const doctor = await ask(["doctor"], api)
  expect(doctor.answer.findings).toContainEqual(
    expect.objectContaining({ code: "DATABASE_READ_ONLY", level: "warning" })
  )
  expect(doctor.code).toBe(0)
  expect(await ask(["run"], api)).toMatchObject({ code: 0, answer: { completed: 2, errors: [] } })
  await close()
  await database.drop()
}, 90_000)

test.concurrent("on a hot standby, reading commands work and a tick reports that the database is read-only", async () => {
  const server = await startPostgres({ fresh: true })
  const { api, ask, close, direct, expectReadOnly } = await startScene(server)
  await server.kill("SIGINT")
  writeFileSync(join(server.dataDirectory, "standby.signal"), "")
  await server.restart()
  for (const [env, sqlState] of [
    [api, "0A000"],
    [direct, "25006"]
  ] as const) {
    expect((await ask(["status"], env)).code).toBe(0)
    expect((await ask(["run", "--dry-run"], env)).answer.due).toHaveLength(2)
    await expectReadOnly(env, sqlState)
  }
  await close()
  await server.stop()
}, 120_000)
