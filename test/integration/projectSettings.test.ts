import { describe, expect, setDefaultTimeout, test } from "bun:test"
import type { SQL } from "bun"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { connect, createDatabase, startPostgres } from "../support/Postgres.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)

/** Settings that projects change, grouped so that none hides the effect of another. */
const scenarios: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
  ["serializable", { default_transaction_isolation: "'serializable'" }],
  ["repeatable read", { default_transaction_isolation: "'repeatable read'" }],
  ["deferred", { default_transaction_deferrable: "on", synchronous_commit: "off" }],
  [
    "time limits",
    {
      statement_timeout: "'20ms'",
      lock_timeout: "'1ms'",
      idle_in_transaction_session_timeout: "'50ms'",
      idle_session_timeout: "'2s'"
    }
  ],
  [
    "forms of values",
    {
      TimeZone: "'America/St_Johns'",
      DateStyle: "'German'",
      IntervalStyle: "'sql_standard'",
      extra_float_digits: "-15",
      bytea_output: "'escape'",
      standard_conforming_strings: "off",
      array_nulls: "off",
      transform_null_equals: "on",
      quote_all_identifiers: "on"
    }
  ],
  ["where names are found", { search_path: "'nowhere'", row_security: "off" }],
  [
    "plans",
    { plan_cache_mode: "'force_generic_plan'", jit_above_cost: "0", enable_indexscan: "off" }
  ]
]

/** Changes the settings for the database and for every role that a tick uses. Closes existing connections. */
const set = async (
  { database: { name, url } }: Project,
  admin: SQL,
  values: Readonly<Record<string, string>>
): Promise<void> => {
  const roles = [new URL(url).username, "authenticator", "service_role"]
  for (const [setting, value] of Object.entries(values)) {
    await admin.unsafe(`alter database ${name} set ${setting} = ${value}`)
    for (const role of roles) {
      await admin.unsafe(`alter role ${role} in database ${name} set ${setting} = ${value}`)
    }
  }
  await admin.unsafe(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`
  )
}

describe.each(["direct", "supabase-js"] as const)(
  "two concurrent engines, over %s",
  (mechanism) => {
    test.each(scenarios)("with %s every run happens once", async (_, values) => {
      const project = await startProject()
      const admin = connect(project.database.adminUrl, { max: 1 })
      try {
        project.functions.behave(() => Behaviour.delay(5))
        await project.seedDue(30, { invoke_timeout: "interval '90 seconds'" })
        await project.seedDue(2, {
          sync_schedule: "'* * * * *'",
          catch_up: "'all'",
          next_run_at: "date_trunc('minute', now()) - interval '4 minutes'"
        })
        await set(project, admin, values)
        const both = await Promise.all([project.tick(mechanism), project.tick(mechanism)])
        // One engine's reservations can hide slots from the other until a third tick.
        const all = [...both, await project.tick(mechanism)]
        expect(all.flatMap(({ errors }) => errors)).toEqual([])
        const reasons = all.flatMap(({ skips }) => skips.map(({ reason }) => reason))
        expect(reasons).not.toContain("rejected")
        const open = await admin`select status from public.sync_run_log where status <> 'completed'`
        expect([...open]).toEqual([])
        expect(Math.max(...project.functions.effects.values())).toBe(1)
        expect(project.functions.effects.size).toBeGreaterThanOrEqual(38)
      } finally {
        await admin.close()
        await project.close()
      }
    })
  }
)

test("doctor reports none of these settings as a schema change", async () => {
  const project = await startProject()
  const admin = connect(project.database.adminUrl, { max: 1 })
  for (const [, values] of scenarios) await set(project, admin, values)
  for (const env of [{}, { SUPABASE_DB_URL: project.database.url }]) {
    const all = { ...project.environment, ...env }
    const { stdout } = await runBinary(["doctor", "-o", "json"], { env: all })
    const { findings } = JSON.parse(stdout)
    const schema = findings.filter(({ check }: { check: string }) => check === "schema")
    expect(schema.map(({ level }: { level: string }) => level)).toEqual(["ok"])
  }
  await admin.close()
  await project.close()
})

test("an acknowledged start is on disk, even with synchronous_commit = off and after a crash", async () => {
  const server = await startPostgres({ fresh: true })
  try {
    // With these settings, only a commit flushes the write-ahead log.
    await server.admin.unsafe("alter system set wal_writer_delay = '10s'")
    await server.admin.unsafe("alter system set synchronous_commit = off")
    await server.admin.unsafe("select pg_reload_conf()")
    const database = await createDatabase({ server })
    await server.admin.unsafe("checkpoint")
    const sql = connect(database.url, { max: 1 })
    const [{ id }] = await sql`
      insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
      values (gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute') returning id`
    const [{ run }] = await sql`
      select (trigger_sync_run(${id}, 'kari', 'a crash') ->> 'run_id')::uuid as run`
    const token = crypto.randomUUID()
    const starts = JSON.stringify([{ run_id: run, lease_token: token, lease_seconds: 60 }])
    await sql.unsafe(`select start_sync_runs('engine-1', '${starts}'::jsonb, 0, 300)`)
    await server.kill()
    await server.restart()
    const after = connect(database.url, { max: 1 })
    const rows = await after`select status, lease_token from sync_run_log where id = ${run}`
    expect([...rows]).toEqual([{ status: "running", lease_token: token }])
    await after.close()
  } finally {
    await server.stop()
  }
})
