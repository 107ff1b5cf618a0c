import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type EngineProcess, startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"

beforeAll(binaryPath, 60_000)
let project: Project
let functionsMayAnswer: PromiseWithResolvers<void>
beforeEach(async () => {
  project = await startProject()
  functionsMayAnswer = Promise.withResolvers()
  project.functions.behave(() => until(functionsMayAnswer.promise, ok()))
})
afterEach(() => project.close())

const DUE = 40
const IN_FLIGHT = 5

/** Waits until five runs are in flight, more are claimed, and still more are due. */
const startBusyEngine = async (
  environment: Readonly<Record<string, string>>
): Promise<EngineProcess> => {
  await project.seedDue(DUE)
  const engine = await startEngine(environment)
  await project.functions.arrived(IN_FLIGHT)
  while ((await count("status = 'pending'")) === 0) await Bun.sleep(20)
  return engine
}

const count = async (condition: string): Promise<number> => {
  const [row] = await project.sql.unsafe(
    `select count(*)::int as n from sync_run_log where ${condition}`
  )
  return row.n
}

const takeOver = async () => {
  functionsMayAnswer.resolve()
  const next = await startEngine({ ...project.environment, SYNC_SCHEDULER_ADOPT_AFTER: "1h" })
  return next.exited
}

describe.each([
  ["SIGTERM", 143, "the API"],
  ["SIGINT", 130, "the API"],
  ["SIGTERM", 143, "a direct connection"]
] as const)("%s (exit %i), over %s", (signal, code, over) => {
  const environment = () =>
    over === "the API"
      ? project.environment
      : { ...project.environment, SUPABASE_DB_URL: project.database.url }

  test("the engine claims nothing new, records runs in flight, releases claimed runs and records the tick", async () => {
    const engine = await startBusyEngine(environment())
    engine.kill(signal)
    // The engine releases its claimed runs before its functions respond.
    while ((await count("status = 'pending' and claimed_by is not null")) > 0) await Bun.sleep(20)
    const claimed = await count("true")
    expect(await project.statuses()).toEqual({ pending: claimed - IN_FLIGHT, running: IN_FLIGHT })
    functionsMayAnswer.resolve()
    const exit = await engine.exited

    expect(exit.code).toBe(code)
    expect(exit.stderr).toContain(signal)
    expect(await project.statuses()).toEqual({ completed: IN_FLIGHT, pending: claimed - IN_FLIGHT })
    expect(await count("status = 'pending' and (claimed_by is not null or attempt > 0)")).toBe(0)
    expect(project.functions.invocations.length).toBe(IN_FLIGHT)
    const [tick] = await project.sql`select finished_at, completed, triggered from sync_tick`
    expect(tick).toMatchObject({ completed: IN_FLIGHT, triggered: IN_FLIGHT })
    expect(tick.finished_at).not.toBeNull()

    expect(await takeOver()).toMatchObject({ code: 0 })
    expect(await project.statuses()).toEqual({ completed: DUE })
    expect(project.functions.invocations.length).toBe(DUE)
  }, 30_000)
})

test("a second signal exits immediately, and the leases protect the runs", async () => {
  const short = {
    ...project.environment,
    SYNC_SCHEDULER_INVOKE_TIMEOUT: "1s",
    SYNC_SCHEDULER_LEASE_MARGIN: "1s",
    SYNC_SCHEDULER_QUIESCENCE: "0s",
    SYNC_SCHEDULER_ADOPT_AFTER: "0s"
  }
  const engine = await startBusyEngine({ ...short, SYNC_SCHEDULER_INVOKE_TIMEOUT: "1h" })
  engine.kill("SIGTERM")
  while ((await count("status = 'pending' and claimed_by is not null")) > 0) await Bun.sleep(20)
  engine.kill("SIGTERM")
  expect((await engine.exited).code).toBe(143)
  expect(await count("status = 'running'")).toBe(IN_FLIGHT)

  await project.sql`update sync_run_log set lease_until = now() where status = 'running'`
  functionsMayAnswer.resolve()
  for (let tick = 0; tick < 2; tick += 1) {
    expect(await (await startEngine(short)).exited).toMatchObject({ code: 0, signal: null })
  }
  expect(await project.statuses()).toEqual({ completed: DUE })
  expect(await count("ambiguous and attempt = 2")).toBe(IN_FLIGHT)
  expect(project.functions.effects.size).toBe(DUE)
}, 30_000)

test("an engine that is stopped while the tick opens claims nothing", async () => {
  await project.seedDue(3)
  const isHeld = Promise.withResolvers<void>()
  const mayOpen = Promise.withResolvers<void>()
  project.gateway.faults.set("open_sync_tick", () => {
    isHeld.resolve()
    return { waitAfter: mayOpen.promise }
  })
  const engine = await startEngine(project.environment)
  await isHeld.promise
  for (let reserved = 0; reserved < 3; await Bun.sleep(20)) {
    const [row] = await project.sql`
      select count(*)::int as n from organization_integrations where reserved_until > now()`
    reserved = row.n
  }
  engine.kill("SIGTERM")
  const exit = await engine.exited
  mayOpen.resolve()
  expect(exit.code).toBe(143)
  expect(await project.statuses()).toEqual({})
  project.gateway.faults.clear()
  // The rows in a lost response stay reserved for 15 s.
  expect(await takeOver()).toMatchObject({ code: 0, summary: { due: 0 } })
  await project.sql`update organization_integrations set reserved_until = now()`
  expect(await takeOver()).toMatchObject({ code: 0, summary: { completed: 3 } })
}, 30_000)

test("an engine that is stopped during a claim releases the claimed runs", async () => {
  await project.seedDue(3)
  const isClaimed = Promise.withResolvers<void>()
  const mayAnswer = Promise.withResolvers<void>()
  project.gateway.faults.set("claim_sync_runs", () => ({
    get waitAfter() {
      isClaimed.resolve()
      return mayAnswer.promise
    }
  }))
  const engine = await startEngine(project.environment)
  await isClaimed.promise
  expect(await count("status = 'pending' and claimed_by is not null")).toBe(3)
  const logged = engine.awaitOutput("SIGTERM")
  engine.kill("SIGTERM")
  await logged
  mayAnswer.resolve()
  expect((await engine.exited).code).toBe(143)
  expect(await count("status = 'pending' and claimed_by is null")).toBe(3)
  project.gateway.faults.clear()
  expect(await takeOver()).toMatchObject({ code: 0, summary: { completed: 3 } })
}, 30_000)
