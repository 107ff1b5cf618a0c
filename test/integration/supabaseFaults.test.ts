import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import * as Faults from "../support/GatewayFaults.ts"
import { type Project, startProject } from "../support/Project.ts"
import { startProxy } from "../support/TcpProxy.ts"

beforeAll(binaryPath, 60_000)
let project: Project
beforeEach(async () => {
  project = await startProject()
})
afterEach(() => project.close())

const tick = async (settings: Readonly<Record<string, string>> = {}) =>
  (await startEngine({ ...project.environment, ...settings })).exited

const expectOnce = async (count: number) => {
  expect(await project.statuses()).toEqual({ completed: count })
  const [row] = await project.sql`
    select max(attempt) as attempts, bool_or(ambiguous) as ambiguous,
           (select count(*)::int from sync_run_event where kind = 'settled') as settlements,
           (select count(*)::int from sync_tick where finished_at is null) as unfinished
      from sync_run_log`
  expect(row).toEqual({ attempts: 1, ambiguous: false, settlements: count, unfinished: 0 })
  expect(project.functions.invocations.length).toBe(count)
}

const CALLS = [
  "open_sync_tick",
  "claim_sync_runs",
  "start_sync_runs",
  "settle_sync_runs",
  "finish_sync_tick"
]

const committedBut = (body: unknown): Faults.Fault => ({
  execute: true,
  instead: () => Response.json(body)
})

const statementTimeout = Faults.answerWith(500, {
  code: "57014",
  message: "canceling statement due to statement timeout",
  details: null,
  hint: null
})

describe("if each call of a tick fails once, it is repeated with its token, and nothing is lost or doubled", () => {
  test.each([
    ["the connection is cut before it", Faults.dropBefore],
    ["it is committed and its answer lost", Faults.lostAnswer],
    ["it is committed, late, and its answer lost", { ...Faults.lostAnswer, waitAfter: 300 }],
    ["PostgREST has lost its database", Faults.schemaCacheMissing],
    ["the statement was cancelled", statementTimeout],
    ["the server process died before it", Faults.died],
    ["it is committed, and the server process died then", { ...Faults.died, execute: true }],
    ["a proxy's page in its place", Faults.badGateway],
    ["committed, and a proxy's page all the same", { ...Faults.badGateway, execute: true }],
    ["an empty 200", Faults.emptyOk],
    ["committed, and an empty 200", { ...Faults.emptyOk, execute: true }],
    ["an empty 404", Faults.emptyNotFound],
    ["committed, and an answer that is something else", committedBut({ ok: true })]
  ])(
    "%s",
    async (_, fault) => {
      await project.seedDue(3)
      for (const fn of CALLS) project.gateway.faults.once(fn, fault)
      expect(await tick()).toMatchObject({ code: 0, summary: { completed: 3, errors: [] } })
      await expectOnce(3)
      for (const fn of CALLS) expect(project.gateway.faults.calls(fn)).toBeGreaterThanOrEqual(2)
    },
    30_000
  )
})

test.each(["supabase-js", "direct"] as const)(
  "%s: the response of a later fetch is lost, and its rows run in the same tick",
  async (mechanism) => {
    await project.seedDue(30)
    const direct = new URL(project.database.url)
    const proxy = await startProxy(Number(direct.port))
    direct.port = String(proxy.port)
    try {
      if (mechanism === "direct") proxy.loseAnswer("fetch_sync_work")
      else project.gateway.faults.once("fetch_sync_work", Faults.lostAnswer)
      const ended = await tick(mechanism === "direct" ? { SUPABASE_DB_URL: direct.href } : {})
      expect(ended).toMatchObject({ code: 0, summary: { completed: 30, errors: [] } })
      expect(proxy.connections()).toBeGreaterThanOrEqual(mechanism === "direct" ? 2 : 0)
      await expectOnce(30)
    } finally {
      proxy.stop()
    }
  },
  60_000
)

test("an outcome is sent with its token until it is recorded, after any number of failures", async () => {
  await project.seedDue(1)
  const wrong = [Faults.dropBefore, Faults.badGateway, statementTimeout, Faults.lostAnswer]
  project.gateway.faults.set("settle_sync_runs", ({ number }) => wrong[number - 1])
  expect(await tick()).toMatchObject({ code: 0, summary: { completed: 1, errors: [] } })
  expect(project.gateway.faults.calls("settle_sync_runs")).toBe(5)
  await expectOnce(1)
}, 30_000)
