import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { Overview, type OverviewOptions, readOverview } from "../../src/Operator/Overview.ts"
import { setClock } from "../support/DatabaseClock.ts"
import { HOSTILE_NAME, SCENE_NOW } from "../support/OperatorScene.ts"
import { openScene, type SceneDatabase } from "../support/SceneDatabase.ts"

setDefaultTimeout(60_000)

let scene: SceneDatabase
beforeEach(async () => {
  scene = await openScene()
}, 60_000)
afterEach(() => scene.close())

const read = (options: Partial<OverviewOptions> = {}) =>
  scene.run(readOverview({ driftAlertMs: 300_000, ...options }))

test("a real database: every state is recognised, the worst first, and the sums are right", async () => {
  const overview = await read()
  expect(overview).toMatchObject({
    now: SCENE_NOW,
    verdict: "attention",
    total: 16,
    headline:
      "1 overdue, 1 invalid schedule, 1 unknown, 1 breaker open, 1 failing, 1 late, 1 never ran, 2 running, 1 paused, 6 on time",
    pulse: "last tick 4 s ago, took 1.9 s, 2 due, by web-1-4021-9c3e",
    unreadable: [],
    truncated: false
  })
  const sum = Object.values(overview.counts).reduce((all, one) => all + one, 0)
  expect(sum).toBe(overview.integrations.length)
  expect(overview.integrations.slice(0, 5).map(({ org_name, state }) => [org_name, state])).toEqual(
    [
      ["Globex", "overdue"],
      ["Initech", "invalid_schedule"],
      ["Umbrella Logistics", "unknown"],
      ["Hooli", "breaker_open"],
      ["Initech", "failing"]
    ]
  )
  expect(overview.integrations[3]?.health).toMatchObject({ status: "throttled" })
})

test("as JSON and back it is the same, names of others included", async () => {
  const overview = await read()
  const json = JSON.parse(JSON.stringify(Schema.encodeSync(Overview)(overview)))
  expect(Schema.decodeUnknownSync(Overview)(json)).toEqual(overview)
  expect(json.now).toBe("2026-11-20T08:12:04.000Z")
  expect(json.integrations.map(({ org_name }: { org_name: string }) => org_name)).toContain(
    HOSTILE_NAME
  )
})

test("by organisation, type, or part of a name; a percent sign is only a character", async () => {
  const names = async (options: Partial<OverviewOptions>) =>
    (await read(options)).integrations.map(({ org_name }) => org_name)
  expect(await names({ search: "cyber" })).toEqual(["Cyberdyne Systems"])
  expect(await names({ search: "%" })).toEqual([])
  expect(await names({ integrationType: "xero" })).toEqual(["Initech", "Cyberdyne Systems"])
  const [one] = (await read({ search: "01c0" })).integrations
  expect((await names({ orgId: one?.org_id })).length).toBe(3)
  expect((await read({ search: "nobody" })).headline).toBe("no integrations")
})

test("ticks stop: the same integrations, and none of them green", async () => {
  await setClock(scene.sql, SCENE_NOW + 6 * 60_000)
  const overview = await read()
  expect(overview.verdict).toBe("stopped")
  expect(overview.counts).toMatchObject({ on_time: 0, running: 0, stale: 8 })
  expect(overview.integrations.filter(({ tone }) => tone === "good")).toEqual([])
  expect(overview.pulse).toStartWith("ticks have stopped: no sign of life for 6 m")
  expect(overview.integrations.map(({ state }) => state)).not.toContain("on_time")
})

test("a row that cannot be read is named, and hides no other", async () => {
  const before = (await read()).integrations.length
  await scene.sql`alter table organization_integrations alter integration_type drop not null`
  await scene.sql`update organization_integrations set integration_type = null where org_name = 'Globex'`
  const overview = await read()
  expect(overview.integrations.length).toBe(before - 1)
  expect(overview.unreadable).toMatchObject([
    { integration_id: "04c0ffee-0000-4000-8000-000000000004" }
  ])
  expect(overview.headline).toStartWith("1 unreadable, ")
})
