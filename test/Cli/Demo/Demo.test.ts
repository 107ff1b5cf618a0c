import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { existsSync } from "node:fs"
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import { type Ended, runBinary, runOnTerminal } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

let directory = ""
/** A kept demo that the tests copy, because each demo starts an embedded database. */
let original: Ended & { readonly path: string }
beforeAll(async () => {
  await binaryPath()
  const path = join(await mkdtemp(join(tmpdir(), "sync-scheduler-demo-")), "kept")
  original = { path, ...(await runBinary(["demo", "--keep", path])) }
}, 120_000)
afterAll(() => rm(dirname(original.path), { recursive: true, force: true }))

/** Returns the path of a copy. */
const copyDemo = async (): Promise<string> => {
  const path = join(directory, "kept")
  await cp(original.path, path, { recursive: true })
  return path
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-demo-"))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe("the demo command in an empty directory without settings", () => {
  test("prints a table with one failure and the next steps, exits with 0, and leaves no files behind", async () => {
    const empty = await mkdtemp(join(tmpdir(), "sync-scheduler-demo-"))
    const { stdout, stderr, code } = await runBinary(["demo"], { cwd: empty })
    expect(stdout).toMatch(
      /✗ failed .* xledger .* TOKEN_EXPIRED, "Xledger answered 401: token expired"/
    )
    expect(stdout).toMatch(/✓ completed .* dynamics .* HTTP 200/)
    expect(stdout).toContain("3 due: 2 completed, 1 failed")
    expect(stdout.trimEnd().split("\n").at(-1)).toContain("sync-scheduler setup")
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 })
    expect(await readdir(empty)).toEqual([])
    await rm(empty, { recursive: true })
  })

  test("-o json prints the summary", async () => {
    const { stdout, stderr, code } = await runBinary(["demo", "-o", "json"], { cwd: directory })
    const summary = JSON.parse(stdout)
    expect(summary).toMatchObject({
      due: 3,
      triggered: 3,
      completed: 2,
      failed: 1,
      skipped: 0,
      errors: []
    })
    expect(summary.runs[0]).toMatchObject({
      integration_type: "xledger",
      status: "failed",
      error: { code: "TOKEN_EXPIRED", message: "Xledger answered 401: token expired" }
    })
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 })
  })

  test("ignores settings from the environment", async () => {
    const env = { SUPABASE_URL: "not a url", SYNC_SCHEDULER_CONCURRENCY: "0", NO_COLOR: "1" }
    const { shown, code } = await runOnTerminal(["demo"], 100, { cwd: directory, env })
    expect(shown).toContain("Starting an embedded PostgreSQL")
    expect(shown).toContain("3 due: 2 completed, 1 failed")
    expect(shown).not.toContain("\u001b[3")
    expect(code).toBe(0)
  })

  test("fits a narrow colour terminal and removes its progress line", async () => {
    const { shown, code } = await runOnTerminal(["demo"], 76, { cwd: directory })
    const text = Bun.stripANSI(shown.replaceAll(/[^\n]*\r(?!\n)/g, ""))
    expect(shown).toContain("\u001b[31m✗ failed")
    expect(shown).toContain("completed, 1 failed so far ...")
    expect(text).not.toContain("so far")
    expect(text).toContain('\n    TOKEN_EXPIRED, "Xledger answered 401: token expired"\r\n')
    expect(code).toBe(0)
  })
})

describe("the demo command with --keep", () => {
  test("leaves a database that a second demo continues with", async () => {
    expect(original.stdout).toContain(`The database is kept in ${original.path}`)
    const kept = await copyDemo()
    expect(existsSync(join(kept, "PG_VERSION"))).toBe(true)
    const second = await runBinary(["demo", "--keep", "kept", "-o", "json"], { cwd: directory })
    expect(JSON.parse(second.stdout)).toMatchObject({ triggered: 3, completed: 2, failed: 1 })
    expect([original.code, second.code]).toEqual([0, 0])
  })

  test("leaves a database that the operator commands can read and change", async () => {
    const kept = await copyDemo()
    const ask = (...args: ReadonlyArray<string>) => runBinary([...args, "--demo", kept])
    expect((await ask("explain", "acme")).stdout).toMatch(/✓ Yes\. The \S+ run completed\./)
    const failed = JSON.parse((await ask("runs", "list", "--failed", "-o", "json")).stdout)
    const run = failed.runs[0].run_id
    const retried = await ask("runs", "retry", run, "--yes", "--reason", "token renewed")
    expect(retried.stdout).toStartWith("✓ Retrying the failed run of Initech / xledger")
    expect(retried.stdout).toContain(`→ see it: sync-scheduler runs show --demo ${kept} ${run}`)
    const acme = await ask("trigger", "acme", "--wait", "--yes")
    expect(acme.stdout).toStartWith("✓ Completed on attempt 1 in ")
    expect(acme.code).toBe(0)
    const none = await runBinary(["status", "--demo", directory])
    expect(none.stderr).toContain("this directory contains no demo database")
    expect(none.code).toBe(2)
  })

  test("refuses a non-empty directory with exit 2", async () => {
    const foreign = await mkdtemp(join(directory, "foreign-"))
    await writeFile(join(foreign, "accounts.xlsx"), "")
    const { stdout, stderr, code } = await runBinary(["demo", "--keep", foreign])
    expect(stderr).toContain(`${foreign} is not empty, and was not created by a demo`)
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
    expect(await readdir(foreign)).toEqual(["accounts.xlsx"])
    const file = await runBinary(["demo", "--keep", join(foreign, "accounts.xlsx")])
    expect(file.stderr).toContain("is not a readable directory")
    expect(file.code).toBe(2)
  })
})

test("doctor and check work on the database that the demo left", async () => {
  const kept = await copyDemo()
  const doctor = await runBinary(["doctor", "--demo", kept])
  expect(doctor.stdout).toContain("✓ schema     matches this version")
  expect(doctor.stdout).toContain("✓ access     row level security is on")
  expect({ stderr: doctor.stderr, code: doctor.code }).toEqual({ stderr: "", code: 0 })
  const check = await runBinary(["check", "--demo", kept])
  expect(check.stdout).toStartWith("SYNC WARNING - 1 failing (xledger: TOKEN_EXPIRED) | ")
  expect(check.code).toBe(1)
  const nothing = await runBinary(["doctor", "--demo", join(directory, "nothing")])
  expect(nothing.stderr).toContain("sync-scheduler demo --keep")
  expect(nothing.code).toBe(2)
})
