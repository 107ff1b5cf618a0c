import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { hostname } from "node:os"
import { binaryPath } from "../../support/binary.ts"
import { startEngine } from "../../support/EngineProcess.ts"
import { ok, until } from "../../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
let id = ""
beforeAll(() => binaryPath(), 120_000)
beforeEach(async () => {
  project = await startProject()
  // After the tick, the newest slot has a run, and the six earlier slots are recorded as skipped.
  const seeded = await project.seedDue(1, {
    sync_schedule: "'0 * * * *'",
    timezone: "'Europe/Oslo'",
    next_run_at: "date_trunc('hour', now()) - interval '6 hours'"
  })
  id = seeded[0] ?? ""
  await project.tick("direct")
})
afterEach(() => project.close())

const cli = (...args: ReadonlyArray<string>) =>
  runBinary(args, { env: { ...project.environment, USER: "ada" } })
const json = async (...args: ReadonlyArray<string>) => {
  const { code, stdout } = await cli(...args, "-o", "json")
  return { code, answer: JSON.parse(stdout) }
}
const requests = async () => {
  const rows =
    await project.sql`select status, requested_by, reason, claimed::int from sync_backfill`
  return [...rows]
}
const backfilled = async (): Promise<ReadonlyArray<string>> => {
  const rows =
    await project.sql`select scheduled_for from sync_run_log where trigger = 'backfill' order by created_at, scheduled_for`
  return rows.map((row: { scheduled_for: Date }) => row.scheduled_for.toISOString())
}

test("backfill is a dry run by default: it lists the slots in local time and changes nothing", async () => {
  const shown = await cli("backfill", id, "--from", "8h")
  expect(shown).toMatchObject({ code: 0, stderr: "" })
  expect(shown.stdout).toContain("Europe/Oslo")
  expect(shown.stdout.match(/recorded as skipped/g)?.length).toBe(6)
  expect(shown.stdout).toContain(
    "Would run 6 slots, oldest first, one at a time. Nothing was changed."
  )
  const { answer } = await json("backfill", id, "--from", "8h")
  expect(answer).toMatchObject({ dry_run: true, count: 6, slots_truncated: false })
  expect(answer.slots.length).toBe(6)
  expect(await requests()).toEqual([])
  expect((await json("run")).answer.due).toBe(0)
})

test("with --yes, the next tick runs exactly the listed slots, and a second request finds none", async () => {
  const { answer: shown } = await json("backfill", id, "--from", "8h")
  const asked = await json("backfill", id, "--from", "8h", "--yes", "--reason", "ERP was down")
  expect(asked.answer).toMatchObject({ dry_run: false, enabled: true, count: 6 })
  expect(await requests()).toMatchObject([
    { status: "open", requested_by: `ada@${hostname()}`, reason: "ERP was down", claimed: 0 }
  ])
  expect((await json("run")).answer).toMatchObject({ triggered: 6, completed: 6, missed: 0 })
  expect(await backfilled()).toEqual(shown.slots)
  expect(await requests()).toMatchObject([{ status: "done", claimed: 6 }])
  const after = await cli("backfill", id, "--from", "8h", "--yes")
  expect(after.stdout).toStartWith("Nothing to run")
  const cancelled = await cli("backfill", "--cancel", asked.answer.backfill_id)
  expect(cancelled.stderr).toContain("already done")
  expect(cancelled.code).toBe(2)
  expect((await cli("audit", "--from", "1d")).code).toBe(0)
})

test("cancelling during a run lets that run finish and starts no other", async () => {
  const answer = Promise.withResolvers<void>()
  const before = project.functions.calls.length
  project.functions.behave(() => until(answer.promise, ok()))
  const asked = await cli("backfill", id, "--from", "8h", "--yes")
  const cancel = /sync-scheduler (backfill --cancel \S+)/.exec(asked.stdout)?.[1] ?? ""
  const engine = await startEngine(project.environment)
  await project.functions.arrived(before + 1)
  const cancelled = await cli(...cancel.split(" "))
  expect(cancelled.stdout).toContain("Cancelled after 1 slot. A run in progress will finish.")
  answer.resolve()
  expect((await engine.exited).summary).toMatchObject({ triggered: 1, completed: 1 })
  expect((await json("run")).answer.due).toBe(0)
  expect((await backfilled()).length).toBe(1)
})

test("after a kill, another engine continues: every slot runs once, and each retry uses its own key", async () => {
  const short = {
    ...project.environment,
    SYNC_SCHEDULER_INVOKE_TIMEOUT: "2s",
    SYNC_SCHEDULER_LEASE_MARGIN: "1s",
    SYNC_SCHEDULER_QUIESCENCE: "0s"
  }
  await cli("backfill", id, "--from", "8h", "--yes")
  const before = project.functions.calls.length
  const answer = Promise.withResolvers<void>()
  let seen = 0
  project.functions.behave(() => (++seen === 3 ? until(answer.promise, ok()) : ok()))
  const engine = await startEngine(short)
  await project.functions.arrived(before + 3)
  engine.kill("SIGKILL")
  await engine.exited
  answer.resolve()
  while ((await project.statuses()).completed !== 7) {
    const both = await Promise.all([startEngine(short), startEngine(short)])
    await Promise.all(both.map((one) => one.exited))
  }
  expect(await project.statuses()).toEqual({ completed: 7 })
  expect(await requests()).toMatchObject([{ status: "done", claimed: 6 }])
  const keys = project.functions.calls.slice(before).map((call) => call.headers["idempotency-key"])
  expect(new Set(keys).size).toBe(6)
  expect(keys.length).toBe(7)
  expect((await backfilled()).toSorted()).toEqual([...(await backfilled())])
}, 120_000)

test("every usage error says how to fix it", async () => {
  for (const [args, words] of [
    [[], "needs <org>"],
    [["acme", "--from", "1d"], 'no organisation or integration "acme"'],
    [[id], "--from is missing"],
    [[id, "--from", "2020-01-01"], "may have been deleted"],
    [["00000000-0000-4000-8000-000000000009", "--from", "1d"], "did not exist in that period"],
    [["--cancel", "x"], "must be a UUID"],
    [["--cancel", "00000000-0000-4000-8000-000000000009"], "it is unknown"]
  ] as const) {
    const { code, stderr } = await cli("backfill", ...args)
    expect(stderr).toContain(words)
    expect(stderr).toContain("fix: ")
    expect(code).toBe(2)
  }
  await project.sql`update organization_integrations set enabled = false`
  expect((await cli("backfill", id, "--from", "8h", "--yes")).stdout).toContain(
    "is paused: the slots run when you resume it"
  )
})
