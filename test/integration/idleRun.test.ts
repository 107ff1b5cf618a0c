import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { Schema } from "effect"
import { Summary } from "../../src/Domain/Summary.ts"
import { type HttpServer, serveHttp } from "../support/HttpServer.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

const FUNCTIONS = [
  "open_sync_tick",
  "fetch_sync_work",
  "read_sync_apis",
  "claim_sync_probes",
  "take_sync_alerts",
  "finish_sync_tick"
]

let project: Project
let receiver: HttpServer
let pings: Array<string>

beforeEach(async () => {
  project = await startProject()
  receiver = await serveHttp((request) => {
    const { pathname, searchParams } = new URL(request.url)
    pings.push(`${pathname} ${searchParams.get("rid")}`)
    return new Response("OK")
  })
}, 60_000)
afterEach(async () => {
  await receiver.close()
  await project.close()
})

const run = async (...args: ReadonlyArray<string>) => {
  pings = []
  const counts = () => FUNCTIONS.map((name) => project.gateway.faults.calls(name))
  const before = counts()
  const { code, stderr, stdout } = await runBinary(["run", ...args], {
    env: {
      ...project.environment,
      SYNC_SCHEDULER_PROBES: "true",
      SYNC_SCHEDULER_ALERT_WEBHOOK_URL: `${receiver.url}/hook`,
      SYNC_SCHEDULER_PING_URL: `${receiver.url}/ping`
    }
  })
  const after = counts()
  const calls = Object.fromEntries(
    FUNCTIONS.flatMap((name, n) => {
      const made = (after[n] ?? 0) - (before[n] ?? 0)
      return made === 0 ? [] : [[name, made]]
    })
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  return { stdout, calls }
}

describe("run in a new process", () => {
  test("makes one call if nothing is due, in every format, and pings before and after", async () => {
    const one = { open_sync_tick: 1 }
    expect(await run()).toEqual({ stdout: "✓ Nothing is due.\n", calls: one })
    const json = await run("-o", "json")
    const summary = Schema.decodeUnknownSync(Summary, { onExcessProperty: "error" })(
      JSON.parse(json.stdout)
    )
    expect(JSON.stringify(Schema.encodeSync(Summary)(summary))).toBe(json.stdout.trim())
    expect(json.calls).toEqual(one)
    expect(pings).toEqual([`/ping/start ${summary.tick_id}`, `/ping ${summary.tick_id}`])
    const jsonl = await run("-o", "jsonl")
    expect(JSON.parse(jsonl.stdout)).toMatchObject({ type: "summary", ok: true, due: 0 })
    expect(jsonl.calls).toEqual(one)
    const [row] = await project.sql`
      select count(*)::integer as ticks, count(finished_at)::integer as finished from sync_tick`
    expect(row).toEqual({ ticks: 3, finished: 3 })
  }, 60_000)

  test("continues with the engine if something is due, and does not open the tick again", async () => {
    await project.seedDue(1)
    const { calls, stdout } = await run("-o", "json")
    expect(JSON.parse(stdout)).toMatchObject({ due: 1, completed: 1, errors: [] })
    expect(calls).toMatchObject({ open_sync_tick: 1, take_sync_alerts: 1, finish_sync_tick: 1 })
    const { tick_id } = JSON.parse(stdout)
    expect(pings.filter((ping) => ping.startsWith("/ping"))).toEqual([
      `/ping/start ${tick_id}`,
      `/ping ${tick_id}`
    ])
  }, 60_000)

  test("claims the probe of a new accounting API, and no probe of a known one", async () => {
    await project.seedDue(1, { next_run_at: "now() + interval '1 day'" })
    expect((await run()).calls).toEqual({
      open_sync_tick: 1,
      read_sync_apis: 1,
      claim_sync_probes: 1
    })
    expect((await run()).calls).toEqual({ open_sync_tick: 1 })
  }, 60_000)
})
