import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { runScripts } from "../support/PostgresTemplate.ts"
import { runBinary } from "../support/runBinary.ts"
import { type CronProject, startCronProject } from "./support/CronProject.ts"
import { blocksOf } from "./support/HowTo.ts"

setDefaultTimeout(600_000)

let project: CronProject
let install = ""
let uninstall = ""

beforeAll(async () => {
  project = await startCronProject()
  install = readFileSync(join(project.folder, "pg_cron.sql"), "utf8")
  uninstall = readFileSync(join(project.folder, "pg_cron_uninstall.sql"), "utf8")
})
afterAll(() => project?.close())

const run = (text: string) => runScripts(project.databaseUrl, [{ name: "deploy/pg_cron", text }])

const jobs = async (): Promise<ReadonlyArray<string>> => {
  const rows: ReadonlyArray<{ jobname: string }> =
    await project.sql`select jobname from cron.job order by jobname`
  return rows.map(({ jobname }) => jobname)
}

/** pg_cron starts jobs only once a minute. */
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let seconds = 0; !(await holds()); seconds++) {
    if (seconds === 180) throw new Error(`not within three minutes: ${what}`)
    await Bun.sleep(1_000)
  }
}

const completed = async (): Promise<number> => {
  const rows: ReadonlyArray<{ n: number }> =
    await project.sql`select count(*)::int as n from sync_run_log where status = 'completed'`
  return rows[0]?.n ?? 0
}

const seedDue = async (count: number) =>
  project.sql`insert into organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
    select gen_random_uuid(), 'xledger', '0 4 29 2 *', now() - interval '1 minute' from generate_series(1, ${count})`.execute()

/** The script reports a missing secret by name. It can be run repeatedly. */
const installs = async () => {
  await expect(run(install)).rejects.toThrow("project_url")
  expect(await jobs()).toEqual([])
  // pg_net is a stand-in here, not an installed extension.
  const values = { "https://<project-ref>.supabase.co": project.url }
  const [prepare = "", look = ""] = blocksOf("pg-cron-edge.md", "sql", values)
  await run(prepare.replace("create extension if not exists pg_net;", ""))
  await run(look)
  for (let time = 1; time <= 3; time++) {
    await run(install)
    expect(await jobs()).toEqual(["sync-scheduler", "sync-scheduler-prune"])
  }
}

/** pg_cron starts a tick every minute. Each slot runs once, even if the binary ticks as well. */
const ticks = async () => {
  await seedDue(40)
  // More integrations become due just before pg_cron's next job, while the binary keeps ticking.
  await until("a first request", () => project.sent.length >= 1)
  await seedDue(200)
  await until("a second request", async () => {
    await runBinary(["run"], { env: project.environment })
    return project.sent.length >= 2
  })
  await until("every run", async () => (await completed()) === 240)

  const keys = project.functions.invocations.map(({ body }) => body.idempotency_key)
  expect([keys.length, new Set(keys).size]).toEqual([240, 240])
  expect(project.sent.map(({ status }) => status)).toEqual(project.sent.map(() => 202))
  const runs = await project.sql`select from cron.job_run_details where status = 'succeeded'`
  expect(runs.length).toBeGreaterThanOrEqual(2)
  const engines: ReadonlyArray<{ engine_id: string }> =
    await project.sql`select engine_id from sync_tick where engine_id like 'edge-%'`
  expect(engines.length).toBeGreaterThanOrEqual(1)
}

/** The request queue never contains a key, and a ticket in the queue can no longer be used. */
const keepsKeys = async () => {
  const all = JSON.stringify(project.sent)
  for (const secret of [project.environment.SUPABASE_SECRET_KEY ?? "?", "apikey", "uthorization"]) {
    expect(all).not.toContain(secret)
  }
  for (const { headers, url } of project.sent) {
    expect(headers["x-sync-ticket"]).toMatch(/^[0-9a-f]{64}$/)
    expect((await fetch(url, { method: "POST", headers })).status).toBe(401)
  }
}

const isClosed = async () => {
  for (const role of ["anon", "authenticated", "service_role"]) {
    for (const name of ["issue_ticket", "nudge_edge", "prune_cron"]) {
      const rows: ReadonlyArray<{ may: boolean }> = await project.sql`
        select has_function_privilege(${role}, ${`sync_scheduler.${name}()`}, 'execute') as may`
      expect(`${role} ${name} ${rows[0]?.may}`).toBe(`${role} ${name} false`)
    }
  }
}

/** Deletes only the scheduler's own job records that are older than a week. */
const prunes = async () => {
  await project.sql`select cron.schedule('another', '0 0 1 1 *', 'select 1')`
  await project.sql`insert into cron.job_run_details (jobid, runid, job_pid, database, username, command, status, start_time)
    select j.jobid, 1000000 + row_number() over (), 1, 'd', 'postgres', 'old', 'succeeded', now() - make_interval(days => d)
      from cron.job j, unnest(array[6, 8]) d where j.jobname in ('another', 'sync-scheduler')`
  await project.sql`select cron.schedule('sync-scheduler-prune', '* * * * *', 'select sync_scheduler.prune_cron()')`
  await until("a pruning", async () => {
    const rows = await project.sql`select from cron.job_run_details where command = 'old'`
    return rows.length === 3
  })
  const left: ReadonlyArray<{ jobname: string; days: number }> = await project.sql`
    select j.jobname, extract(day from now() - d.start_time)::int as days from cron.job_run_details d
      join cron.job j using (jobid) where d.command = 'old' order by 1, 2`
  expect(left.map(({ days, jobname }) => `${jobname} ${days}`)).toEqual([
    "another 6",
    "another 8",
    "sync-scheduler 6"
  ])
}

const uninstalls = async () => {
  await run(uninstall)
  await run(uninstall)
  expect(await jobs()).toEqual(["another"])
  const left = await project.sql`select from pg_proc where proname in ('nudge_edge', 'prune_cron')`
  expect(left.length).toBe(0)
  await run(install)
  expect(await jobs()).toEqual(["another", "sync-scheduler", "sync-scheduler-prune"])
}

const ticksManually = async () => {
  await seedDue(2)
  const [, byHand = ""] = blocksOf("pg-cron-edge.md", "sh", {
    "https://<project-ref>.supabase.co": project.url,
    "sb_secret_...": project.environment.SUPABASE_SECRET_KEY ?? ""
  })
  const child = Bun.spawn(["/bin/bash", "-ec", byHand], { stdout: "pipe", stderr: "ignore" })
  expect(await new Response(child.stdout).json()).toMatchObject({ failed: 0, errors: [] })
  await until("both", async () => (await completed()) === 242)
}

// Each step builds on the previous one.
test("deploy/pg_cron.sql can be installed, runs ticks securely, and can be uninstalled", async () => {
  for (const step of [installs, ticks, keepsKeys, isClosed, prunes, ticksManually, uninstalls]) {
    await step()
    console.log(`  ${step.name}: as it should be`)
  }
})
