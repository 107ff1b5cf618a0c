import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { migrations } from "../../src/Migrations.ts"
import { OLDEST_SCHEMA, SCHEMA_VERSION } from "../../src/Version.ts"
import { binaryPath } from "../support/binary.ts"
import { type FunctionServer, startFunctionServer } from "../support/FunctionServer.ts"
import { connect, createDatabase } from "../support/Postgres.ts"
import { startGateway } from "../support/RpcGateway.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let functions: FunctionServer
beforeAll(async () => {
  await binaryPath()
  functions = await startFunctionServer()
}, 120_000)
afterAll(() => functions.close())

const upTo = (version: string) =>
  migrations.flatMap((one) => (one.version <= version ? [one.sql] : [])).join("\n")

/** A later migration, which a database has and this binary has never heard of. */
const future = (enginesFrom?: string) => `
  create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20990101000000';
  ${enginesFrom === undefined ? "" : `create or replace function sync_scheduler.engines_from() returns text language sql immutable return '${enginesFrom}';`}`

/** The binary in a database with this schema and one integration that is due. */
const runIn = async (sql: string, ...args: ReadonlyArray<string>) => {
  const database = await createDatabase({ migrations: false, sql })
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl: functions.url })
  const client = connect(database.url, { max: 1 })
  try {
    await client.unsafe(`insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
      values (gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute')`)
    const before = functions.invocations.length
    const env = { SUPABASE_URL: gateway.url, SUPABASE_SECRET_KEY: gateway.secretKey }
    const ended = await runBinary(["run", "-o", "json", ...args], { env })
    const [{ runs }] = await client`select count(*)::int as runs from sync_run_log`
    const invoked = functions.invocations.length - before
    return { ...ended, summary: JSON.parse(ended.stdout), runs, invoked }
  } finally {
    await client.close()
    await gateway.close()
    await database.drop()
  }
}

test("a tick works in every schema from the oldest on, and says which is older", async () => {
  const versions = migrations
    .map(({ version }) => version)
    .filter((version) => version >= OLDEST_SCHEMA)
  for (const version of versions) {
    const { code, stderr, summary, runs, invoked } = await runIn(upTo(version))
    expect([version, summary.errors, summary.completed, runs, invoked, code]).toEqual([
      ...[version, [], 1, 1, 1, 0]
    ])
    expect(stderr.includes("They work together")).toBe(version !== SCHEMA_VERSION)
  }
})

test("an older schema: nothing is claimed or invoked, and the migrations are asked for", async () => {
  const older = migrations
    .map(({ version }) => version)
    .filter((version) => version < OLDEST_SCHEMA)
  const { code, stderr, summary, runs, invoked } = await runIn(upTo(older.at(-1) ?? ""))
  expect([code, runs, invoked]).toEqual([2, 0, 0])
  expect(summary.errors).toEqual([
    {
      code: "SCHEMA_TOO_OLD",
      message: expect.stringContaining(`(${older.at(-1)}) is too old`),
      hint: expect.stringContaining("sync-scheduler schema print")
    }
  ])
  expect(stderr).toContain("error: ")
  const dry = await runIn(upTo(older.at(-1) ?? ""), "--dry-run")
  expect([dry.code, dry.runs]).toEqual([2, 0])
})

test("a newer schema: works unless it says that it does not work with engines this old", async () => {
  const all = upTo(SCHEMA_VERSION)
  const newer = await runIn(all + future())
  expect([newer.summary.errors, newer.summary.completed, newer.code]).toEqual([[], 1, 0])
  expect(newer.stderr).toContain("is newer than this version's")
  for (const args of [[], ["--dry-run"]]) {
    const tooNew = await runIn(all + future("20990101000000"), ...args)
    expect([tooNew.code, tooNew.runs, tooNew.invoked]).toEqual([2, 0, 0])
    expect(tooNew.summary.errors).toEqual([
      {
        code: "ENGINE_TOO_OLD",
        message: expect.stringContaining(
          "too old for the database, whose schema is 20990101000000"
        ),
        hint: expect.stringContaining("Install a newer sync-scheduler")
      }
    ])
  }
})
