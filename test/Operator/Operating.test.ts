import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { type ActionName, ActionReport, act } from "../../src/Operator/Actions.ts"
import { activityOf, readFiguresOf, upcomingLoad } from "../../src/Operator/DailyStats.ts"
import { readOverview } from "../../src/Operator/Overview.ts"
import { listRuns, RunsPage, showRun } from "../../src/Operator/Runs.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"
import { FIXTURE_NOW, fixtureId } from "../support/OperatorFixture.ts"

setDefaultTimeout(60_000)

// Tests run in any order, so read-only tests and tests that modify data use separate fixtures.
let fixture: FixtureDatabase
let acting: FixtureDatabase
beforeAll(async () => {
  fixture = await openFixtureDatabase()
  acting = await openFixtureDatabase()
}, 60_000)
afterAll(async () => {
  await fixture.close()
  await acting.close()
})

const DAY = 86_400_000

test("runs are listed newest first, page by page without gaps, by status, delay and organisation", async () => {
  const all = await fixture.run(listRuns({ since: FIXTURE_NOW - DAY, limit: 1000 }))
  expect(all.cursor).toBeNull()
  expect(all.unreadable).toBe(0)
  const slots = all.runs.map(({ scheduled_for }) => scheduled_for)
  expect(slots).toEqual(slots.toSorted((a, b) => b - a))
  const paged: Array<string> = []
  let cursor: string | undefined
  do {
    const page: RunsPage = await fixture.run(
      listRuns({ since: FIXTURE_NOW - DAY, limit: 7, cursor })
    )
    paged.push(...page.runs.map(({ run_id }) => run_id))
    cursor = page.cursor ?? undefined
  } while (cursor !== undefined)
  expect(paged).toEqual(all.runs.map(({ run_id }) => run_id))

  const names = async (filter: Parameters<typeof listRuns>[0]) =>
    (await fixture.run(listRuns(filter))).runs.map(({ org_name }) => org_name)
  expect(await names({ statuses: ["unknown"] })).toEqual(["Umbrella Logistics"])
  expect((await names({ statuses: ["failed", "unknown"], limit: 1000 })).length).toBe(11)
  expect(new Set(await names({ statuses: ["pending", "running"] }))).toEqual(
    new Set(["Tyrell", "Wayne Enterprises"])
  )
  expect(new Set(await names({ lateMs: 600_000 }))).toEqual(
    new Set(["Stark Industries", "Hooli", "Acme AS"])
  )
  const [acme] = all.runs.filter(({ org_name }) => org_name === "Acme AS")
  const ofOrg = await names({ orgId: acme?.org_id ?? "", since: FIXTURE_NOW - DAY, limit: 1000 })
  expect(ofOrg.length).toBe(all.runs.filter(({ org_name }) => org_name === "Acme AS").length)
  expect(Schema.decodeSync(RunsPage)(Schema.encodeSync(RunsPage)(all))).toEqual(all)
})

test("a run is found by its id or a unique prefix; several matches are listed", async () => {
  const [unknown] = (await fixture.run(listRuns({ statuses: ["unknown"] }))).runs
  const run = unknown?.run_id ?? ""
  for (const given of [run, run.slice(0, 8), run.slice(0, 13).toUpperCase()]) {
    const shown = await fixture.run(showRun(given))
    expect(shown.run).toMatchObject({ run_id: run, status: "unknown", error_code: "IDLE_TIMEOUT" })
    expect(shown.events.map(({ kind }) => kind)).toEqual(["claimed", "started", "settled"])
    expect(shown.incidents.map(({ kind }) => kind)).toEqual(["unknown"])
    expect(shown.integration?.org_name).toBe("Umbrella Logistics")
  }
  const several = await fixture.run(showRun(run.slice(0, 4)))
  expect(several.run === null ? several.candidates.length : 1).toBeGreaterThan(0)
  for (const nonsense of ["", "x", "'; --", "ffffffff"]) {
    expect(await fixture.run(showRun(nonsense))).toMatchObject({ run: null, candidates: [] })
  }
})

test("the daily statistics, the figures and the upcoming slots are correct", async () => {
  const activity = await fixture.run(activityOf([fixtureId(15), fixtureId(12)], { runsEach: 50 }))
  expect(activity.integrations[0]).toMatchObject({ truncated: true })
  expect(activity.integrations[0]?.runs.length).toBe(50)
  expect(activity.integrations[0]?.ranges).toMatchObject([
    [expect.any(Number), expect.any(Number), 4, "superseded"]
  ])
  expect(activity.integrations[1]).toMatchObject({ runs: [], ranges: [] })
  const figures = await fixture.run(readFiguresOf())
  expect(figures.days.length).toBe(90)
  expect(figures.days.at(-1)).toMatchObject({
    day: "2026-11-20",
    unknown: 1,
    skipped_slots: 5,
    capped: false
  })
  expect(figures.lag.max_ms).toBeGreaterThan(20 * 60_000)
  const one = await fixture.run(readFiguresOf(fixtureId(5)))
  expect(one.days.at(-1)).toMatchObject({ failed: 4, unknown: 0 })
  const { integrations, now } = await fixture.run(readOverview({ driftAlertMs: 300_000 }))
  const load = upcomingLoad(integrations, now)
  expect(load.length).toBe(24)
  expect(load[0]).toEqual({ hour: FIXTURE_NOW - (FIXTURE_NOW % 3_600_000), slots: 9 + 1 + 3 })
})

test("actions are recorded with actor and reason, and a repeated action is refused", async () => {
  const doIt = async (action: ActionName, target: string) => {
    const report = await acting.run(
      act({ action, id: target, actor: "ada@ops", reason: "ERP is back" })
    )
    expect(Schema.decodeSync(ActionReport)(Schema.encodeSync(ActionReport)(report))).toEqual(report)
    return report
  }
  const [unknown] = (await acting.run(listRuns({ statuses: ["unknown"] }))).runs
  const run = unknown?.run_id ?? ""
  expect(await doIt("release", run)).toMatchObject({
    done: true,
    undo: null
  })
  expect(await doIt("release", run)).toMatchObject({ done: false, reason: "already_released" })
  const from = new Date(FIXTURE_NOW + 5 * 60_000)
  await acting.sql`update sync_run_log set not_before = ${from} where id = ${run}`
  expect(await doIt("retry", run)).toMatchObject({
    done: true,
    changed: expect.stringContaining(
      `it starts at ${from.toISOString()}, because its function may still be running`
    ),
    undo: null
  })
  expect(await doIt("retry", run)).toMatchObject({
    done: false,
    why: expect.stringContaining("the run is pending")
  })
  expect(await doIt("trigger", fixtureId(7))).toMatchObject({
    done: false,
    reason: "already_running"
  })
  expect(await doIt("trigger", fixtureId(1))).toMatchObject({
    done: true,
    run_id: expect.any(String)
  })
  expect(await doIt("pause", fixtureId(2))).toMatchObject({
    done: true,
    undo: `sync-scheduler schedules resume ${fixtureId(2)}`
  })
  expect(await doIt("pause", fixtureId(2))).toMatchObject({ done: false, reason: "already_paused" })
  expect(await doIt("trigger", fixtureId(2))).toMatchObject({ done: false, reason: "disabled" })
  expect(await doIt("resume", fixtureId(2))).toMatchObject({ done: true })
  expect(await doIt("resume", fixtureId(2))).toMatchObject({ done: false, reason: "not_paused" })
  expect(await doIt("resume", fixtureId(99))).toMatchObject({ done: false, reason: "not_found" })
  const events =
    await acting.sql`select kind, actor, reason from sync_run_event where actor = 'ada@ops' and reason = 'ERP is back' order by id`
  expect(events.map(({ kind }: { kind: string }) => kind)).toEqual([
    "released",
    "retried",
    "triggered",
    "paused",
    "resumed"
  ])
})

test("a failed run that an operator retries is overdue from the retry on, not from its slot", async () => {
  const [failed] = (await acting.run(listRuns({ statuses: ["failed"] }))).runs
  const integrationIds = [failed?.integration_id ?? ""]
  // The slot is 12 minutes old, and a run may be at most 5 minutes late.
  const stateNow = async () =>
    (await acting.run(readOverview({ driftAlertMs: 300_000, integrationIds }))).integrations[0]
  expect(await stateNow()).toMatchObject({ state: "failing" })
  const done = await acting.run(
    act({ action: "retry", id: failed?.run_id ?? "", actor: "bob@ops", reason: "ERP is back" })
  )
  expect(done).toMatchObject({ done: true, changed: expect.stringContaining("with the next tick") })
  expect(await stateNow()).toMatchObject({
    state: "failing",
    why: expect.stringContaining("retries with the next tick")
  })
})
