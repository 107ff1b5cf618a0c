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
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Schema } from "effect"
import { Summary } from "../src/Domain/Summary.ts"
import { binaryPath } from "./support/binary.ts"
import * as Behaviour from "./support/FunctionBehaviour.ts"
import { serveHttp } from "./support/HttpServer.ts"
import { connect, createDatabase } from "./support/Postgres.ts"
import { type Project, startProject } from "./support/Project.ts"
import { runBinary, startBinary } from "./support/runBinary.ts"

const decodeSummary = Schema.decodeUnknownSync(Schema.parseJson(Summary))
const linesOf = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

// Every test starts processes, which is slow on a busy machine.
setDefaultTimeout(60_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-binary-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe("run, over a real project", () => {
  let project: Project
  beforeEach(async () => {
    project = await startProject()
  })
  afterEach(() => project.close())
  const run = (args: ReadonlyArray<string> = [], env: Record<string, string> = {}) =>
    runBinary(["run", ...args], { env: { ...project.environment, ...env }, cwd: directory })

  test("completes three due integrations, prints a table and exits with 0; then nothing is due", async () => {
    await project.seedDue(3)
    const first = await run()
    expect(first.stdout).toContain("✓ completed")
    expect(first.stdout).toContain("3 due: 3 completed")
    expect(first.stdout).not.toContain("\u001b")
    expect({ stderr: first.stderr, code: first.code }).toEqual({ stderr: "", code: 0 })
    expect(await project.statuses()).toEqual({ completed: 3 })
    const second = await run()
    expect(second).toEqual({ stdout: "✓ Nothing is due.\n", stderr: "", code: 0 })
    expect(project.functions.invocations).toHaveLength(3)
  })

  test("works over a direct connection, with the key in a credential file", async () => {
    await project.seedDue(2)
    await writeFile(join(directory, "supabase-secret-key"), `${project.gateway.secretKey}\n`)
    const { stdout, code } = await runBinary(["run", "-o", "json"], {
      env: {
        SUPABASE_URL: project.gateway.url,
        SUPABASE_DB_URL: project.database.url,
        CREDENTIALS_DIRECTORY: directory
      }
    })
    expect(decodeSummary(stdout)).toMatchObject({ triggered: 2, completed: 2, errors: [] })
    expect(code).toBe(0)
    expect(project.gateway.faults.calls("open_sync_tick")).toBe(0)
  })

  test("exits with 3 for a failed run, with the reason in the table and failures first in the JSON", async () => {
    await project.seedDue(1)
    await project.seedDue(1, { integration_type: "'fortnox'" })
    project.functions.behave((body) =>
      body.integration_type === "xledger"
        ? Behaviour.status(502, { success: false, error: { code: "TOKEN", message: "expired" } })
        : Behaviour.ok()
    )
    const { stdout, code } = await run(["-o", "json"])
    const summary = decodeSummary(stdout)
    expect(summary).toMatchObject({ due: 2, triggered: 2, completed: 1, failed: 1 })
    expect(summary.runs.map((one) => one.error)).toEqual([
      { code: "TOKEN", message: "expired" },
      undefined
    ])
    expect(JSON.parse(stdout).started_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(code).toBe(3)
  })

  test("prints a JSON line for each run, then the summary, with jsonl", async () => {
    await project.seedDue(3)
    const { stdout, code } = await run(["-o", "jsonl"])
    const lines = linesOf(stdout)
    expect(lines.map(({ type }) => type)).toEqual(["run", "run", "run", "summary"])
    expect(lines[0]).toMatchObject({ status: "completed", http_status: 200 })
    expect(lines[3]).toMatchObject({ triggered: 3, completed: 3 })
    expect(code).toBe(0)
  })

  test("lists due slots with --dry-run, and writes and invokes nothing", async () => {
    const [id] = await project.seedDue(1)
    const text = await run(["--dry-run"])
    expect(text.stdout).toContain(`xledger ${id}`)
    expect(text.stdout).toContain("Would run 1 sync at ")
    const json = await run(["-n", "-o", "json"])
    expect(JSON.parse(json.stdout)).toMatchObject({
      dry_run: true,
      due: [{ integration_id: id, trigger: "schedule", skipped_range: null }],
      errors: []
    })
    expect([text.code, json.code]).toEqual([0, 0])
    expect(await project.statuses()).toEqual({})
    expect(project.functions.calls).toEqual([])
    const [ticks] = await project.sql`select count(*)::int as n from sync_tick`
    expect(ticks.n).toBe(0)
  })

  test("respects --limit, --org, --integration and --concurrency", async () => {
    const org = crypto.randomUUID()
    const ids = await project.seedDue(4, { org_id: `'${org}'` })
    await project.seedDue(2)
    const one = await run(["--org", org.toUpperCase(), "--limit", "1", "-o", "json"])
    expect(decodeSummary(one.stdout)).toMatchObject({ triggered: 1 })
    const done = decodeSummary(one.stdout).runs[0]?.integration_id
    const left = ids.filter((id) => id !== done)
    const flags = left.slice(0, 2).flatMap((id) => ["--integration", id])
    const two = await run([...flags, "-o", "json", "--concurrency", "1"])
    expect(
      decodeSummary(two.stdout)
        .runs.map((run) => run.integration_id)
        .toSorted()
    ).toEqual(left.slice(0, 2).toSorted())
    expect(project.functions.peakInFlight).toBe(1)
    expect(await project.statuses()).toEqual({ completed: 3 })
  })

  test("does the rest in the next run after --limit ended a run", async () => {
    const since = { catch_up: "'all'", schedule_since: "now() - interval '10 minutes'" }
    await project.seedDue(2, { sync_schedule: "'*/5 * * * *'", next_run_at: "null", ...since })
    const limited = await run(["--limit", "1", "-o", "json"])
    expect(decodeSummary(limited.stdout)).toMatchObject({ completed: 1 })
    const rest = await run(["-o", "json"])
    expect(decodeSummary(rest.stdout)).toMatchObject({ completed: 3, errors: [] })
  })

  test("records runs in flight after SIGTERM, starts nothing new and exits with 143", async () => {
    await project.seedDue(3)
    const finish = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(finish.promise))
    const child = await startBinary(["run", "--concurrency", "1"], { env: project.environment })
    await project.functions.arrived(1)
    child.kill("SIGTERM")
    const reader = child.stderr.getReader()
    const said = new TextDecoder().decode((await reader.read()).value)
    expect(said).toContain("SIGTERM")
    finish.resolve()
    expect(await child.exited).toBe(143)
    expect(project.functions.invocations).toHaveLength(1)
    expect((await project.statuses()).completed).toBe(1)
    expect((await project.statuses()).running).toBeUndefined()
    project.functions.behave(() => Behaviour.ok())
    const next = await run(["-o", "json"], { SYNC_SCHEDULER_ADOPT_AFTER: "0s" })
    expect(decodeSummary(next.stdout)).toMatchObject({ triggered: 2, completed: 2 })
  })

  test("exits immediately with 130 after a second SIGINT", async () => {
    await project.seedDue(1)
    const never = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(never.promise))
    const child = await startBinary(["run"], { env: project.environment })
    await project.functions.arrived(1)
    child.kill("SIGINT")
    await child.stderr.getReader().read()
    child.kill("SIGINT")
    expect(await child.exited).toBe(130)
    never.resolve()
  })

  test("continues the tick when the reader of its output goes away", async () => {
    await project.seedDue(3)
    const finish = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(finish.promise))
    const child = await startBinary(["run", "-o", "jsonl"], { env: project.environment })
    await project.functions.arrived(3)
    await child.stdout.cancel()
    finish.resolve()
    expect(await child.exited).toBe(0)
    expect(await project.statuses()).toEqual({ completed: 3 })
  })

  test("exits with 4 for a key that the project refuses", async () => {
    const { stdout, stderr, code } = await run(["-o", "json"], {
      SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}`
    })
    expect(decodeSummary(stdout).errors[0]?.code).toBe("KEY_REFUSED")
    expect(stderr).toContain("SUPABASE_SECRET_KEY")
    expect(code).toBe(4)
  })

  test("rejects a legacy anon key with exit 2 before it sends the key", async () => {
    const { stderr, code } = await run([], { SUPABASE_SECRET_KEY: project.gateway.anonKey })
    expect(stderr).toContain("anon key")
    expect(stderr).toContain("sb_secret_")
    expect(code).toBe(2)
    expect(project.gateway.faults.calls("open_sync_tick")).toBe(0)
  })

  test("exits with 2 without migrations, and prints a command that applies them", async () => {
    const empty = await createDatabase({ migrations: false })
    const env = { ...project.environment, SUPABASE_DB_URL: empty.url }
    const before = await runBinary(["run", "-o", "json"], { env })
    expect(decodeSummary(before.stdout).errors[0]).toMatchObject({ code: "MIGRATIONS_MISSING" })
    expect(before.stderr).toContain("sync-scheduler schema print | psql")
    expect(before.code).toBe(2)
    const schema = await runBinary(["schema", "print"])
    const sql = connect(empty.url, { max: 1 })
    await sql.unsafe(schema.stdout)
    await sql.close()
    const after = await runBinary(["run"], { env })
    expect(after).toEqual({ stdout: "✓ Nothing is due.\n", stderr: "", code: 0 })
    await empty.drop()
  })

  test("logs JSON to stderr on request", async () => {
    const { stderr } = await run([], {
      SYNC_SCHEDULER_CONCURENCY: "3",
      SYNC_SCHEDULER_LOG_FORMAT: "json"
    })
    expect(linesOf(stderr)).toMatchObject([
      { level: "warning", message: expect.stringContaining("SYNC_SCHEDULER_CONCURRENCY?") }
    ])
  })
})

describe("run, over an unusable project", () => {
  // A tick waits for an unreachable database for up to three quarters of its interval.
  const key = {
    SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}`,
    SYNC_SCHEDULER_INTERVAL: "4s"
  }

  test("reports all missing and malformed settings together, with exit 2 and an empty stdout", async () => {
    const { stdout, stderr, code } = await runBinary(["run"], {
      env: { SYNC_SCHEDULER_CONCURRENCY: "0", SYNC_SCHEDULER_INVOKE_TIMEOUT: "155" }
    })
    for (const name of ["SUPABASE_URL", "SUPABASE_SECRET_KEY", "CONCURRENCY", "INVOKE_TIMEOUT"]) {
      expect(stderr).toContain(name)
    }
    expect(stderr.match(/^ {2}fix: /gm)).toHaveLength(4)
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
    const json = await runBinary(["run", "-o", "json"])
    expect(JSON.parse(json.stdout).errors).toHaveLength(2)
  })

  test.concurrent("exits with 5 if no server listens", async () => {
    const server = await serveHttp(() => new Response())
    await server.close()
    const env = { ...key, SUPABASE_URL: server.url }
    const { stdout, stderr, code } = await runBinary(["run", "-o", "json"], { env })
    expect(decodeSummary(stdout).errors[0]?.code).toBe("SUPABASE_UNREACHABLE")
    expect(stderr).toContain("SUPABASE_URL")
    expect(code).toBe(5)
  })

  test.concurrent.each([
    ["API", { SUPABASE_URL: "https://nowhere.invalid" }],
    [
      "database",
      {
        SUPABASE_URL: "http://127.0.0.1:1",
        SUPABASE_DB_URL: "postgres://postgres:x@nowhere.invalid/postgres"
      }
    ]
  ])("exits with 5 if the host of the %s does not resolve, without waiting", async (_, urls) => {
    const env = { SUPABASE_SECRET_KEY: key.SUPABASE_SECRET_KEY, ...urls }
    const { stdout, stderr, code } = await runBinary(["run", "-o", "json"], { env })
    expect(decodeSummary(stdout).errors[0]?.code).toBe("SUPABASE_UNREACHABLE")
    expect(stderr).not.toContain("Waiting")
    expect(code).toBe(5)
  })

  test.concurrent("does not mistake a server that responds with HTML for a project", async () => {
    const server = await serveHttp(
      () => new Response("<html>Hello</html>", { headers: { "Content-Type": "text/html" } })
    )
    const env = { ...key, SUPABASE_URL: server.url }
    const { stdout, stderr, code } = await runBinary(["run", "-o", "json"], { env })
    await server.close()
    expect(decodeSummary(stdout)).toMatchObject({ triggered: 0 })
    expect(stderr).toContain("the answer did not come from the API: HTTP 200 Hello")
    expect(code).toBe(5)
  })

  test.concurrent("exits with 5 for a wrong database URL", async () => {
    const env = {
      ...key,
      SUPABASE_URL: "http://127.0.0.1:1",
      SUPABASE_DB_URL: "postgresql://postgres:hidden@127.0.0.1:1/postgres"
    }
    const { stdout, stderr, code } = await runBinary(["run", "-o", "json"], { env })
    expect(decodeSummary(stdout).errors[0]?.code).toBe("SUPABASE_UNREACHABLE")
    expect(stdout + stderr).not.toContain("hidden")
    expect(code).toBe(5)
  })
})
