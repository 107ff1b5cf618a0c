import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { subjects, table } from "../../../src/Config.ts"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-commands-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe("the env command", () => {
  const key = `sb_secret_${"k".repeat(32)}`

  test("prints every setting with its source, and no secret", async () => {
    await writeFile(join(directory, "sync-scheduler-concurrency"), "7\n")
    const env = {
      SUPABASE_SECRET_KEY: key,
      SUPABASE_DB_URL: "postgresql://postgres:kkkk@db.example.com/postgres",
      SYNC_SCHEDULER_INVOKE_TIMEOUT: "90s",
      CREDENTIALS_DIRECTORY: directory
    }
    const text = await runBinary(["env"], { env })
    for (const { key } of Object.values(table)) expect(text.stdout).toContain(key)
    expect(text.stdout).toMatch(/INVOKE_TIMEOUT +90s +environment/)
    expect(text.stdout).toMatch(/CONCURRENCY +7 +credential sync-scheduler-concurrency/)
    expect(text.stdout).toMatch(/LEASE_MARGIN +60s +default/)
    expect(text.stdout).toMatch(/SUPABASE_URL +- +not set/)
    const json = await runBinary(["env", "-o", "json"], { env })
    const rows: ReadonlyArray<{ key: string }> = JSON.parse(json.stdout).settings
    expect(rows.map((row) => row.key)).toEqual(Object.values(table).map((one) => one.key))
    expect(text.stdout + json.stdout).not.toContain("kkkk")
    expect([text.code, json.code]).toEqual([0, 0])
  })

  test("groups settings by subject; --changed prints only those that are set", async () => {
    const env = { SYNC_SCHEDULER_CONCURRENCY: "8", SYNC_SCHEDULER_LEASE_MARGIN: "1" }
    const whole = await runBinary(["env"], { env: {} })
    for (const { title } of subjects) expect(whole.stdout).toContain(`\n\n${title}\n`)
    const changed = await runBinary(["env", "--changed", "-o", "json"], { env })
    const rows: ReadonlyArray<{ key: string; source: string }> = JSON.parse(changed.stdout).settings
    expect(rows.map(({ key, source }) => [key, source])).toEqual([
      ["SYNC_SCHEDULER_CONCURRENCY", "environment"],
      ["SYNC_SCHEDULER_LEASE_MARGIN", "refused"]
    ])
    const none = await runBinary(["env", "--changed"], { env: {} })
    expect(none.stdout).toBe("No settings are set. To see all settings: sync-scheduler env\n")
  })

  test("rejects a malformed setting with exit 2 and a fix", async () => {
    const { stdout, stderr, code } = await runBinary(["env"], {
      env: { SYNC_SCHEDULER_LEASE_MARGIN: "1", SYNC_SCHEDULER_CONCURENCY: "4" }
    })
    expect(stdout).toMatch(/LEASE_MARGIN +- +refused/)
    expect(stderr).toContain("1s for seconds")
    expect(stderr).toContain("did you mean SYNC_SCHEDULER_CONCURRENCY?")
    expect(code).toBe(2)
  })
})
