import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"
import { connect } from "../support/Postgres.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(180_000)

const MANY = 12_000
const ORG = "b0000000-0000-4000-8000-000000000001"

let fixture: FixtureDatabase
beforeAll(async () => {
  await binaryPath()
  fixture = await openFixtureDatabase()
  // Each integration has a slot to explain. One integration failed last night, and another failed within the last hour.
  await fixture.sql`
    insert into organization_integrations (id, org_id, org_name, integration_type, sync_schedule, timezone, next_run_at, created_at)
    select ('b1000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ${ORG}, 'Massive Dynamic', 'xledger', '0 2 * * *',
           case when n % 2 = 0 then 'Europe/Oslo' else 'UTC' end, '2026-11-21T01:00:00Z', '2026-11-01T00:00:00Z'
      from generate_series(1, ${MANY}) n`
  await fixture.sql`
    insert into sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, attempt,
      error_code, error_message, http_status)
    select i.id, i.org_id, i.integration_type, slot, i.id::text, 'failed', 1, 'TOKEN_EXPIRED', 'token expired', 502
      from (values (4711, timestamptz '2026-11-20T02:00:00Z'), (8000, '2026-11-20T08:00:00Z')) as f(n, slot)
      join organization_integrations i on i.id = ('b1000000-0000-4000-8000-' || lpad(f.n::text, 12, '0'))::uuid`
}, 180_000)
afterAll(() => fixture.close())

const countCalls = async (): Promise<Readonly<Record<string, number>>> => {
  // PostgreSQL updates its statistics when a session ends. The session can end shortly after the program.
  const isConnected = async () => {
    const sessions = await fixture.sql`
      select from pg_stat_activity where datname = current_database() and application_name = 'sync-scheduler'`
    return sessions.length > 0
  }
  while (await isConnected()) await Bun.sleep(5)
  const rows: ReadonlyArray<{ name: string; calls: number }> = await fixture.sql`
    select funcname as name, calls::int from pg_stat_user_functions
     where funcname in ('read_sync_status', 'read_sync_story')`
  return Object.fromEntries(rows.map(({ calls, name }) => [name, calls]))
}

test("the failed integrations among 12,000 are explained first, and all others are counted", async () => {
  const admin = connect(fixture.database.adminUrl, { max: 1 })
  await admin.unsafe(`alter database ${fixture.database.name} set track_functions = 'pl'`)
  await admin.close()
  const { code, stderr, stdout } = await runBinary(["explain", "massive"], {
    env: { SUPABASE_DB_URL: fixture.database.url }
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  // One call per page of 500 integrations, and one call per explained integration.
  const calls = await countCalls()
  expect(calls.read_sync_status).toBeLessThanOrEqual(MANY / 500 + 1)
  expect(calls.read_sync_story).toBe(20)
  const answers = stdout.split("\n").filter((line) => /^[✓▲?✗…○] /.test(line))
  expect(answers.length).toBe(20)
  expect(answers.slice(0, 2)).toEqual(
    [
      'No. The 09:00 run failed: TOKEN_EXPIRED, "token expired". Failed on attempt 1; failures are not retried.',
      'No. The 02:00 run failed: TOKEN_EXPIRED, "token expired". Failed on attempt 1; failures are not retried.'
    ].map((answer) => `✗ ${answer}`)
  )
  expect(stdout).toEndWith(
    `\n... and 11,980 more integrations: sync-scheduler status --all --org ${ORG}\n`
  )
})
