import { afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { delay, ok, status } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"

setDefaultTimeout(60_000)
beforeAll(binaryPath, 60_000)
let project: Project
beforeEach(async () => {
  project = await startProject()
}, 60_000)
afterEach(() => project.close())

/** Returns the organisation IDs. */
const seedTenants = async (count: number): Promise<ReadonlyArray<string>> => {
  const ids = await project.seedDue(count)
  const rows = await project.sql`
    select org_id from organization_integrations where id in ${project.sql(ids)}`
  return rows.map((row: { org_id: string }) => row.org_id)
}

/** The vendor asks these organisations to wait for an hour. */
const throttle = (orgs: ReadonlyArray<string>) =>
  project.functions.behave((body) =>
    orgs.includes(String(body.org_id))
      ? status(429, { executed: false, error: "slow down" }, { "Retry-After": "3600" })
      : ok()
  )

const run = async (environment: Readonly<Record<string, string>> = {}) =>
  (await (await startEngine({ ...project.environment, ...environment })).exited).summary

const delays = async (): Promise<ReadonlyArray<number>> => {
  const rows = await project.sql`
    select extract(epoch from not_before - now())::float as s from sync_run_log
     where status = 'pending' and delay_reason is not null order by 1`
  return rows.map((row: { s: number }) => row.s)
}

test.each(["the API", "a direct connection"])(
  "an hour-long 429 for one tenant, over %s, delays none of the other 20 tenants of the vendor",
  async (over) => {
    const direct = over === "the API" ? {} : { SUPABASE_DB_URL: project.database.url }
    const [bad = ""] = await seedTenants(1)
    throttle([bad])
    expect(await run(direct)).toMatchObject({ triggered: 1, unresolved: 1 })
    await seedTenants(10)
    expect(await run(direct)).toMatchObject({ triggered: 10, completed: 10, skipped: 0 })

    const [worse = ""] = await seedTenants(1)
    throttle([bad, worse])
    await seedTenants(10)
    expect(await run(direct)).toMatchObject({ triggered: 11, completed: 10, unresolved: 1 })
    expect(await project.statuses()).toEqual({ completed: 20, pending: 2 })
    const [vendor] = await project.sql`select status from integration_health`
    expect(vendor.status).toBe("healthy")
  }
)

test("all integrations of a throttled tenant wait as long as the vendor asked", async () => {
  const [bad = ""] = await seedTenants(1)
  throttle([bad])
  await run()
  await project.seedDue(2, { org_id: `'${bad}'` })
  expect(await run()).toMatchObject({ triggered: 0, skipped: 2 })
  const waits = await delays()
  expect(waits).toHaveLength(2)
  expect(Math.min(...waits)).toBeGreaterThan(3_500)
})

test("if several tenants are throttled within a minute, all tenants of the vendor wait for at most a minute", async () => {
  const bad = await seedTenants(3)
  throttle(bad)
  await run()
  const [vendor] = await project.sql`select status from integration_health`
  expect(vendor.status).toBe("throttled")
  await seedTenants(20)
  throttle([])
  const began = Date.now()
  const engine = await startEngine(project.environment, ["run", "-o", "json"])
  while ((await delays()).length < 20) await Bun.sleep(20)
  for (const wait of await delays()) expect(wait).toBeLessThanOrEqual(60)
  engine.kill("SIGTERM")
  await engine.exited
  await project.sql`
    update sync_run_log set not_before = not_before - interval '60 seconds' where delay_reason is not null`
  await project.sql`update integration_health set throttled_until = throttled_until - interval '60 seconds'`
  while (((await project.statuses()).completed ?? 0) < 20) await run()
  expect(Date.now() - began).toBeLessThan(60_000)
})

test("429 answers to one organisation do not make the shared function unavailable to another", async () => {
  const throttled = crypto.randomUUID()
  const slow = crypto.randomUUID()
  // This type has no known API, so no API throttle delays the runs.
  const unknownApi = { integration_type: "'custom'" }
  await project.seedDue(20, { ...unknownApi, org_id: `'${throttled}'` })
  await project.seedDue(3, { ...unknownApi, org_id: `'${slow}'` })
  const wait = { "Retry-After": "60" }
  project.functions.behave((body) =>
    body.org_id === throttled ? status(429, undefined, wait) : delay(1_500)
  )
  expect(await run()).toMatchObject({ triggered: 23, completed: 3, unresolved: 20, skipped: 0 })
})
