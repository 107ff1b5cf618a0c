import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary, runMeasured } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(() => binaryPath(), 120_000)
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

const tick = async () => {
  const { code, stdout } = await runBinary(["run", "-o", "json"], { env: project.environment })
  return { code, summary: JSON.parse(stdout) }
}

const expectNoHoles = async (from = "40d") => {
  const { code, stdout } = await runBinary(["audit", "--from", from], { env: project.environment })
  expect(stdout).toStartWith("✓ No holes")
  expect(code).toBe(0)
}

interface RunRow {
  readonly scheduled_for: Date
  readonly trigger: string
  readonly status: string
}
const rows = async (): Promise<ReadonlyArray<RunRow>> => [
  ...(await project.sql`select scheduled_for, trigger, status from sync_run_log order by scheduled_for`)
]
const ranges = async (): Promise<ReadonlyArray<{ reason: string; count: number }>> => [
  ...(await project.sql`select reason, count::int as count from sync_skipped_range order by id`)
]

/** Seeds 19 missed slots, ten minutes apart. The newest is seven minutes old. */
const seedOutage = (columns: Readonly<Record<string, string>>) =>
  project.seedDue(1, {
    sync_schedule:
      "extract(minute from now() - interval '7 minutes')::int % 10 || '-59/10 * * * *'",
    next_run_at: "date_trunc('minute', now() - interval '3 hours 7 minutes')",
    ...columns
  })

describe("after three missed hours", () => {
  test("latest runs the newest slot once, and records the others as one range", async () => {
    await seedOutage({ catch_up: "'latest'" })
    const { code, summary } = await tick()
    expect(code).toBe(0)
    expect(summary).toMatchObject({ triggered: 1, completed: 1, missed: 18 })
    expect(await ranges()).toEqual([{ reason: "superseded", count: 18 }])
    expect((await tick()).summary.due).toBe(0)
    await expectNoHoles()
  })

  test("all runs each slot inside its window, oldest first, and records older slots as one range", async () => {
    await seedOutage({ catch_up: "'all'", catch_up_window: "interval '65 minutes'" })
    const { summary } = await tick()
    const ran = await rows()
    expect(summary).toMatchObject({ triggered: 6, completed: 6, missed: 13 })
    const started = await project.sql`select scheduled_for from sync_run_log order by started_at`
    expect(started.map((row: { scheduled_for: Date }) => row.scheduled_for)).toEqual(
      ran.map((row) => row.scheduled_for)
    )
    expect(await ranges()).toEqual([{ reason: "outside_window", count: 13 }])
    await expectNoHoles()
  })

  test("all uses the window of the settings", async () => {
    await seedOutage({ catch_up: "'all'" })
    const env = { ...project.environment, SYNC_SCHEDULER_CATCH_UP_WINDOW: "35m" }
    expect((await runBinary(["run"], { env })).code).toBe(0)
    expect((await rows()).length).toBe(3)
    await expectNoHoles()
  })

  test("skip runs no late slot, and records all of them", async () => {
    await seedOutage({ catch_up: "'skip'" })
    expect((await tick()).summary).toMatchObject({ triggered: 0, missed: 19 })
    expect(await ranges()).toEqual([{ reason: "catch_up_skip", count: 19 }])
    await expectNoHoles()
  })

  test("slots that passed while disabled never run after enabling", async () => {
    await project.seedDue(1, { sync_schedule: "'* * * * * *'", next_run_at: "null" })
    await tick()
    await project.sql`update organization_integrations set enabled = false`
    const before = (await rows()).length
    await project.sql`update organization_integrations set enabled = true, sync_schedule = '0 0 1 1 *'`
    expect((await tick()).summary.due).toBe(0)
    expect((await rows()).length).toBe(before)
    await expectNoHoles("1d")
  })
})

describe("a month of downtime on a minutely schedule", () => {
  const month = 30 * 1440
  test.each([
    ["latest", 1],
    ["all", 15],
    ["skip", 1]
  ] as const)(
    "%s: the schedule is current again after one tick, in bounded memory",
    async (policy, most) => {
      await project.seedDue(1, {
        sync_schedule: "'* * * * *'",
        next_run_at: "date_trunc('minute', now()) - interval '30 days'",
        catch_up: `'${policy}'`,
        catch_up_window: "interval '14 minutes 30 seconds'"
      })
      const { code, peakBytes, stdout } = await runMeasured(["run", "-o", "json"], {
        env: project.environment
      })
      const summary = JSON.parse(stdout)
      expect(code).toBe(0)
      expect(summary.errors).toEqual([])
      const ran = (await rows()).length
      expect(ran).toBeLessThanOrEqual(most + 1)
      const passed = (await ranges()).reduce((sum, { count }) => sum + count, 0)
      expect(ran + passed).toBeGreaterThanOrEqual(month)
      expect(ran + passed).toBeLessThanOrEqual(month + 3)
      const [row] = await project.sql`select next_run_at > now() - interval '2 minutes' as is_back
                                      from organization_integrations`
      expect(row.is_back).toBe(true)
      expect(peakBytes).toBeLessThan(400_000_000)
      await expectNoHoles()
    }
  )
})

describe("an edit of a schedule", () => {
  test("during a run records the slots that were due, and never runs them", async () => {
    const answer = Promise.withResolvers<void>()
    project.functions.behave(() => until(answer.promise, ok()))
    await project.seedDue(1, { sync_schedule: "'* * * * * *'" })
    const engine = await startEngine(project.environment)
    await project.functions.arrived(1)
    const [running] = await rows()
    for (let due = 0; due < 3; ) {
      const found = await project.sql`select extract(epoch from now() - next_run_at)::int as due
                                        from organization_integrations where next_run_at <= now()`
      due = found[0]?.due ?? 0
    }
    await project.sql`update organization_integrations set sync_schedule = '0 0 1 1 *'`
    answer.resolve()
    expect((await engine.exited).code).toBe(0)
    expect((await tick()).summary.due).toBe(0)
    expect(await rows()).toMatchObject([
      { scheduled_for: running?.scheduled_for, status: "completed" }
    ])
    expect((await ranges()).map(({ reason }) => reason)).toContain("schedule_changed")
    await expectNoHoles("1d")
  })

  test("to a schedule with a slot earlier today runs nothing, and the edit back runs nothing either", async () => {
    await project.seedDue(3, { sync_schedule: "'0 0 1 1 *'", next_run_at: "null" })
    await tick()
    for (const schedule of ["* * * * *", "0 0 * * *", "*/7 * * * *"]) {
      await project.sql`update organization_integrations set sync_schedule = ${schedule}`
    }
    const slots = await rows()
    expect(slots).toEqual([])
    const { summary } = await tick()
    const since = await project.sql`select min(schedule_since) as at from organization_integrations`
    for (const row of await rows()) {
      expect(row.scheduled_for.getTime()).toBeGreaterThan(since[0].at.getTime())
    }
    expect(summary.missed).toBe(0)
    await expectNoHoles("1d")
  })
})
