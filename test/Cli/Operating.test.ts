import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { hostname } from "node:os"
import { Schema } from "effect"
import { commands } from "../../src/Cli/Commands.ts"
import { binaryPath } from "../support/binary.ts"
import { runBinary, runOnTerminal, startBinary } from "../support/runBinary.ts"
import { openScene, type SceneDatabase } from "../support/SceneDatabase.ts"
import { expectTranscript, type TranscriptOptions, transcriptOf } from "../support/Transcript.ts"

setDefaultTimeout(120_000)

// Commands that only ask share a scene; each that acts has its own.
let scene: SceneDatabase
let env: Readonly<Record<string, string>>
const environmentOf = ({ database }: SceneDatabase) => ({
  SUPABASE_DB_URL: database.url,
  USER: "ada"
})
beforeAll(async () => {
  await binaryPath()
  scene = await openScene()
  env = environmentOf(scene)
}, 120_000)
afterAll(() => scene.close())

interface Step extends Pick<TranscriptOptions, "typed"> {
  readonly args: ReadonlyArray<string>
  /** Of the terminal; without one, it is a pipe. */
  readonly width?: number
}

/** New ids (those of the scene are 0000-4000), and this machine's name. */
const replacements = [
  [/[0-9a-f]{8}-(?!0000-4000)[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "<id>"],
  [`@${hostname()}`, "@host"]
] as const

/** Commands one after the other, as a golden file. */
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

test("status", () =>
  expectSteps("status", env, [
    { args: ["status"], width: 80 },
    { args: ["status", "--all"], width: 140 },
    { args: ["status", "--exit-status"] },
    { args: ["status", "--org", "acme", "--all", "--exit-status"], width: 100 }
  ]))

test("explain", () =>
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

test("schedules list and show", () =>
  expectSteps("schedules", env, [
    { args: ["schedules", "list"], width: 80 },
    { args: ["schedules", "list", "--state", "failing", "--state", "paused"], width: 140 },
    { args: ["schedules", "list", "--search", "xero"] },
    { args: ["schedules", "show", "hooli"], width: 80 },
    { args: ["schedules", "show", "wonka"] }
  ]))

test("runs list and show", () =>
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

test("what is not understood: each with what to write instead", () =>
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
    { args: ["audit", "--org", "nobody"] }
  ]))

test("what acts: asks on a terminal, refuses in silence, records who and why, and says how to undo it", async () => {
  const acting = await openScene()
  const yes = ["--yes", "--reason", "ERP is back"]
  await expectSteps("acting", environmentOf(acting), [
    { args: ["schedules", "pause", "acme", "02c0"] },
    {
      args: ["schedules", "pause", "acme", "02c0"],
      width: 80,
      typed: [
        { after: "Why, for the record: ", text: "new ERP\r" },
        { after: "[y/N] ", text: "n\r" }
      ]
    },
    {
      args: ["schedules", "pause", "acme", "02c0", "--reason", "new ERP"],
      width: 80,
      typed: [{ after: "[y/N] ", text: "y\r" }]
    },
    { args: ["schedules", "pause", "acme", "02c0", ...yes] },
    { args: ["trigger", "acme", "02c0", ...yes] },
    { args: ["schedules", "resume", "acme", "02c0", ...yes, "--as", "grace"] },
    { args: ["trigger", "acme", "xledger", ...yes] },
    { args: ["trigger", "acme", "xledger", ...yes] },
    { args: ["runs", "release", "07c886dd", ...yes] },
    { args: ["runs", "retry", "07c886dd", ...yes, "-o", "json"] },
    { args: ["runs", "retry", "01c886dd", ...yes] },
    { args: ["schedules", "show", "acme", "02c0"] }
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

test("runs tail follows, and ends when it is told to", async () => {
  const following = await openScene()
  const child = await startBinary(
    ["runs", "tail", "-o", "jsonl", "--from-now", "--interval", "250ms"],
    {
      env: environmentOf(following)
    }
  )
  const reader = child.stderr.getReader()
  const decoder = new TextDecoder()
  let told = ""
  while (!told.includes("Waiting for runs")) told += decoder.decode((await reader.read()).value)
  await following.sql`update sync_run_log set status = 'completed', finished_at = scheduled_for + interval '1 minute' where status = 'running'`
  const lines = child.stdout.getReader()
  const line = JSON.parse(decoder.decode((await lines.read()).value))
  expect(line).toMatchObject({ type: "run", status: "completed", org_name: "Wayne Enterprises" })
  child.kill("SIGINT")
  expect([0, 130]).toContain(await child.exited)
  await following.close()
})

test("JSON is what the reference says it is, field by field; lines have a type", async () => {
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

test("colours on a terminal only, and never alone", async () => {
  const coloured = await runOnTerminal(["status"], 100, { env })
  expect(coloured.shown).toContain("\u001b[31m✗ overdue\u001b[39m")
  const plain = await runBinary(["status", "--all"], { env })
  expect(plain.stdout).not.toContain("\u001b")
  expect(
    plain.stdout
      .trim()
      .split("\n")
      .every((row) => row.split("\t").length === 7)
  ).toBe(true)
})
