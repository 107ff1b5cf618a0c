import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)
beforeAll(binaryPath, 60_000)
let project: Project
beforeEach(async () => {
  project = await startProject()
}, 60_000)
afterEach(() => project.close())

const run = async (env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout } = await runBinary(["run", "-o", "json"], {
    env: { ...project.environment, ...env }
  })
  return { code, summary: JSON.parse(stdout) }
}

test.each([
  ["payroll-sync", "To allow it, set SYNC_SCHEDULER_FUNCTIONS=integration-sync,payroll-sync"],
  ["sync-scheduler", "is the scheduler itself"],
  ["../admin", "is not a valid function name"]
])(
  "nothing is sent to the unlisted function %p, and the run says what to change",
  async (name, hint) => {
    await project.seedDue(1, { function_name: `'${name}'`, warm_up: "true" })
    await project.seedDue(1)
    const { code, summary } = await run()
    expect(code).toBe(3)
    expect(summary).toMatchObject({ triggered: 2, completed: 1, failed: 1, errors: [] })
    const failed = summary.runs.find((one: { status: string }) => one.status === "failed")
    expect(failed.error).toMatchObject({
      code: "FUNCTION_NOT_ALLOWED",
      message: expect.stringContaining(hint)
    })
    const paths = project.functions.calls.map(
      ({ method, path }) => `${method} ${path.split("/").at(-1)}`
    )
    expect(paths).toEqual(["POST integration-sync"])
    const [row] = await project.sql`
    select status, error_code, error_message, org_id from sync_run_log where error_code is not null`
    expect(row).toMatchObject({ status: "failed", error_code: "FUNCTION_NOT_ALLOWED" })
    const { stdout } = await runBinary(["explain", row.org_id], { env: project.environment })
    expect(stdout).toContain("FUNCTION_NOT_ALLOWED")
    expect(await project.sql`select 1 from sync_function_warmth`).toHaveLength(0)
  }
)

test("the listed functions and the configured function are invoked with the key", async () => {
  await project.seedDue(1, { function_name: "'payroll-sync'" })
  await project.seedDue(1, { function_name: "'integration-sync'" })
  await project.seedDue(1)
  const { code, summary } = await run({ SYNC_SCHEDULER_FUNCTIONS: "payroll-sync, bank-sync" })
  expect([code, summary.completed]).toEqual([0, 3])
})

test("the scheduler itself can be neither listed nor configured", async () => {
  await project.seedDue(1)
  for (const env of [
    { SYNC_SCHEDULER_FUNCTIONS: "payroll-sync,sync-scheduler" },
    { SYNC_SCHEDULER_FUNCTION: "sync-scheduler" }
  ]) {
    const { code, summary } = await run(env)
    expect(code).toBe(2)
    expect(summary.errors[0].message).toContain("is the scheduler itself")
  }
  const url = `${project.gateway.url}/functions/v1/sync-scheduler`
  const { summary } = await run({ SYNC_SCHEDULER_FUNCTION_URL: url })
  expect(summary.runs[0].error.code).toBe("FUNCTION_NOT_ALLOWED")
  expect(project.functions.calls).toEqual([])
})
