import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type CronProject, startCronProject } from "../../deploy/support/CronProject.ts"
import { root } from "../../functions/support/DenoServer.ts"
import { binaryPath } from "../../support/binary.ts"
import { runScripts } from "../../support/PostgresTemplate.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(600_000)

let project: CronProject
beforeAll(async () => {
  await binaryPath()
  project = await startCronProject()
})
afterAll(() => project?.close())

const ofCron = async () => {
  const { stdout } = await runBinary(["doctor", "-o", "json"], { env: project.environment })
  const findings: ReadonlyArray<{ check: string; code: string | null; what: string; fix: string }> =
    JSON.parse(stdout).findings
  return findings.filter(({ check }) => check === "pg_cron")
}

test("doctor describes a real pg_cron with one job, with two jobs and with an inactive job", async () => {
  expect(await ofCron()).toMatchObject([{ code: null }])
  await project.sql`select vault.create_secret(${project.url}, 'project_url')`
  const install = readFileSync(join(root, "deploy/pg_cron.sql"), "utf8")
  await runScripts(project.databaseUrl, [{ name: "pg_cron", text: install }])
  const [installed] = await ofCron()
  expect(installed).toMatchObject({ code: null })
  expect(installed?.what).toContain("one job starts Sync Scheduler: sync-scheduler (")

  await project.sql`select cron.schedule('again', '* * * * *', 'select sync_scheduler.nudge_edge()')`
  const [twice] = await ofCron()
  expect(twice).toMatchObject({ code: "CRON_DUPLICATE" })
  await project.sql.unsafe(twice?.fix ?? "")
  expect(await ofCron()).toMatchObject([{ code: null }])

  // On Supabase, the role `postgres` calls alter_job. The stand-in allows an update of the table instead.
  await project.sql`update cron.job set active = false where jobname = 'sync-scheduler'`
  const [off] = await ofCron()
  expect(off?.code).toBe("CRON_INACTIVE")
  expect(off?.fix).toMatch(/^select cron\.alter_job\(\d+, active => true\);$/)
  await project.sql`update cron.job set active = true where jobname = 'sync-scheduler'`
  expect(await ofCron()).toMatchObject([{ code: null }])
})
