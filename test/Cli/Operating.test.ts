import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { hostname } from "node:os"
import { Schema } from "effect"
import { commands } from "../../src/Cli/Commands.ts"
import { binaryPath } from "../support/binary.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"
import { runBinary, runOnTerminal, startBinary } from "../support/runBinary.ts"
import { expectTranscript, type TranscriptOptions, transcriptOf } from "../support/Transcript.ts"

setDefaultTimeout(120_000)

// Read-only commands share this fixture. Each test that changes data opens its own.
let fixture: FixtureDatabase
let env: Readonly<Record<string, string>>
const environmentOf = ({ database }: FixtureDatabase) => ({
  SUPABASE_DB_URL: database.url,
  USER: "ada"
})
beforeAll(async () => {
  await binaryPath()
  fixture = await openFixtureDatabase()
  env = environmentOf(fixture)
}, 120_000)
afterAll(() => fixture.close())

interface Step extends Pick<TranscriptOptions, "typed"> {
  readonly args: ReadonlyArray<string>
  /** The width of the terminal in columns. If undefined, stdout is a pipe. */
  readonly width?: number
}

/** Replaces the hostname and generated IDs. IDs of the fixture contain 0000-4000 and are kept. */
const replacements = [
  [/[0-9a-f]{8}-(?!0000-4000)[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "<id>"],
  [`@${hostname()}`, "@host"]
] as const

const expectSteps = async (
  name: string,
  environment: Readonly<Record<string, string>>,
  steps: ReadonlyArray<Step>
) => {
  const parts: Array<string> = []
  for (const { args, width, ...rest } of steps) {
    const columns = width === undefined ? {} : { columns: width }
    const text = await transcriptOf(args, { env: environment, replacements, ...columns, ...rest })
    const where = width === undefined ? "into a pipe" : `on a terminal of ${width} columns`
    parts.push(`# ${where}\n${text}`)
  }
  await expectTranscript(name, parts.join("\n"))
}

test("the output of status matches its transcript", () =>
  expectSteps("status", env, [
    { args: ["status"], width: 80 },
    { args: ["status", "--all"], width: 140 },
    { args: ["status", "--exit-status"] },
    { args: ["status", "--org", "acme", "--all", "--exit-status"], width: 100 }
  ]))

test("the output of explain matches its transcript", () =>
  expectSteps("explain", env, [
    { args: ["explain", "acme", "xledger"], width: 80 },
    { args: ["explain", "Acme AS", "--on", "yesterday"], width: 140 },
    { args: ["explain", "globex"], width: 80 },
    { args: ["explain", "umbrella", "--on", "last night"], width: 100 },
    { args: ["explain", "hooli", "--from", "6h"], width: 100 },
    { args: ["explain", "cyberdyne"], width: 80 },
    { args: ["explain", "Wonka"], width: 80 },
    { args: ["explain", "initech", "hubspot"], width: 80 },
    { args: ["explain", "soylent", "--on", "2026-11-20"] },
    { args: ["explain", "tyrell"] },
    { args: ["explain", "0dc0ffee"] }
  ]))

test("the output of schedules list and show matches its transcript", () =>
  expectSteps("schedules", env, [
    { args: ["schedules", "list"], width: 80 },
    { args: ["schedules", "list", "--state", "failing", "--state", "paused"], width: 140 },
    { args: ["schedules", "list", "--search", "xero"] },
    { args: ["schedules", "show", "hooli"], width: 80 },
    { args: ["schedules", "show", "wonka"] }
  ]))

test("the output of runs list and show matches its transcript", () =>
  expectSteps("runs", env, [
    { args: ["runs", "list", "--failed", "--limit", "5"], width: 80 },
    { args: ["runs", "list", "--live"], width: 140 },
    { args: ["runs", "list", "--late", "--since", "2026-11-20"] },
    {
      args: [
        "runs",
        "list",
        "--org",
        "acme",
        "--integration",
        "xledger",
        "--since",
        "2026-11-18 00:00 Europe/Oslo"
      ],
      width: 100
    },
    { args: ["runs", "show", "07c886dd"], width: 80 },
    { args: ["runs", "show", "01c886dd"] }
  ]))

test("every message about invalid input says what to write instead", () =>
  expectSteps("misnomers", env, [
    { args: ["explain", "Glbex"] },
    { args: ["explain", "i"] },
    { args: ["explain", "acme", "xlegder"] },
    { args: ["explain", "acme", "--on", "someday"] },
    { args: ["schedules", "show", "acme", "dynamics"] },
    { args: ["schedules", "list", "--state", "bad"] },
    { args: ["runs", "show", "zzzz"] },
    { args: ["runs", "list", "--status", "done"] },
    { args: ["runs", "list", "--later-than", "5"] },
    { args: ["audit", "--org", "acorn"] }
  ]))

test("commands that change data ask for confirmation on a terminal, record actor and reason, and print the undo", async () => {
  const acting = await openFixtureDatabase()
  const yes = ["--yes", "--reason", "ERP is back"]
  await expectSteps("acting", environmentOf(acting), [
    { args: ["schedules", "pause", "acme", "02c0"] },
    {
      args: ["schedules", "pause", "acme", "02c0"],
      width: 80,
      typed: [
        { after: "Reason to record (optional): ", text: "new ERP\r" },
        { after: "[y/N] ", text: "n\r" }
      ]
    },
    { args: ["schedules", "pause", "acme", "02c0", "--reason", "new ERP"], width: 80 },
    { args: ["schedules", "pause", "acme", "02c0", ...yes] },
    { args: ["trigger", "acme", "02c0", ...yes] },
    { args: ["schedules", "resume", "acme", "02c0", ...yes, "--as", "grace"] },
    { args: ["trigger", "acme", "xledger", ...yes] },
    { args: ["trigger", "acme", "xledger", ...yes] },
    { args: ["runs", "release", "07c886dd", ...yes] },
    { args: ["runs", "retry", "07c886dd", ...yes, "-o", "json"] },
    { args: ["runs", "retry", "01c886dd", ...yes] },
    { args: ["schedules", "show", "acme", "02c0"] },
    { args: ["schedules", "pause", "globex", "--yes"], width: 80 },
    { args: ["explain", "globex"] },
    { args: ["schedules", "resume", "globex", "-y"] }
  ])
  const events = await acting.sql`
    select kind, actor, reason from sync_run_event where reason in ('ERP is back', 'new ERP') order by id`
  expect(
    events.map(({ actor, kind, reason }: Record<string, string>) => [
      kind,
      actor?.split("@")[0],
      reason
    ])
  ).toEqual([
    ["paused", "ada", "new ERP"],
    ["resumed", "grace", "ERP is back"],
    ["triggered", "ada", "ERP is back"],
    ["released", "ada", "ERP is back"],
    ["retried", "ada", "ERP is back"]
  ])
  await acting.close()
})

test("runs tail follows new runs until it is interrupted", async () => {
  const following = await openFixtureDatabase()
  const child = await startBinary(
    ["runs", "tail", "-o", "jsonl", "--from-now", "--interval", "250ms"],
    {
      env: environmentOf(following)
    }
  )
  const reader = child.stderr.getReader()
  const decoder = new TextDecoder()
  let output = ""
  while (!output.includes("Waiting for runs")) output += decoder.decode((await reader.read()).value)
  await following.sql`update sync_run_log set status = 'completed', finished_at = scheduled_for + interval '1 minute' where status = 'running'`
  const lines = child.stdout.getReader()
  const line = JSON.parse(decoder.decode((await lines.read()).value))
  expect(line).toMatchObject({ type: "run", status: "completed", org_name: "Wayne Enterprises" })
  child.kill("SIGINT")
  expect((await reader.read()).done).toBe(true)
  expect(await child.exited).toBe(130)
  await following.close()
})

test("Ctrl-C at a prompt ends the command without a message about runs", async () => {
  const typed = [{ after: "Reason to record", text: "\u0003" }]
  for (const args of [
    ["schedules", "pause", "globex"],
    ["trigger", "globex", "--wait"]
  ]) {
    const project = {
      SUPABASE_URL: "http://127.0.0.1:9",
      SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}`
    }
    const { code, shown } = await runOnTerminal(args, 100, { env: { ...env, ...project }, typed })
    expect({ code, shown: shown.includes("SIGINT") }).toEqual({ code: 130, shown: false })
  }
})

test("lists use one time zone; a single run uses the organisation's zone", async () => {
  const show = async (...args: ReadonlyArray<string>) =>
    (await runBinary(args, { env: { ...env, TZ: "America/Lima" } })).stdout
  expect(await show("status", "--tz", "Asia/Tokyo")).toContain(
    "; now 2026-11-20 17:12:04 Asia/Tokyo"
  )
  expect(await show("status")).toContain("; now 2026-11-20 03:12:04 America/Lima")
  expect(await show("status", "--utc")).toContain("; now 2026-11-20 08:12:04 UTC")
  expect(await show("schedules", "list")).toStartWith("NEXT (America/Lima)")
  expect(await show("schedules", "list", "--tz", "Asia/Tokyo")).toStartWith("NEXT (Asia/Tokyo)")
  const run = await show("runs", "show", "07c886dd")
  expect(run).toMatch(/due +2026-11-20 [\d:]+ Europe\/\w+\n/)
  expect(run).not.toContain("UTC")
})

test("status counts the rows that it hides, and shows integrations with a common cause as one line", async () => {
  const own = await openFixtureDatabase()
  const show = async (...args: ReadonlyArray<string>) =>
    (await runBinary(["status", ...args], { env: environmentOf(own) })).stdout
  expect(await show()).toContain("8 more: sync-scheduler status --all")
  await own.sql`update organization_integrations set schedule_error = 'minute is 61', integration_type = 'xero', enabled = true`
  const text = await show()
  expect(text).toContain("xero: 16 ×")
  expect(text).not.toContain("more:")
  expect(text).toContain("List all: sync-scheduler status --all")
  expect(await show("--all")).not.toContain("Each of them")
  await own.close()
})

test("JSON output matches the reference field by field, and every JSON line has a type", async () => {
  const asked = [
    ["status"],
    ["explain", "acme"],
    ["schedules", "list"],
    ["schedules", "show", "globex"],
    ["runs", "list", "--limit", "3"],
    ["runs", "show", "07c886dd"]
  ]
  for (const args of asked) {
    const command = commands.find(({ name }) =>
      name.split(" ").every((word, n) => args[n] === word)
    )
    const loaded = await command?.load()
    if (loaded === undefined || !("json" in loaded) || loaded.json === undefined)
      throw new Error(String(args))
    const { code, stdout } = await runBinary([...args, "-o", "json"], { env })
    const value: unknown = JSON.parse(stdout)
    const decoded = Schema.decodeUnknownSync(loaded.json, { onExcessProperty: "error" })(value)
    expect(Schema.encodeSync(loaded.json)(decoded)).toEqual(value)
    expect(code).toBe(0)
  }
  const { stdout } = await runBinary(["status", "-o", "jsonl"], { env })
  const types = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).type)
  expect(types).toEqual([...Array(16).fill("integration"), "status"])
})

test("a pipe gets the same text as a terminal; -o tsv prints a header even for an empty list", async () => {
  const list = (...args: ReadonlyArray<string>) => runBinary(args, { env })
  expect((await list("runs", "list", "--since", "now")).stdout).toBe("No runs.\n")
  expect((await list("schedules", "list", "--search", "zzz")).stdout).toBe("No integrations.\n")
  expect((await list("status", "--org", "acme")).stdout).toStartWith("✓ all 3 on time\n")
  const rows = async (...args: ReadonlyArray<string>) =>
    (await list(...args, "-o", "tsv")).stdout
      .trimEnd()
      .split("\n")
      .map((row) => row.split("\t"))
  expect((await rows("runs", "list", "--since", "now"))[0]?.[0]).toBe("result")
  for (const args of [
    ["status", "--all"],
    ["schedules", "list"],
    ["runs", "list", "--limit", "3"]
  ]) {
    const [header = [], ...others] = await rows(...args)
    expect(others.length).toBeGreaterThan(2)
    expect(others.every((row) => row.length === header.length)).toBe(true)
    expect(header.every((name) => /^[a-z_]+$/.test(name))).toBe(true)
  }
})

test("a list uses one zone for times and dates: the viewer's, --tz or --utc", async () => {
  const list = async (TZ: string, ...args: ReadonlyArray<string>) =>
    (
      await runBinary(["runs", "list", "--org", "acme", "--integration", "xledger", ...args], {
        env: { ...env, TZ }
      })
    ).stdout
  const oslo = await list("Europe/Oslo", "--since", "2026-11-19", "--until", "2026-11-20")
  expect(oslo).toContain("DUE (Europe/Oslo)")
  expect(oslo).toMatch(/✓ completed {2}11-19 02:00 /)
  expect(oslo.trimEnd().split("\n").length).toBe(2)
  expect(await list("Europe/Oslo", "--utc")).toMatch(/DUE \(UTC\)[\s\S]*11-19 01:00 /)
  expect(await list("UTC", "--tz", "Asia/Tokyo")).toMatch(/DUE \(Asia\/Tokyo\)[\s\S]*11-19 10:00 /)
  const wrong = await runBinary(["status", "--tz", "Mars/Base"], { env })
  expect(wrong).toMatchObject({ code: 2, stdout: "" })
  expect(wrong.stderr).toContain('--tz is "Mars/Base": there is no such zone')
})

test("colours appear only on a terminal, and always next to a symbol or word", async () => {
  const coloured = await runOnTerminal(["status"], 100, { env })
  expect(coloured.shown).toContain("\u001b[31m✗ overdue\u001b[39m")
  const plain = await runBinary(["status", "--all"], { env })
  expect(plain.stdout).not.toContain("\u001b")
})
