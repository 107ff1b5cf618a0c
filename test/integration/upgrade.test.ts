import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { migrations } from "../../src/Database/Migrations.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../../src/Version.ts"
import { binaryPath } from "../support/binary.ts"
import { type FunctionServer, startFunctionServer } from "../support/FunctionServer.ts"
import { connect, createDatabase } from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { endOf, runBinary, startBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let functions: FunctionServer
beforeAll(async () => {
  await binaryPath()
  functions = await startFunctionServer()
}, 120_000)
afterAll(() => functions.close())

const upTo = (version: string) =>
  migrations.flatMap((one) => (one.version <= version ? [one.sql] : [])).join("\n")

const future = (enginesFrom?: string) => `
  comment on schema sync_scheduler is 'Schema version 20990101000000.';
  ${enginesFrom === undefined ? "" : `create or replace function sync_scheduler.engines_from() returns text language sql immutable return '${enginesFrom}';`}`

const due = `insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
  values (gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute')`

const codesOf = (report: { findings: ReadonlyArray<{ code: string | null }> }) =>
  report.findings.map(({ code }) => code)

const runIn = async (sql: string, args: ReadonlyArray<string> = ["run"]) => {
  const database = await createDatabase({ migrations: false, sql })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const client = connect(database.url, { max: 1 })
  try {
    await client.unsafe(due)
    const before = functions.invocations.length
    const env = {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      SYNC_SCHEDULER_PROBES: "false"
    }
    const ended = await runBinary([...args, "-o", "json"], { env })
    const [{ runs }] = await client`select count(*)::int as runs from sync_run_log`
    const invoked = functions.invocations.length - before
    return { ...ended, summary: JSON.parse(ended.stdout), runs, invoked }
  } finally {
    await client.close()
    await gateway.close()
    await database.drop()
  }
}

test("a tick works in every schema since the oldest supported one, and reports an older schema", async () => {
  const versions = migrations
    .map(({ version }) => version)
    .filter((version) => version >= OLDEST_SCHEMA)
  for (const version of versions) {
    const { code, stderr, summary, runs, invoked } = await runIn(upTo(version))
    expect([version, summary.errors, summary.completed, runs, invoked, code]).toEqual([
      ...[version, [], 1, 1, 1, 0]
    ])
    expect(stderr.includes("The two schemas are compatible")).toBe(version !== SCHEMA_VERSION)
  }
})

test("in a schema that is too old, nothing is claimed or invoked, and the error asks for the migrations", async () => {
  const older = migrations
    .map(({ version }) => version)
    .filter((version) => version < OLDEST_SCHEMA)
  const { code, stderr, summary, runs, invoked } = await runIn(upTo(older.at(-1) ?? ""))
  expect([code, runs, invoked]).toEqual([2, 0, 0])
  expect(summary.errors).toEqual([
    {
      code: "SCHEMA_TOO_OLD",
      message: expect.stringContaining(`(${older.at(-1)}) is too old`),
      hint: expect.stringContaining(`sync-scheduler schema print --after ${older.at(-1)} | psql`)
    }
  ])
  expect(stderr).toContain("error: ")
  const dry = await runIn(upTo(older.at(-1) ?? ""), ["run", "--dry-run"])
  expect([dry.code, dry.runs]).toEqual([2, 0])
  const doctor = await runIn(upTo(older.at(-1) ?? ""), ["doctor"])
  expect(codesOf(doctor.summary)).toContain("SCHEMA_TOO_OLD")
})

test("a newer schema works unless it excludes engines this old", async () => {
  const all = upTo(SCHEMA_VERSION)
  const newer = await runIn(all + future())
  expect([newer.summary.errors, newer.summary.completed, newer.code]).toEqual([[], 1, 0])
  expect(newer.stderr).toContain("is newer than this version's")
  for (const args of [["run"], ["run", "--dry-run"]]) {
    const tooNew = await runIn(all + future("20990101000000"), args)
    expect([tooNew.code, tooNew.runs, tooNew.invoked]).toEqual([2, 0, 0])
    expect(tooNew.summary.errors).toEqual([
      {
        code: "ENGINE_TOO_OLD",
        message: expect.stringContaining(
          "too old for the database, whose schema is 20990101000000"
        ),
        hint: expect.stringContaining("Install a sync-scheduler version")
      }
    ])
  }
  expect(codesOf((await runIn(all + future(), ["doctor"])).summary)).toContain("BINARY_OLD")
  const doctor = await runIn(all + future("20990101000000"), ["doctor"])
  expect([doctor.code, codesOf(doctor.summary)]).toEqual([
    2,
    expect.arrayContaining(["ENGINE_TOO_OLD"])
  ])
})

test("serve refuses each tick once the schema is too new, and continues when it fits again", async () => {
  const database = await createDatabase()
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const client = connect(database.url, { max: 1 })
  const env = {
    SUPABASE_URL: gateway.url,
    SUPABASE_SECRET_KEY: gateway.secretKey,
    SYNC_SCHEDULER_PROBES: "false"
  }
  await client.unsafe(future("20990101000000")).simple()
  await client.unsafe(due)
  const serve = await startBinary(["serve", "--listen", "127.0.0.1:0", "--interval", "1s"], { env })
  const ended = endOf(serve)
  try {
    const attempts = () => gateway.faults.calls("open_sync_tick")
    while (attempts() < 2) await Bun.sleep(50)
    const [{ runs }] = await client`select count(*)::int as runs from sync_run_log`
    expect(runs).toBe(0)
    await client.unsafe(`comment on schema sync_scheduler is 'Schema version ${SCHEMA_VERSION}.'`)
    const completed = () =>
      client`select count(*)::int as n from sync_run_log where status = 'completed'`
    while ((await completed())[0].n === 0) await Bun.sleep(50)
  } finally {
    serve.kill("SIGTERM")
    const { code, stderr } = await ended
    expect([code, stderr]).toEqual([0, expect.stringContaining("too old for the database")])
    await client.close()
    await gateway.close()
    await database.drop()
  }
})
