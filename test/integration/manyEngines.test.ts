import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"

beforeAll(binaryPath, 60_000)
let project: Project
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

const ENGINES = 8
const DUE = 200

const countTicks = async (): Promise<number> => {
  const [row] = await project.sql`select count(*)::int as n from sync_tick`
  return row.n
}

test("eight concurrent binaries claim and invoke each of 200 due slots once", async () => {
  await project.seedDue(DUE)
  // No engine can finish before another begins.
  const everyoneIsThere = Promise.withResolvers<void>()
  project.functions.behave(() => until(everyoneIsThere.promise, ok()))
  const environments = Array.from({ length: ENGINES }, (_, n) => ({
    ...project.environment,
    ...(n % 2 === 0 ? {} : { SUPABASE_DB_URL: project.database.url })
  }))
  const engines = await Promise.all(environments.map((environment) => startEngine(environment)))
  while ((await countTicks()) < ENGINES) await Bun.sleep(20)
  everyoneIsThere.resolve()
  const exits = await Promise.all(engines.map((engine) => engine.exited))

  for (const { code, stderr, summary } of exits) {
    expect({ code, stderr, errors: summary?.errors }).toEqual({ code: 0, stderr: "", errors: [] })
  }
  const total = (name: string) => exits.reduce((sum, exit) => sum + Number(exit.summary?.[name]), 0)
  expect({ triggered: total("triggered"), completed: total("completed") }).toEqual({
    triggered: DUE,
    completed: DUE
  })
  for (const { summary } of exits) {
    expect(summary?.due).toBe(Number(summary?.triggered) + Number(summary?.skipped))
  }

  expect(await project.statuses()).toEqual({ completed: DUE })
  expect(project.functions.invocations.length).toBe(DUE)
  expect(project.functions.effects.size).toBe(DUE)
  expect(Math.max(...project.functions.effects.values())).toBe(1)
  const [row] = await project.sql`
    select count(distinct (integration_id, scheduled_for))::int as slots,
           count(distinct claimed_by)::int as engines, max(attempt) as attempts,
           (select count(*)::int from organization_integrations where next_run_at <= now()) as due,
           (select count(*)::int from sync_tick where finished_at is null) as unfinished
      from sync_run_log`
  expect(row).toMatchObject({ slots: DUE, attempts: 1, due: 0, unfinished: 0 })
  expect(row.engines).toBeGreaterThan(1)
}, 60_000)
