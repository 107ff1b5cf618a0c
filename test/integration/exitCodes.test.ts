import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary, startBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())

const exitOf = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  (await runBinary(args, { env: { ...project.environment, ...env } })).code

/** Covers every exit code in docs/reference/exit-codes.md. */
test("0 means success, even when nothing was due; help exits with 0", async () => {
  expect(await exitOf(["run"])).toBe(0)
  expect(await exitOf(["help"])).toBe(0)
  expect(await exitOf(["schedules", "validate", "0 2 * * *"])).toBe(0)
})

test("1 means that a result could not be written", async () => {
  const full = await Bun.$`${await binaryPath()} env -o json > /dev/full`
    .env(project.environment)
    .nothrow()
    .quiet()
  expect(full.exitCode).toBe(1)
  expect(full.stderr.toString()).toContain("the output cannot be written")
})

test("2 means a usage error, an invalid expression or configuration, or a database without migrations", async () => {
  expect(await exitOf(["rnu"])).toBe(2)
  expect(await exitOf(["run", "--dry"])).toBe(2)
  expect(await exitOf(["schedules", "validate", "61 * * * *"])).toBe(2)
  expect(await exitOf(["run"], { SUPABASE_URL: "" })).toBe(2)
  const other = new URL(project.database.url)
  other.pathname = "/not_there"
  expect(await exitOf(["run"], { SUPABASE_DB_URL: other.href })).toBe(2)
})

test("3 means that a run failed, an audit found holes or doctor found a problem", async () => {
  await project.seedDue(1)
  project.functions.behave(() => Behaviour.status(400, { error: "no" }))
  expect(await exitOf(["run"])).toBe(3)
  // No run failed permanently, but no run exported anything either.
  await project.sql`delete from sync_run_event`
  await project.sql`delete from sync_run_log`
  await project.seedDue(1)
  project.functions.behave(() => Behaviour.status(409, { executed: false, error: "not_found" }))
  expect(await exitOf(["run"])).toBe(3)
  await project.sql`delete from sync_run_event`
  await project.sql`delete from sync_run_log`
  expect(await exitOf(["audit", "--from", "1h"])).toBe(3)
  await project.sql`grant execute on function public.pause_integration to anon`
  expect(await exitOf(["doctor"])).toBe(3)
  await project.sql`revoke execute on function public.pause_integration from anon`
})

test("4 means that the key was refused", async () => {
  expect(await exitOf(["run"], { SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}` })).toBe(4)
  // The API responds with 401 and SQLSTATE 22023.
  const unknown = project.gateway.sign({ role: "nobody_here" })
  expect(await exitOf(["run"], { SUPABASE_SECRET_KEY: unknown })).toBe(4)
  expect(await exitOf(["status"], { SUPABASE_SECRET_KEY: unknown })).toBe(4)
})

test("5 means that Supabase could not be reached", async () => {
  expect(await exitOf(["audit"], { SUPABASE_DB_URL: "postgresql://x:y@127.0.0.1:1/z" })).toBe(5)
})

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const)("%s: runs in flight are recorded, and the exit code is %d", async (signal, code) => {
  await project.sql`delete from sync_run_log`
  await project.seedDue(1)
  const finish = Promise.withResolvers<void>()
  project.functions.behave(() => Behaviour.until(finish.promise))
  const seen = project.functions.invocations.length
  const child = await startBinary(["run"], { env: project.environment })
  await project.functions.arrived(seen + 1)
  child.kill(signal)
  await child.stderr.getReader().read()
  finish.resolve()
  expect(await child.exited).toBe(code)
  expect((await project.statuses()).completed).toBe(1)
})
