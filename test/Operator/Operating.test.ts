import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { type ActionName, ActionReport, act } from "../../src/Operator/Actions.ts"
import { activityOf, readFiguresOf, upcomingLoad } from "../../src/Operator/Activity.ts"
import { readOverview } from "../../src/Operator/Overview.ts"
import { listRuns, RunsPage, showRun } from "../../src/Operator/Runs.ts"
import { SCENE_NOW, sceneId } from "../support/OperatorScene.ts"
import { openScene, type SceneDatabase } from "../support/SceneDatabase.ts"

setDefaultTimeout(60_000)

// Two: what reads, and what acts. Tests run in any order.
let scene: SceneDatabase
let acting: SceneDatabase
beforeAll(async () => {
  scene = await openScene()
  acting = await openScene()
}, 60_000)
afterAll(async () => {
  await scene.close()
  await acting.close()
})

const DAY = 86_400_000

test("runs: newest first, page after page without a gap, by status, lateness and organisation", async () => {
  const all = await scene.run(listRuns({ since: SCENE_NOW - DAY, limit: 1000 }))
  expect(all.cursor).toBeNull()
  expect(all.unreadable).toBe(0)
  const slots = all.runs.map(({ scheduled_for }) => scheduled_for)
  expect(slots).toEqual(slots.toSorted((a, b) => b - a))
  const paged: Array<string> = []
  let cursor: string | undefined
  do {
    const page: RunsPage = await scene.run(listRuns({ since: SCENE_NOW - DAY, limit: 7, cursor }))
    paged.push(...page.runs.map(({ run_id }) => run_id))
    cursor = page.cursor ?? undefined
  } while (cursor !== undefined)
  expect(paged).toEqual(all.runs.map(({ run_id }) => run_id))

  const names = async (filter: Parameters<typeof listRuns>[0]) =>
    (await scene.run(listRuns(filter))).runs.map(({ org_name }) => org_name)
  expect(await names({ statuses: ["unknown"] })).toEqual(["Umbrella Logistics"])
  expect((await names({ statuses: ["failed", "unknown"], limit: 1000 })).length).toBe(11)
  expect(new Set(await names({ statuses: ["pending", "running"] }))).toEqual(
    new Set(["Tyrell", "Wayne Enterprises"])
  )
  expect(new Set(await names({ lateMs: 600_000 }))).toEqual(
    new Set(["Stark Industries", "Hooli", "Acme AS"])
  )
  const [acme] = all.runs.filter(({ org_name }) => org_name === "Acme AS")
  const ofOrg = await names({ orgId: acme?.org_id ?? "", since: SCENE_NOW - DAY, limit: 1000 })
  expect(ofOrg.length).toBe(all.runs.filter(({ org_name }) => org_name === "Acme AS").length)
  expect(Schema.decodeSync(RunsPage)(Schema.encodeSync(RunsPage)(all))).toEqual(all)
})

test("one run, by its id or the beginning of it; several are named, not chosen", async () => {
  const [unknown] = (await scene.run(listRuns({ statuses: ["unknown"] }))).runs
  const run = unknown?.run_id ?? ""
  for (const given of [run, run.slice(0, 8), run.slice(0, 13).toUpperCase()]) {
    const shown = await scene.run(showRun(given))
    expect(shown.run).toMatchObject({ run_id: run, status: "unknown", error_code: "IDLE_TIMEOUT" })
    expect(shown.events.map(({ kind }) => kind)).toEqual(["claimed", "started", "settled"])
    expect(shown.incidents.map(({ kind }) => kind)).toEqual(["unknown"])
    expect(shown.integration?.org_name).toBe("Umbrella Logistics")
  }
  const several = await scene.run(showRun(run.slice(0, 4)))
  expect(several.run === null ? several.candidates.length : 1).toBeGreaterThan(0)
  for (const nonsense of ["", "x", "'; --", "ffffffff"]) {
    expect(await scene.run(showRun(nonsense))).toMatchObject({ run: null, candidates: [] })
  }
})

test("activity, figures, and what is ahead", async () => {
  const activity = await scene.run(activityOf([sceneId(15), sceneId(12)], { runsEach: 50 }))
  expect(activity.integrations[0]).toMatchObject({ truncated: true })
  expect(activity.integrations[0]?.runs.length).toBe(50)
  expect(activity.integrations[0]?.ranges).toMatchObject([
    [expect.any(Number), expect.any(Number), 4, "superseded"]
  ])
  expect(activity.integrations[1]).toMatchObject({ runs: [], ranges: [] })
  const figures = await scene.run(readFiguresOf())
  expect(figures.days.length).toBe(90)
  expect(figures.days.at(-1)).toMatchObject({
    day: "2026-11-20",
    unknown: 1,
    passed_over: 5,
    capped: false
  })
  expect(figures.lag.max_ms).toBeGreaterThan(20 * 60_000)
  const one = await scene.run(readFiguresOf(sceneId(5)))
  expect(one.days.at(-1)).toMatchObject({ failed: 4, unknown: 0 })
  const { integrations, now } = await scene.run(readOverview({ driftAlertMs: 300_000 }))
  const load = upcomingLoad(integrations, now)
  expect(load.length).toBe(24)
  expect(load[0]).toEqual({ hour: SCENE_NOW - (SCENE_NOW % 3_600_000), slots: 9 + 1 + 3 })
})

test("actions: done, recorded with who and why; the same again is refused with the way out", async () => {
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
  const from = new Date(SCENE_NOW + 5 * 60_000)
  await acting.sql`update sync_run_log set not_before = ${from} where id = ${run}`
  expect(await doIt("retry", run)).toMatchObject({
    done: true,
    changed: expect.stringContaining(`the first tick from ${from.toISOString()} on starts it`),
    undo: null
  })
  expect(await doIt("retry", run)).toMatchObject({
    done: false,
    why: expect.stringContaining("the run is pending")
  })
  expect(await doIt("trigger", sceneId(7))).toMatchObject({
    done: false,
    reason: "already_running"
  })
  expect(await doIt("trigger", sceneId(1))).toMatchObject({
    done: true,
    run_id: expect.any(String)
  })
  expect(await doIt("pause", sceneId(2))).toMatchObject({
    done: true,
    undo: `sync-scheduler schedules resume ${sceneId(2)}`
  })
  expect(await doIt("pause", sceneId(2))).toMatchObject({ done: false, reason: "already_paused" })
  expect(await doIt("trigger", sceneId(2))).toMatchObject({ done: false, reason: "disabled" })
  expect(await doIt("resume", sceneId(2))).toMatchObject({ done: true })
  expect(await doIt("resume", sceneId(2))).toMatchObject({ done: false, reason: "not_paused" })
  expect(await doIt("resume", sceneId(99))).toMatchObject({ done: false, reason: "not_found" })
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
