import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { dirname } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import * as Behaviour from "../../support/FunctionBehaviour.ts"
import { serveHttp } from "../../support/HttpServer.ts"
import { createDatabase } from "../../support/Postgres.ts"
import { readMigrations, runScripts } from "../../support/PostgresTemplate.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { startGateway } from "../../support/RpcGateway.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(async () => {
  await binaryPath()
})
beforeEach(async () => {
  project = await startProject({ functions: ["other-sync"] })
})
afterEach(() => project.close())

interface Seen {
  readonly code: number
  readonly level: (check: string) => string
  readonly find: (code: string) => { what: string; why: string; fix: string; level: string }
  readonly codes: ReadonlyArray<string>
  readonly text: string
}

const doctor = async (env: Readonly<Record<string, string>> = {}): Promise<Seen> => {
  const all = { ...project.environment, ...ALERT_SETTINGS, ...env }
  const { code, stderr, stdout } = await runBinary(["doctor", "-o", "json"], { env: all })
  expect(stderr).toBe("")
  const { findings } = JSON.parse(stdout)
  return {
    code,
    text: stdout,
    codes: findings.flatMap((one: { code: string | null }) => one.code ?? []),
    level: (check) => findings.find((one: { check: string }) => one.check === check)?.level,
    find: (wanted) => {
      const found = findings.find((one: { code: string | null }) => one.code === wanted)
      expect([wanted, found === undefined ? `not found in ${stdout}` : "found"]).toEqual([
        wanted,
        "found"
      ])
      return found
    }
  }
}

const ALERT_SETTINGS = {
  SYNC_SCHEDULER_ALERT_WEBHOOK_URL: "https://hooks.slack.com/services/T0/B0/x",
  SYNC_SCHEDULER_PING_URL: "https://hc.example.com/x"
}
const startOver = (databaseUrl: string) =>
  startGateway({ databaseUrl, functionsUrl: project.functions.url })
const direct = () => ({ SUPABASE_DB_URL: project.database.url })

test("doctor reports no problem for a correct set-up, over the API and directly, and changes nothing", async () => {
  await project.seedDue(3, { next_run_at: "now() + interval '1 hour'" })
  await project.tick("direct")
  for (const env of [{}, direct()]) {
    const seen = await doctor(env)
    expect({ codes: seen.codes, code: seen.code }).toEqual({ codes: [], code: 0 })
  }
  expect(project.functions.invocations).toEqual([])
  expect(new Set(project.functions.calls.map(({ method }) => method))).toEqual(new Set(["OPTIONS"]))
  const [ticks] = await project.sql`select count(*)::int as n from sync_tick`
  expect(ticks.n).toBe(1)
  const { stdout } = await runBinary(["doctor"], {
    env: { ...project.environment, ...ALERT_SETTINGS }
  })
  expect(stdout).toContain("✓ No problems were found.")
  expect(stdout).not.toContain(project.gateway.secretKey)
})

test("doctor names a time zone whose rules differ from the database's, and the age of the runtime's zone data", async () => {
  await project.seedDue(1, { timezone: "'Asia/Tokyo'" })
  await project.seedDue(2, { timezone: "' Europe/Oslo '" })
  const same = await doctor()
  expect(same.text).toContain("the database has the same time zone rules for the next year (Bun")
  // Keeps Oslo on summer time all year.
  await project.sql.unsafe(`alter function sync_scheduler.zone_offsets(text, timestamptz) rename to zone_offsets_of_today;
    create function sync_scheduler.zone_offsets(p_timezone text, p_from timestamptz) returns jsonb language sql stable return
      sync_scheduler.zone_offsets_of_today(case p_timezone when 'Europe/Oslo' then 'Etc/GMT-2' else p_timezone end, p_from)`)
  const seen = await doctor()
  const found = seen.find("ZONE_DATA_DIFFER")
  expect(found.what).toMatch(
    /^Europe\/Oslo \(2 integrations\) is UTC\+01:00 here and UTC\+02:00 in the database from 20/
  )
  expect(found.why).toContain("ICU")
  expect(seen.codes.filter((code) => code === "ZONE_DATA_DIFFER")).toHaveLength(1)
})

test("missing alert destinations are warnings with exit 0", async () => {
  await project.seedDue(1)
  const env = { SYNC_SCHEDULER_ALERT_WEBHOOK_URL: "", SYNC_SCHEDULER_PING_URL: "" }
  const seen = await doctor(env)
  expect(seen.codes).toEqual(expect.arrayContaining(["ALERTS_OFF", "PING_OFF", "TICKS_NEVER"]))
  expect(seen.code).toBe(0)
})

test("missing settings and an anon key exit with 2, and the anon key is never sent", async () => {
  const nothing = await runBinary(["doctor", "-o", "json"], { env: {} })
  expect(JSON.parse(nothing.stdout).findings.map((one: { what: string }) => one.what)).toEqual(
    expect.arrayContaining(["SUPABASE_URL is missing", "SUPABASE_SECRET_KEY is missing"])
  )
  expect(nothing.code).toBe(2)
  const seen = await doctor({ SUPABASE_SECRET_KEY: project.gateway.anonKey })
  expect(seen.find("CONFIGURATION").why).toContain("anon key")
  expect(seen.code).toBe(2)
  expect(project.gateway.faults.calls("read_sync_diagnosis")).toBe(0)
  expect(seen.text).not.toContain(project.gateway.anonKey)
})

test("an unknown key exits with 4, and doctor says when a key is expired or belongs to another project", async () => {
  const wrong = await doctor({ SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}` })
  expect(wrong.find("KEY_REFUSED").fix).toContain("SUPABASE_SECRET_KEY")
  expect(wrong.code).toBe(4)
  const past = project.gateway.sign({ role: "service_role", ref: "stand-in", exp: 1_700_000_000 })
  const expired = await doctor({ SUPABASE_SECRET_KEY: past })
  expect(expired.find("KEY_REFUSED").what).toContain("expired at 2023-11-14")
  expect(expired.code).toBe(4)
  const user = project.gateway.sign({ role: "authenticated", exp: 2_082_758_400 })
  const role = await doctor({ SUPABASE_SECRET_KEY: user })
  expect(role.find("KEY_ROLE").what).toContain("authenticated")
  expect(role.code).toBe(4)
})

test("the error for a wrong address names the setting: an unreachable server and a foreign website both exit with 5", async () => {
  const server = await serveHttp(
    () => new Response("<html>Hello</html>", { headers: { "Content-Type": "text/html" } })
  )
  const page = await doctor({ SUPABASE_URL: server.url })
  expect(page.find("SUPABASE_UNREACHABLE").fix).toContain("SUPABASE_URL")
  expect(page.code).toBe(5)
  await server.close()
  const gone = await doctor({ SUPABASE_URL: server.url })
  const { host } = new URL(server.url)
  expect(gone.find("SUPABASE_UNREACHABLE").what).toEndWith(
    `does not answer: the connection to ${host} was refused`
  )
  expect(gone.find("FUNCTION_UNREACHABLE").what).toContain(
    `cannot be reached: the connection to ${host} was refused`
  )
  expect(gone.find("FUNCTION_UNREACHABLE").fix).toContain("SUPABASE_URL")
  expect(gone.code).toBe(5)
})

test("without migrations, doctor prints the command that applies them, and the command works", async () => {
  const empty = await createDatabase({ migrations: false })
  const other = await startOver(empty.url)
  try {
    for (const env of [
      { SUPABASE_URL: other.url, SUPABASE_SECRET_KEY: other.secretKey },
      { SUPABASE_DB_URL: empty.url }
    ]) {
      const seen = await doctor(env)
      expect(seen.level("database")).toBe("ok")
      expect(seen.find("MIGRATIONS_MISSING").what).toContain("not installed")
      expect(seen.find("MIGRATIONS_MISSING").fix).toContain("sync-scheduler schema print | psql")
      expect(seen.code).toBe(2)
    }
  } finally {
    await other.close()
    await empty.drop()
  }
})

/** If the fix names an alternative after ", or", runs only the first command. */
const runFix = async (fix: string, databaseUrl: string) => {
  const [command = ""] = fix.split(", or ")
  const child = Bun.spawn(["bash", "-eo", "pipefail", "-c", command], {
    env: { PATH: `${dirname(await binaryPath())}:/usr/bin:/bin`, SUPABASE_DB_URL: databaseUrl },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe"
  })
  const stderr = await new Response(child.stderr).text()
  return { code: await child.exited, stderr: stderr.replaceAll(/^NOTICE.*\n/gm, "") }
}

test("for a partly migrated database, doctor names its version and prints a command that applies the rest", async () => {
  const scripts = readMigrations()
  for (const count of scripts.keys()) {
    if (count === 0) continue
    const old = await createDatabase({ migrations: false })
    await runScripts(old.url, scripts.slice(0, count))
    const version = scripts[count - 1]?.name.slice(0, 14)
    const other = await startOver(old.url)
    try {
      const api = { SUPABASE_URL: other.url, SUPABASE_SECRET_KEY: other.secretKey }
      for (const env of [api, { SUPABASE_DB_URL: old.url }]) {
        const seen = await doctor(env)
        expect(seen.codes.filter(isOfSchema)).toEqual(["SCHEMA_TOO_OLD"])
        const found = seen.find("SCHEMA_TOO_OLD")
        expect(found.what).toStartWith(`the database is at ${version}: `)
        expect(found.fix).toContain(`schema print --after ${version}`)
        expect(seen.code).toBe(2)
      }
      const { fix } = (await doctor(api)).find("SCHEMA_TOO_OLD")
      expect(await runFix(fix, old.url)).toEqual({ code: 0, stderr: "" })
      for (const env of [api, { SUPABASE_DB_URL: old.url }]) {
        const cured = await doctor(env)
        expect([version, cured.codes.filter(isOfSchema), cured.level("schema")]).toEqual([
          version,
          [],
          "ok"
        ])
      }
    } finally {
      await other.close()
      await old.drop()
    }
  }
})

test("when psql stops in the middle of a migration, no migration is half applied, and the rest can be applied", async () => {
  const { stdout } = await runBinary(["schema", "print"])
  const cut = stdout.indexOf("create function public.claim_sync_runs")
  const broken = await createDatabase({ migrations: false })
  try {
    const env = { SUPABASE_DB_URL: broken.url }
    const part = `sync-scheduler schema print | head -c ${cut} | psql -q -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"`
    await runFix(part, broken.url)
    const found = (await doctor(env)).find("SCHEMA_TOO_OLD")
    expect(found.what).toContain("starting with 20261129000400_claim")
    expect(await runFix(found.fix, broken.url)).toEqual({ code: 0, stderr: "" })
    expect((await doctor(env)).level("schema")).toBe("ok")
  } finally {
    await broken.drop()
  }
})

const isOfSchema = (code: string) => /SCHEMA|MIGRATIONS/.test(code)

test("doctor names each missing or changed database object, and the SQL that it prints restores the object", async () => {
  await project.sql
    .unsafe(`
      drop function public.heartbeat_sync_run(uuid, uuid);
      drop index public.sync_run_log_slot;
      drop view public.sync_scheduler_status;
      alter table public.sync_tick drop column missed;
      alter table public.organization_integrations drop column warm_up cascade;
      create or replace function public.pause_integration(p_integration_id uuid, p_actor text, p_reason text)
        returns jsonb language sql security definer set search_path = '' as $$ select '{}'::jsonb $$;`)
    .simple()
  const [trigger] = await project.sql`
    select tgname as name from pg_trigger where tgrelid = 'public.organization_integrations'::regclass and not tgisinternal limit 1`
  await project.sql.unsafe(
    `alter table public.organization_integrations disable trigger ${trigger.name}`
  )
  const seen = await doctor()
  expect(seen.code).toBe(3)
  const findings: ReadonlyArray<{ what: string; fix: string; code: string }> = JSON.parse(
    seen.text
  ).findings
  const about = (name: string) => findings.find(({ what }) => what.includes(name))
  expect(about("heartbeat_sync_run")).toMatchObject({ code: "SCHEMA_MISSING" })
  expect(about("sync_run_log_slot")).toMatchObject({ code: "SCHEMA_MISSING" })
  expect(about("view public.sync_scheduler_status")).toMatchObject({ code: "SCHEMA_MISSING" })
  expect(about("column public.sync_tick.missed")).toMatchObject({ code: "SCHEMA_MISSING" })
  expect(about("organization_integrations.warm_up")).toMatchObject({ code: "SCHEMA_MISSING" })
  expect(about("pause_integration")).toMatchObject({ code: "SCHEMA_CHANGED" })
  expect(about(trigger.name)).toMatchObject({ code: "TRIGGER_DISABLED" })
  for (const { code, fix } of findings.filter((one) => /^(SCHEMA|TRIGGER)/.test(one.code ?? ""))) {
    const [, only] = /--only (\S+)/.exec(fix) ?? []
    const sql =
      only === undefined ? fix : (await runBinary(["schema", "print", "--only", only])).stdout
    await project.sql
      .unsafe(sql)
      .simple()
      .catch((error: unknown) => {
        throw new Error(`${code}: ${sql}: ${error}`)
      })
  }
  const after = await doctor()
  expect(after.codes.filter((code) => /SCHEMA|TRIGGER|OPEN|CLOSED/.test(code))).toEqual([])
})

test("doctor finds grants to anon and disabled row level security, and the SQL that it prints fixes both", async () => {
  await project.sql
    .unsafe(`
      grant execute on function public.trigger_sync_run(uuid, text, text) to anon;
      grant select on public.sync_run_event to authenticated;
      grant all on public.organization_integrations to anon;
      alter table public.organization_integrations disable row level security;
      alter table public.sync_tick disable row level security;
      revoke execute on function public.retry_sync_run from service_role;`)
    .simple()
  const seen = await doctor()
  expect(seen.code).toBe(3)
  const findings: ReadonlyArray<{ check: string; what: string; fix: string; level: string }> =
    JSON.parse(seen.text).findings.filter((one: { check: string }) => one.check === "access")
  const all = findings.map(({ what }) => what).join("\n")
  expect(all).toContain("public.trigger_sync_run can be called by anon")
  expect(all).toContain(
    "public.sync_run_event is granted to roles other than service_role: authenticated: select"
  )
  expect(all).toContain("row level security is off for public.organization_integrations")
  expect(all).toContain("row level security is off for public.sync_tick")
  expect(all).toContain("service_role cannot use public.retry_sync_run")
  for (const { fix } of findings) await project.sql.unsafe(fix).simple()
  const after = await doctor()
  expect(after.level("access")).toBe("ok")
})

test("doctor names integrations whose schedule or zone is invalid, with the reason and the SQL", async () => {
  const [bad = ""] = await project.seedDue(1, { sync_schedule: "'61 * * * *'" })
  const [zone = ""] = await project.seedDue(1, { timezone: "'Europe/Atlantis'" })
  await project.seedDue(3, { sync_schedule: "'0 0 30 2 *'" })
  const seen = await doctor()
  expect(seen.find("SCHEDULE_INVALID").what).toMatch(/3 integrations, such as|minute/)
  const wrong: ReadonlyArray<{ code: string; what: string; fix: string }> = JSON.parse(
    seen.text
  ).findings.filter((one: { check: string }) => one.check === "schedules")
  expect(wrong.find(({ what }) => what.includes(bad))?.fix).toContain(`where id = '${bad}'`)
  expect(wrong.find(({ what }) => what.includes(zone))).toMatchObject({ code: "TIMEZONE_INVALID" })
  expect(wrong.some(({ what }) => what.startsWith("3 integrations"))).toBe(true)
  expect(seen.code).toBe(3)
})

test("doctor detects a function that is missing, refuses the key, fails to boot or redirects, and sends no POST", async () => {
  await project.seedDue(1)
  await project.seedDue(1, { function_name: "'other-sync'" })
  const answers: ReadonlyArray<readonly [Behaviour.Behaviour, string]> = [
    [
      Behaviour.status(404, { code: "NOT_FOUND" }, { "sb-error-code": "NOT_FOUND" }),
      "FUNCTION_NOT_FOUND"
    ],
    [
      Behaviour.status(401, {}, { "sb-error-code": "UNAUTHORIZED_INVALID_JWT_FORMAT" }),
      "FUNCTION_KEY_REFUSED"
    ],
    [Behaviour.platformError("BOOT_ERROR"), "FUNCTION_BOOT_ERROR"],
    [
      Behaviour.status(307, undefined, { Location: "https://elsewhere.example.com" }),
      "FUNCTION_REDIRECTS"
    ]
  ]
  for (const [answer, code] of answers) {
    project.functions.behaveWarmUp(() => answer)
    const seen = await doctor()
    expect(seen.find(code).what).toMatch(/^(integration|other)-sync responds to OPTIONS with/)
    expect(seen.codes.filter((one) => one === code)).toHaveLength(2)
    expect(seen.code).toBe(3)
  }
  const asked = project.functions.calls.length
  const unlisted = await doctor({ SYNC_SCHEDULER_FUNCTIONS: "" })
  expect(unlisted.find("FUNCTION_NOT_ALLOWED")).toMatchObject({
    what: '1 integration names the function "other-sync", which the settings do not allow',
    fix: "To allow it, set SYNC_SCHEDULER_FUNCTIONS=integration-sync,other-sync"
  })
  expect(project.functions.calls.length).toBe(asked + 1)
  expect(project.functions.invocations).toEqual([])
})

test("doctor detects clock skew and contradictory settings, including those of integrations", async () => {
  await project.sql.unsafe(`create or replace function sync_scheduler.clock() returns timestamptz
    language sql stable return date_trunc('milliseconds', now() + interval '90 seconds')`)
  await project.seedDue(2, { invoke_timeout: "interval '20 minutes'" })
  const seen = await doctor({
    SYNC_SCHEDULER_INVOKE_TIMEOUT: "10m",
    SYNC_SCHEDULER_RUNNING_GUARD: "5m",
    SYNC_SCHEDULER_INTERVAL: "10m"
  })
  expect(seen.find("CLOCK_SKEW").what).toMatch(/1 m (29|30) s behind the database's/)
  expect(seen.find("CLOCK_SKEW").fix).toContain("NTP")
  expect(seen.find("TIMEOUT_OVER_QUIESCENCE").fix).toContain("SYNC_SCHEDULER_QUIESCENCE")
  expect(seen.find("LEASE_OVER_GUARD").what).toContain("11 m")
  expect(seen.find("INTERVAL_OVER_DRIFT").level).toBe("warning")
  expect(seen.text).toContain("2 integrations, such as")
  expect(seen.code).toBe(3)
})

test("doctor detects stopped ticks, mixed engine versions, excess history and rejected alerts", async () => {
  await project.seedDue(1)
  await project.sql
    .unsafe(`
      insert into sync_tick (id, engine_id, engine_version, started_at, finished_at)
        select gen_random_uuid(), 'old-host-1-00ab', '0.0.' || n, now() - interval '5 hours' - n * interval '1 minute', now()  - interval '5 hours' - n * interval '1 minute'
          from generate_series(1, 6) n;
      insert into sync_tick (id, engine_id, started_at) values (gen_random_uuid(), 'x', now() - interval '60 days');
      insert into sync_incident (kind, subject, opened_at, alert_error) values ('missed', 'a', now() - interval '1 hour', 'HTTP 410')`)
    .simple()
  const seen = await doctor()
  expect(seen.find("TICKS_STOPPED").fix).toContain("systemctl status sync-scheduler.timer")
  expect(seen.find("RETENTION_BEHIND").what).toContain("60")
  expect(seen.find("ALERTS_UNSENT").why).toContain("HTTP 410")
  expect(seen.code).toBe(3)
})

test("doctor detects duplicate and inactive pg_cron jobs, and never prints their commands", async () => {
  await project.seedDue(1)
  await project.sql
    .unsafe(`
      create schema cron;
      create table cron.job (jobid bigint, schedule text, command text, database text, username text, active boolean, jobname text);
      insert into cron.job values
        (1, '* * * * *', 'select net.http_post(''https://x/functions/v1/sync-scheduler'', ''sb_secret_hidden'')', 'postgres', 'postgres', true, 'tick'),
        (2, '* * * * *', 'select 1', 'postgres', 'postgres', true, 'sync-scheduler'),
        (3, '* * * * *', 'select 2', 'postgres', 'postgres', true, 'something else')`)
    .simple()
  const two = await doctor()
  expect(two.find("CRON_DUPLICATE").what).toContain("2 jobs")
  expect(two.find("CRON_DUPLICATE").fix).toBe("select cron.unschedule(2);")
  expect(two.text).not.toContain("hidden")
  await project.sql`delete from cron.job where jobid = 2`
  await project.sql`update cron.job set active = false`
  const off = await doctor()
  expect(off.find("CRON_INACTIVE").fix).toBe("select cron.alter_job(1, active => true);")
  expect(off.code).toBe(3)
})

test("over a direct connection, a wrong password or missing rights exit with 4, a missing database with 2", async () => {
  const role = `nobody_${crypto.randomUUID().slice(0, 8)}`
  await project.database.server.admin.unsafe(`create role ${role} login password 'x'`)
  const url = new URL(project.database.url)
  url.username = role
  const refused = await doctor({ SUPABASE_DB_URL: url.href })
  expect(refused.find("KEY_REFUSED").what).toContain("read_sync_diagnosis")
  expect(refused.code).toBe(4)
  await project.database.server.admin.unsafe(`drop role ${role}`)
  const nowhere = new URL(project.database.url)
  nowhere.pathname = "/not_there"
  const missing = await doctor({ SUPABASE_DB_URL: nowhere.href })
  expect(missing.find("MIGRATIONS_MISSING").fix).toContain("SUPABASE_DB_URL")
  expect(missing.code).toBe(2)
})
