import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { binaryPath } from "../../support/binary.ts"
import { type Project, startProject } from "../../support/Project.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())
beforeEach(async () => {
  await project.sql
    .unsafe(
      "delete from organization_integrations; truncate sync_run_log, sync_skipped_range, sync_schedule_history"
    )
    .simple()
})

const DAY = 86_400_000
const direct = () => ({ ...project.environment, SUPABASE_DB_URL: project.database.url })
const audit = (args: ReadonlyArray<string>, env = project.environment) =>
  runBinary(["audit", ...args], { env })

/** Seeds integrations with a completed run for each slot since `from`. */
const seedYears = async (count: number, schedule: string, from: string, step: string) => {
  await project.sql.unsafe(`
    with made as (
      insert into organization_integrations (org_id, integration_type, sync_schedule, created_at, schedule_since, next_run_at)
      select gen_random_uuid(), 'xledger', ${schedule}, ${from}, ${from}, null from generate_series(1, ${count}) n
      returning id, org_id, sync_schedule
    )
    insert into sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, created_at)
    select m.id, m.org_id, t, m.id || ':' || t, 'completed', t
      from made m, lateral (select split_part(m.sync_schedule, ' ', 1) as minute, split_part(m.sync_schedule, ' ', 2) as hour) c,
           generate_series(${from} + make_interval(hours => coalesce(nullif(c.hour, '*'), '0')::int, mins => coalesce(nullif(c.minute, '*'), '0')::int),
                           now(), interval '${step}') t
     where t > ${from}`)
}

const settleNext = (step: string) =>
  project.sql.unsafe(`
    update organization_integrations i set next_run_at =
      (select max(l.scheduled_for) + interval '${step}' from sync_run_log l where l.integration_id = i.id)`)

test("the audit of a year of 250 daily schedules takes seconds, and finds exactly the deleted runs", async () => {
  const from = "date_trunc('day', now(), 'UTC') - interval '365 days'"
  await seedYears(250, "(n % 60) || ' ' || (n % 24) || ' * * *'", from, "1 day")
  await settleNext("1 day")
  // The history begins when the schedule takes effect, so there are no earlier slots.
  await project.sql.unsafe(`update sync_schedule_history set first_slot = null, since = ${from}`)
  await project.sql`analyze`
  const year = ["--from", new Date(Date.now() - 364 * DAY).toISOString().slice(0, 10)]

  for (const env of [project.environment, direct()]) {
    const started = performance.now()
    const whole = await audit(year, env)
    const seconds = (performance.now() - started) / 1000
    expect(whole.stderr).toBe("")
    expect(whole.stdout).toMatch(
      /^✓ No holes: each of 9[01],\d{3} slots of 250 integrations has one run or is recorded as skipped/
    )
    expect(whole.code).toBe(0)
    expect(seconds).toBeLessThan(60)
  }

  const taken = await project.sql`
    delete from sync_run_log where id in (
      select id from sync_run_log where scheduled_for > now() - interval '300 days' order by integration_id, scheduled_for offset 5000 limit 2)
    returning integration_id, scheduled_for`
  const holes = await audit([...year, "-o", "json"])
  expect(holes.code).toBe(3)
  const report = JSON.parse(holes.stdout)
  expect(report.missing).toBe(2)
  const named = report.holes.flatMap((hole: { integration_id: string; from: string; to: string }) =>
    taken.filter(
      (row: { integration_id: string; scheduled_for: Date }) =>
        row.integration_id === hole.integration_id &&
        hole.from <= row.scheduled_for.toISOString() &&
        row.scheduled_for.toISOString() <= hole.to
    )
  )
  expect(named.length).toBe(2)

  const [gone] = taken
  const one = await audit([...year, "--integration", gone.integration_id])
  expect(one.code).toBe(3)
  expect(one.stdout).toContain(gone.integration_id)
  expect(one.stdout).toContain("no run and no record")
  const lines = (await audit([...year, "-o", "jsonl"])).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(lines.map((line) => line.type).at(-1)).toBe("audit")
  expect(lines.filter((line) => line.type === "hole").length).toBe(report.holes.length)

  await project.sql`insert into sync_skipped_range (integration_id, "from", "to", count, reason)
    select integration_id, scheduled_for, scheduled_for, 1, 'superseded' from jsonb_to_recordset(
      ${JSON.stringify(taken)}::text::jsonb) as t(integration_id uuid, scheduled_for timestamptz)`
  expect((await audit(year)).code).toBe(0)
})

test("the audit of a minutely schedule reads several pages, and finds holes inside a page and at its edges", async () => {
  const from = "date_trunc('day', now(), 'UTC') - interval '40 days'"
  await seedYears(1, "'* * * * *'", from, "1 minute")
  await settleNext("1 minute")
  await project.sql.unsafe(`update sync_schedule_history set first_slot = null, since = ${from}`)
  const window = ["--from", "39d", "-o", "json"]
  const whole = await audit(window)
  expect(JSON.parse(whole.stdout)).toMatchObject({ integrations: 1, missing: 0, holes: [] })
  expect(JSON.parse(whole.stdout).recorded).toBeGreaterThan(39 * 1440 - 2)
  const minutes = [3, 19_999, 20_000, 20_001, 20_002, 39_998, 50_000]
  await project.sql.unsafe(`delete from sync_run_log where scheduled_for in (
    select date_trunc('minute', now()) - interval '39 days' + m * interval '1 minute' from unnest(array[${minutes}]) m)`)
  const report = JSON.parse((await audit(window)).stdout)
  expect(report.missing).toBe(minutes.length)
  expect(report.holes.reduce((sum: number, hole: { count: number }) => sum + hole.count, 0)).toBe(7)
})

test("the audit window accepts dates, spans and words; an invalid window exits with 2, a refused key with 4", async () => {
  const limited = await audit(["--from", "2020-01-01", "--to", "today"])
  expect(limited.stderr).toContain("may have been deleted")
  expect((await audit([])).code).not.toBe(2)
  for (const args of [
    ["--from", "2026-02-30"],
    ["--from", "soon"],
    ["--from", "2026-11-24T02:00:00"],
    ["--from", "1d", "--to", "2d"],
    ["--org", "acme"]
  ]) {
    const { code, stderr } = await audit(args)
    expect(stderr).toStartWith("error: ")
    expect(stderr).toContain("fix: ")
    expect(code).toBe(2)
  }
  const anon = { ...project.environment, SUPABASE_SECRET_KEY: "sb_secret_not_the_one" }
  expect((await audit([], anon)).code).toBe(4)
})

test("an audit of the future is refused", async () => {
  for (const [window, reason] of [
    [["--from", "2999-01-01"], "2999-01-01 00:00 UTC, which is not before now"],
    [["--from", "2998-01-01", "--to", "2999-01-01"], "which is not before now"],
    [["--from", "1h", "--to", "2h"], "which is not before --to"]
  ] as const) {
    const { stdout, stderr, code } = await runBinary(["audit", ...window])
    expect(stderr).toContain(reason)
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 })
  }
})
