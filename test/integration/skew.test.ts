import { afterEach, beforeEach, expect, test } from "bun:test"
import { type Project, startProject } from "../support/Project.ts"

let project: Project
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

const moveDatabaseClock = (by: string) =>
  project.sql.unsafe(`create or replace function sync_scheduler.clock() returns timestamptz
    language sql stable return date_trunc('milliseconds', now() + interval '${by}')`)

test("clock skew is measured and recorded, even by an idle tick", async () => {
  await moveDatabaseClock("20 seconds")
  expect(await project.tick("direct")).toMatchObject({ due: 0, errors: [] })
  const [tick] = await project.sql`select clock_skew_ms::int as skew, finished_at from sync_tick`
  expect(tick.finished_at).not.toBeNull()
  expect(Math.abs(tick.skew + 20_000)).toBeLessThan(5_000)
  const [incident] =
    await project.sql`select subject, detail from sync_incident where kind = 'clock_skew'`
  expect(incident.detail.clock_skew_ms).toBe(tick.skew)
})

test("the database's clock decides what is due, regardless of the engine's clock", async () => {
  await moveDatabaseClock("20 seconds")
  await project.seedDue(1, { next_run_at: "now() + interval '15 seconds'" })
  await project.seedDue(1, { next_run_at: "now() + interval '1 hour'" })
  expect(await project.tick("supabase-js")).toMatchObject({ due: 1, completed: 1 })
  const deadline = Date.parse(String(project.functions.calls[0]?.body.deadline))
  expect(Math.abs(deadline - Date.now() - 20_000 - 155_000)).toBeLessThan(10_000)
})

test("an idle tick resolves its own incident once the clocks agree, but not the incident of another host", async () => {
  await moveDatabaseClock("20 seconds")
  await project.tick("direct", { engineId: "host-1-00ab" })
  await project.sql`
    insert into sync_incident (kind, subject, detail) values ('clock_skew', 'another-host', '{}')`
  await moveDatabaseClock("0 seconds")
  await project.tick("supabase-js", { engineId: "host-2-00cd" })
  const incidents = await project.sql`
    select subject, resolved_at is not null as resolved from sync_incident
     where kind = 'clock_skew' order by subject`
  expect([...incidents]).toEqual([
    { subject: "another-host", resolved: false },
    { subject: "host", resolved: true }
  ])
})
