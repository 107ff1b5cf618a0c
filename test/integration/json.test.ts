import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either, ParseResult, Schema } from "effect"
import { printsJson } from "../../scripts/docs/Pages.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { binaryPath } from "../support/binary.ts"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { serveHttp } from "../support/HttpServer.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary, runOnTerminal } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
let directory = ""
const seen = new Set<string>()
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-json-"))
}, 120_000)
afterAll(async () => {
  await project.close()
  await rm(directory, { recursive: true, force: true })
})

/** Asserts that the output of `-o json` matches docs/reference/json.md and has no extra fields. */
const holds = async (line: string, env: Readonly<Record<string, string>> = {}) => {
  const words = line.split(" ")
  const command = commands.find(({ name }) => line === name || line.startsWith(`${name} `))
  const loaded = await command?.load()
  if (loaded === undefined || !("json" in loaded) || loaded.json === undefined) {
    throw new Error(`${line}: its module exports no schema`)
  }
  const { stdout } = await runBinary([...words, "-o", "json"], {
    env: { ...project.environment, ...env },
    cwd: directory
  })
  const value: unknown = JSON.parse(stdout)
  const decoded = Schema.decodeUnknownEither(loaded.json, { onExcessProperty: "error" })(value)
  const fault = Either.isLeft(decoded)
    ? ParseResult.TreeFormatter.formatErrorSync(decoded.left).slice(0, 1_000)
    : ""
  expect([line, fault]).toEqual([line, ""])
  seen.add(command?.name ?? "")
  return value
}

test("the JSON of every command matches the reference", async () => {
  const receiver = await serveHttp(() => new Response())
  const alertSettings = {
    SYNC_SCHEDULER_ALERT_WEBHOOK_URL: `${receiver.url}/hook`,
    SYNC_SCHEDULER_PING_URL: `${receiver.url}/ping`
  }
  const [id = ""] = await project.seedDue(1, {
    sync_schedule: "'7 * * * *'",
    next_run_at:
      "date_trunc('hour', now() - interval '7 minutes') - interval '6 hours' + interval '7 minutes'"
  })
  await holds("run --dry-run")
  await holds("run")
  await holds("demo")
  await holds("schedules next @hourly")
  await holds("schedules validate @hourly --tz Europe/Oslo")
  await holds("schedules validate 61")
  await holds("audit --from 7d")
  await holds(`backfill ${id} --from 8h`)
  const requested = await holds(`backfill ${id} --from 8h --yes`)
  await holds(`backfill --cancel ${Reflect.get(Object(requested), "backfill_id")}`)
  const [org] = await project.sql`select org_id as id from organization_integrations limit 1`
  const runs = await project.sql`
    insert into sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, error_code)
    select i.id, i.org_id, i.integration_type, now() - n * interval '3 days', 'test-' || n, s, 'TEST'
      from organization_integrations i, (values (1, 'failed'), (2, 'unknown')) v(n, s) returning id`
  const act = "--reason test --yes"
  await holds("status")
  await holds(`explain ${org.id}`)
  await holds("runs list")
  await holds(`runs show ${runs[0].id}`)
  await holds(`runs release ${runs[1].id} ${act}`)
  await holds(`runs retry ${runs[0].id} ${act}`)
  await project.sql`delete from sync_run_log where status = 'pending'`
  await holds("schedules list")
  await holds(`schedules show ${org.id} xledger`)
  await holds(`trigger ${org.id} xledger ${act}`)
  await holds(`schedules pause ${org.id} xledger ${act}`)
  await holds(`schedules resume ${org.id} xledger ${act}`)
  await holds("check")
  await holds("probe --dry-run")
  await holds("doctor", alertSettings)
  await holds("notify test", alertSettings)
  await holds("env")
  await holds("setup --offline --dry-run")
  await holds("init --dry-run")
  await holds(`invoke ${id} --local ${project.functions.url}/integration-sync`)
  await holds("install systemd --print")
  await holds("install k8s --write ./k8s")
  await holds("schema print")
  await holds("schema print --only sync_tick --only begin_sync_run")
  await receiver.close()
  const all = commands.filter(printsJson).map(({ name }) => name)
  expect([...seen].toSorted()).toEqual(all.toSorted())
})

test("a command that fails prints errors with documented codes", async () => {
  const { code, stdout } = await runBinary(["audit", "-o", "json"], { env: {} })
  expect(JSON.parse(stdout).errors[0]).toMatchObject({ code: "CONFIGURATION" })
  expect(code).toBe(2)
})

test("text from others is never printed unescaped, to a terminal, a pipe or the log", async () => {
  const risky = "a\u202eb\u009b31mc\u200bd\u{e0041}"
  project.functions.behave(() => Behaviour.status(422, { error: { code: "X", message: risky } }))
  const [id = ""] = await project.seedDue(1, { integration_type: `'${risky}'` })
  const scope = ["--integration", id]
  const env = { ...project.environment, SYNC_SCHEDULER_LOG_FORMAT: "json" }
  const unseen = /[\p{Cf}\x7f-\x9f]/u
  const lines = await runBinary(["run", "-o", "jsonl", ...scope], { env })
  const last = JSON.parse(lines.stdout.trim().split("\n").at(-1) ?? "")
  expect(last.runs[0]).toMatchObject({ integration_type: risky, status: "failed" })
  const whole = await runBinary(["runs", "list", "-o", "json", ...scope], { env })
  expect(JSON.parse(whole.stdout).runs[0].integration_type).toBe(risky)
  const shown = await runOnTerminal(["runs", "list", "-o", "json", ...scope], 200, { env })
  for (const text of [lines.stdout, lines.stderr, whole.stdout, shown.shown]) {
    expect(text).not.toMatch(unseen)
  }
  // A JSON log line quotes the name of an unknown setting.
  const odd = await runBinary(["run", "-o", "jsonl", ...scope], {
    env: { ...env, [`SYNC_SCHEDULER_X${risky}`]: "1" }
  })
  expect(odd.stderr).not.toMatch(unseen)
  expect(odd.stderr).toContain("\\u202e")
  await project.sql`truncate sync_run_event, sync_run_log, sync_incident, organization_integrations`
})
