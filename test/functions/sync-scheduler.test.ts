import { afterAll, beforeAll, beforeEach, describe, expect, it, setDefaultTimeout } from "bun:test"
import { join } from "node:path"
import { buildEdge, bundleEdge, edgeBundle } from "../../scripts/build-edge.ts"
import { makeEdgeEngine } from "../../src/edge.ts"
import type * as Bundle from "../../supabase/functions/sync-scheduler/engine.js"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"
import { type DenoServer, deno, root, serveWithDeno } from "./support/DenoServer.ts"

setDefaultTimeout(60_000)

const script = join(root, "supabase/functions/sync-scheduler/index.ts")
const servers: Array<DenoServer> = []
let project: Project
let url = ""

const serve = async (settings: Record<string, string> = {}): Promise<string> => {
  const server = await serveWithDeno(script, {
    SUPABASE_URL: project.gateway.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: project.gateway.secretKey }),
    SUPABASE_DB_URL: "postgresql://nobody:nothing@127.0.0.1:1/none",
    ...settings
  })
  servers.push(server)
  return server.url
}

beforeAll(async () => {
  await buildEdge()
  project = await startProject()
  url = await serve()
})
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  await project?.close()
})
beforeEach(() => project.sql`delete from organization_integrations`.execute())

const withKey = () => ({ apikey: project.gateway.secretKey })

const post = async (headers: Record<string, string>, to = url) => {
  const response = await fetch(to, { method: "POST", headers })
  return { status: response.status, body: await response.json() }
}

const issueTicket = async (): Promise<string> => {
  const rows: ReadonlyArray<{ ticket: string }> =
    await project.sql`select sync_scheduler.issue_ticket() as ticket`
  return rows[0]?.ticket ?? ""
}

/** Ignores the first `count` invocations. */
const keysSince = (count: number): ReadonlyArray<unknown> =>
  project.functions.invocations.slice(count).map(({ body }) => body.idempotency_key)

describe("the bundled Edge Function", () => {
  it("is one file without imports, reproducible, and up to date", async () => {
    const text = await bundleEdge()
    expect(text === (await Bun.file(edgeBundle).text())).toBe(true)
    expect(new Bun.Transpiler({ loader: "js" }).scanImports(text)).toEqual([])
    expect(text.length).toBeLessThan(1_000_000)
  })

  it("matches its declaration, and passes Deno's type check", () => {
    const declared: typeof Bundle.makeEdgeEngine = makeEdgeEngine
    expect(declared).toBe(makeEdgeEngine)
    const checked = Bun.spawnSync([deno, "check", script], { stderr: "pipe" })
    expect([checked.exitCode, checked.stderr.toString()]).toEqual([0, expect.any(String)])
  })
})

describe("a tick in Deno", () => {
  it("runs every due slot and returns the summary", async () => {
    await project.seedDue(12)
    const { body, status } = await post(withKey())
    expect(status).toBe(200)
    expect(body).toMatchObject({ due: 12, triggered: 12, completed: 12, failed: 0, errors: [] })
    expect(body.engine_id).toMatch(/^edge-[0-9a-f]{8}$/)
    const ticks: ReadonlyArray<{ engine_id: string }> =
      await project.sql`select engine_id from sync_tick where id = ${body.tick_id}`
    expect(ticks.map(({ engine_id }) => engine_id)).toEqual([body.engine_id])
    expect((await post(withKey())).body).toMatchObject({ due: 0, triggered: 0, errors: [] })
  })

  it("starts at most its limit, and the next tick continues", async () => {
    const limited = await serve({ SYNC_SCHEDULER_EDGE_LIMIT: "3" })
    await project.seedDue(5)
    expect((await post(withKey(), limited)).body).toMatchObject({ triggered: 3, completed: 3 })
    expect((await post(withKey(), limited)).body).toMatchObject({ triggered: 2, completed: 2 })
  })

  it("responds immediately and continues if the caller does not want to wait", async () => {
    await project.seedDue(3)
    const before = project.functions.invocations.length
    const answer = await post({ ...withKey(), prefer: "respond-async" })
    expect(answer).toEqual({ status: 202, body: { accepted: true } })
    await project.functions.arrived(before + 3)
  })

  it("runs every slot once while the binary and another such tick run concurrently", async () => {
    await project.seedDue(60)
    const before = project.functions.invocations.length
    const [binary, ...ticks] = await Promise.all([
      runBinary(["run", "-o", "json"], { env: project.environment }),
      post(withKey()),
      post({ "x-sync-ticket": await issueTicket() })
    ])
    const completed = [JSON.parse(binary.stdout), ...ticks.map(({ body }) => body)].map(
      (summary) => summary.completed
    )
    expect(completed.reduce((sum, count) => sum + count, 0)).toBe(60)
    const keys = keysSince(before)
    expect([keys.length, new Set(keys).size]).toEqual([60, 60])
  })

  it("responds with 500 if it could not work", async () => {
    const apikey = "sb_secret_of_another_project"
    const astray = await serve({ SUPABASE_SECRET_KEYS: JSON.stringify({ default: apikey }) })
    const { body, status } = await post({ apikey }, astray)
    expect(status).toBe(500)
    expect(body.errors).toMatchObject([{ code: "KEY_REFUSED" }])
  })
})

describe("the authorisation of callers", () => {
  it("rejects a call without a secret key or a ticket before any database call", async () => {
    const { faults } = project.gateway
    const before = [faults.calls("open_sync_tick"), faults.calls("redeem_sync_ticket")]
    for (const headers of [
      {},
      { apikey: "sb_secret_another" },
      { apikey: project.gateway.anonKey },
      { authorization: `Bearer ${project.gateway.anonKey}` },
      { "x-sync-ticket": "short" }
    ]) {
      expect((await post(headers)).status).toBe(401)
    }
    expect((await fetch(url, { headers: withKey() })).status).toBe(405)
    expect([faults.calls("open_sync_tick"), faults.calls("redeem_sync_ticket")]).toEqual(before)
  })

  it("accepts a ticket once, even in concurrent calls", async () => {
    const ticket = await issueTicket()
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post({ "x-sync-ticket": ticket }))
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401])
    expect((await post({ "x-sync-ticket": ticket })).status).toBe(401)
  })

  it("rejects an expired ticket, and the next ticket deletes it", async () => {
    const ticket = await issueTicket()
    await project.sql`update sync_scheduler.ticket set expires_at = now() - interval '1 second'`
    expect((await post({ "x-sync-ticket": ticket })).status).toBe(401)
    await issueTicket()
    await project.sql`update sync_scheduler.ticket set expires_at = now() - interval '1 second'`
    await issueTicket()
    const rows = await project.sql`select from sync_scheduler.ticket`
    expect(rows.length).toBe(1)
  })

  it("reports invalid settings only to a caller with a key", async () => {
    const wrong = await serve({ SYNC_SCHEDULER_CONCURRENCY: "many" })
    const known = await post(withKey(), wrong)
    expect(known.status).toBe(500)
    expect(known.body.errors[0].message).toContain("SYNC_SCHEDULER_CONCURRENCY")
    const unknown = await post({ "x-sync-ticket": await issueTicket() }, wrong)
    expect(unknown.status).toBe(500)
    expect(JSON.stringify(unknown.body)).not.toContain("SYNC_SCHEDULER")
  })
})
