import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { Overview, type OverviewOptions, readOverview } from "../../src/Operator/Overview.ts"
import { setClock } from "../support/DatabaseClock.ts"
import { type FixtureDatabase, openFixtureDatabase } from "../support/FixtureDatabase.ts"
import { FIXTURE_NOW, fixtureId, HOSTILE_NAME } from "../support/OperatorFixture.ts"

setDefaultTimeout(60_000)

let fixture: FixtureDatabase
beforeEach(async () => {
  fixture = await openFixtureDatabase()
}, 60_000)
afterEach(() => fixture.close())

const read = (options: Partial<OverviewOptions> = {}) =>
  fixture.run(readOverview({ driftAlertMs: 300_000, ...options }))

test("on a real database every state is recognised, the worst comes first, and the totals are correct", async () => {
  const overview = await read()
  expect(overview).toMatchObject({
    now: FIXTURE_NOW,
    verdict: "attention",
    total: 16,
    headline:
      "1 overdue, 1 misconfigured, 1 unknown, 2 failing, 1 retrying, 1 late, 1 running, 1 never ran, 1 paused, 6 on time",
    heartbeat: "last tick 4 s ago, took 1.9 s, 2 due, by web-1-4021-9c3e",
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
      ["Hooli", "failing"],
      ["Initech", "failing"]
    ]
  )
  expect(overview.integrations[3]?.health).toMatchObject({ status: "throttled" })
})

test("the overview survives a round trip through JSON, including foreign names", async () => {
  const overview = await read()
  const json = JSON.parse(JSON.stringify(Schema.encodeSync(Overview)(overview)))
  expect(Schema.decodeUnknownSync(Overview)(json)).toEqual(overview)
  expect(json.now).toBe("2026-11-20T08:12:04.000Z")
  expect(json.integrations.map(({ org_name }: { org_name: string }) => org_name)).toContain(
    HOSTILE_NAME
  )
})

test("integrations are found by organisation, type or part of the name, with percent signs as ordinary characters", async () => {
  const names = async (options: Partial<OverviewOptions>) =>
    (await read(options)).integrations.map(({ org_name }) => org_name)
  expect(await names({ search: "cyber" })).toEqual(["Cyberdyne Systems"])
  expect(await names({ search: "%" })).toEqual([])
  expect(await names({ integrationType: "xero" })).toEqual(["Initech", "Cyberdyne Systems"])
  const [one] = (await read({ search: "01c0" })).integrations
  expect((await names({ orgId: one?.org_id })).length).toBe(3)
  expect((await read({ search: "nobody" })).headline).toBe("no integrations")
})

test("when ticks stop, the same integrations remain and none is green", async () => {
  await setClock(fixture.sql, FIXTURE_NOW + 6 * 60_000)
  const overview = await read()
  expect(overview.verdict).toBe("stopped")
  expect(overview.counts).toMatchObject({ on_time: 0, running: 0, stale: 8 })
  expect(overview.integrations.filter(({ severity }) => severity === "ok")).toEqual([])
  expect(overview.heartbeat).toStartWith("ticks have stopped: no sign of life for 6 m")
  expect(overview.integrations.map(({ state }) => state)).not.toContain("on_time")
})

test("an unreadable row is named and hides no other row", async () => {
  const before = (await read()).integrations.length
  await fixture.sql`alter table integration_health drop constraint integration_health_status_check`
  await fixture.sql`update integration_health set status = 'asleep' where status = 'throttled'`
  const overview = await read()
  expect(overview.integrations.length).toBe(before - 1)
  expect(overview.unreadable).toEqual([
    {
      integration_id: fixtureId(8),
      why: expect.stringMatching(/^health\.status: expected .*, actual "asleep"$/)
    }
  ])
  expect(overview.headline).toStartWith("1 unreadable; ")
})

test("a row without a type is listed, with the column to set", async () => {
  const { total } = await read()
  await fixture.sql`alter table organization_integrations alter integration_type drop not null`
  await fixture.sql`update organization_integrations set integration_type = null where org_name = 'Globex'`
  const overview = await read()
  expect(overview.integrations.length).toBe(total)
  expect(overview.unreadable).toEqual([])
  expect(overview.integrations.find(({ org_name }) => org_name === "Globex")).toMatchObject({
    state: "invalid_schedule",
    why: "integration_type is null: set it, for example to xledger"
  })
})

test("rows that are misconfigured for different reasons have different causes", async () => {
  await fixture.sql`alter table organization_integrations alter enabled drop not null`
  await fixture.sql`update organization_integrations set integration_type = 'xero', schedule_error = 'minute is 61', enabled = true`
  const ids = [fixtureId(1), fixtureId(2)]
  await fixture.sql`update organization_integrations set schedule_error = null, enabled = null where id in ${fixture.sql(ids)}`
  const { causes } = await read()
  expect(causes.map(({ count, message }) => [count, message])).toEqual([
    [14, "minute is 61"],
    [2, "enabled is null: set it to true or false"]
  ])
})
