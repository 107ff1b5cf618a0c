import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { connect } from "../support/Postgres.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(60_000)
let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 60_000)
afterAll(() => project.close())

test("a slot that stays locked by another session becomes an incident with the reason", async () => {
  const [id] = await project.seedDue(1)
  const other = connect(project.database.url, { max: 1 })
  await other`select pg_advisory_lock(sync_scheduler.lock_key(org_id, id)) from organization_integrations where id = ${id}`
  for (let n = 0; n < 3; n++) {
    const { code, stdout } = await runBinary(["run", "-o", "json"], { env: project.environment })
    expect([code, JSON.parse(stdout).skips[0]?.reason]).toEqual([0, "locked"])
    // Backdates all earlier ticks by a minute, so that the third tick seems to run two minutes after the first.
    await project.sql`update sync_tick set started_at = started_at - interval '1 minute'`
    await project.sql`update organization_integrations set reserved_until = null`
  }
  const [incident] = await project.sql`
    select integration_id, detail from sync_incident where kind = 'stuck' and resolved_at is null`
  expect(incident).toMatchObject({ integration_id: id, detail: { reason: "locked" } })
  await other.close()
  const { stdout } = await runBinary(["run", "-o", "json"], { env: project.environment })
  expect(JSON.parse(stdout)).toMatchObject({ completed: 1, skipped: 0 })
  await runBinary(["run"], { env: project.environment })
  expect(
    await project.sql`select 1 from sync_incident where kind = 'stuck' and resolved_at is null`
  ).toHaveLength(0)
})

test("a slot that another session locks only briefly runs in the same tick", async () => {
  const [id] = await project.seedDue(1)
  const other = connect(project.database.url, { max: 1 })
  const { faults } = project.gateway
  const before = faults.calls("claim_sync_runs")
  const lock = async () => {
    await other`begin`
    await other`select from organization_integrations where id = ${id} for no key update`
  }
  faults.set("claim_sync_runs", ({ number }) =>
    number === before + 1 ? { waitBefore: lock() } : { waitBefore: other`rollback` }
  )
  const { code, stdout } = await runBinary(["run", "-o", "json"], { env: project.environment })
  faults.clear("claim_sync_runs")
  await other.close()
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { completed: 1, skipped: 0, skips: [] }])
  expect(faults.calls("claim_sync_runs") - before).toBe(2)
})
