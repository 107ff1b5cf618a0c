import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { connect, createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { readMigrations, runScripts } from "../support/PostgresTemplate.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

/** The migrations without `notify pgrst`, so that PostgREST does not reload its schema. */
const silent = readMigrations().map(({ name, text }) => ({
  name,
  text: text.replaceAll(/^notify pgrst.*$/gm, "")
}))

let database: TestDatabase
let gateway: RpcGateway
beforeAll(async () => {
  await binaryPath()
}, 120_000)
beforeEach(async () => {
  database = await createDatabase({ migrations: false })
  await execute("drop event trigger pgrst_ddl_watch", "drop event trigger pgrst_drop_watch")
})
afterEach(async () => {
  await gateway.close()
  await database.drop()
})

const execute = async (...statements: ReadonlyArray<string>) => {
  const sql = connect(database.adminUrl, { max: 1 })
  for (const statement of statements) await sql.unsafe(statement)
  await sql.close()
}
const ask = async (command: string, env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout } = await runBinary([command, "-o", "json"], {
    env: {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      SYNC_SCHEDULER_PROBES: "false",
      ...env
    }
  })
  return { code, answer: JSON.parse(stdout) }
}
const found = (answer: { findings: ReadonlyArray<{ code: string }> }, code: string) =>
  answer.findings.find((one) => one.code === code)
const pasted = (text: string) => /-c "(notify [^"]*)"/.exec(text)?.[1] ?? "nothing to paste"

test("if the API knows only older functions, the error says to reload its schema, and the reload helps", async () => {
  await runScripts(database.url, silent.slice(0, 1))
  gateway = await startGateway({ databaseUrl: database.url })
  await runScripts(database.url, silent.slice(1))

  const run = await ask("run")
  expect(run.answer.errors).toMatchObject([{ code: "SCHEMA_CACHE_STALE" }])
  expect(run.code).toBe(2)
  const doctor = await ask("doctor")
  expect(found(doctor.answer, "SCHEMA_CACHE_STALE")).toMatchObject({ level: "error" })
  expect(found(doctor.answer, "MIGRATIONS_MISSING")).toBeUndefined()
  expect(doctor.code).toBe(2)

  await execute(pasted(run.answer.errors[0].hint))
  expect(await ask("run")).toMatchObject({ code: 0, answer: { errors: [] } })
  expect(found((await ask("doctor")).answer, "SCHEMA_CACHE_STALE")).toBeUndefined()
})

test("if the API does not know the function, the error names both causes, and a direct connection tells them apart", async () => {
  gateway = await startGateway({ databaseUrl: database.url })
  for (const isMigrated of [false, true]) {
    if (isMigrated) await runScripts(database.url, silent)
    const run = await ask("run")
    expect(run.answer.errors).toMatchObject([{ code: "MIGRATIONS_MISSING" }])
    expect(run.answer.errors[0].hint).toContain("schema print")
    expect(pasted(run.answer.errors[0].hint)).toBe("notify pgrst, 'reload schema'")
    expect(run.code).toBe(2)
    const { fix } = Object(found((await ask("doctor")).answer, "MIGRATIONS_MISSING"))
    expect(fix).toContain("schema print")
    expect(pasted(fix)).toBe("notify pgrst, 'reload schema'")
  }
  const direct = { SUPABASE_DB_URL: database.url }
  const { answer } = await ask("doctor", direct)
  const stale = Object(found(answer, "SCHEMA_CACHE_STALE"))
  expect(stale).toMatchObject({ level: "warning" })
  await execute(pasted(stale.fix))
  for (const env of [{}, direct]) {
    expect(found((await ask("doctor", env)).answer, "SCHEMA_CACHE_STALE")).toBeUndefined()
    expect((await ask("run", env)).code).toBe(0)
  }
})
