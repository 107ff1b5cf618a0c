import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)
let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 60_000)
afterAll(() => project.close())

test("an integration whose zone has spaces around it runs, and its next slot is correct", async () => {
  await project.seedDue(1, { timezone: "' Europe/Oslo '", sync_schedule: "'30 2 * * *'" })
  const { code, stdout } = await runBinary(["run", "-o", "json"], { env: project.environment })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ completed: 1, errors: [] })
  const [row] = await project.sql`
    select schedule_error, next_run_at at time zone 'Europe/Oslo' as local from organization_integrations`
  expect(row.schedule_error).toBeNull()
  expect(row.local.toISOString()).toContain("T02:30:00")
  for (const command of [["status"], ["schedules", "list"], ["doctor"]]) {
    const { stdout } = await runBinary(command, { env: project.environment })
    expect(stdout).not.toMatch(/invalid|not an IANA/i)
  }
})
