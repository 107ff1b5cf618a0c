import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { SQL } from "bun"
import {
  type Json,
  SyncFailed,
  type SyncHandler,
  SyncNotExecuted,
  SyncOutcomeUnknown,
  withSyncRun
} from "../../supabase/functions/_shared/syncRun.ts"
import { binaryPath } from "../support/binary.ts"
import { connect, createDatabase, type TestDatabase } from "../support/Postgres.ts"
import { type RpcGateway, startGateway } from "../support/RpcGateway.ts"
import { runBinary } from "../support/runBinary.ts"
import { testSyncRun } from "../support/testSyncRun.ts"

setDefaultTimeout(60_000)

const HANDLERS: Record<string, SyncHandler> = {
  "returns a result": async ({ config }) => ({ exported: String(config.channel) }),
  "says that it failed": async () => ({ success: false, error: { code: "CLOSED", message: "x" } }),
  "throws SyncFailed": async () => {
    throw new SyncFailed("PERIOD_CLOSED", "October is closed")
  },
  "throws any error": async () => {
    throw new Error("a bug")
  },
  "throws SyncOutcomeUnknown": async () => {
    throw new SyncOutcomeUnknown("the API hung up")
  },
  "throws SyncNotExecuted": async () => {
    throw new SyncNotExecuted("throttled")
  },
  "returns a Response": async () => new Response() as unknown as never,
  defers: async ({ defer }) => {
    defer()
    return { later: true }
  }
}

describe("the test kit reports the same outcome as the real engine, fence and database", () => {
  let database: TestDatabase
  let gateway: RpcGateway
  let sql: SQL
  let handler: SyncHandler = async () => null
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      withSyncRun((context) => handler(context), {
        supabase: { url: gateway.url, key: gateway.secretKey }
      })(request)
  })
  beforeAll(async () => {
    await binaryPath()
    database = await createDatabase()
    sql = connect(database.url, { max: 2 })
    gateway = await startGateway({ databaseUrl: database.url, functionsUrl: server.url.origin })
  }, 120_000)
  afterAll(async () => {
    await server.stop(true)
    await gateway.close()
    await sql.close()
    await database.drop()
  })

  test.each(Object.keys(HANDLERS))("%s", async (name) => {
    handler = HANDLERS[name] ?? handler
    await sql`delete from public.organization_integrations`
    await sql`insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at, fenced, config)
      values (gen_random_uuid(), 'test', '0 4 29 2 *', now() - interval '1 minute', true, '{"channel": "A-12"}')`
    const env = {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      SYNC_SCHEDULER_PROBES: "false"
    }
    await runBinary(["run"], { env })
    const real = async () =>
      (
        await sql`select status, error_code as code from public.sync_run_log order by created_at desc limit 1`
      )[0]
    while ((await real()).status === "running") await Bun.sleep(50)
    const { status, code } = await real()
    const kit = await testSyncRun(handler, { config: { channel: "A-12" } })
    expect(kit.ran).toBe(true)
    expect([name, kit.status]).toEqual([name, status])
    if (kit.error !== null) expect(kit.error.code).toBe(code)
  })
})

describe("the test kit's clock and events", () => {
  const until = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason))
    })

  test("heartbeats follow the clock, and the deadline aborts the signal", async () => {
    const result = await testSyncRun(({ signal }) => until(signal), {
      deadlineMs: 100_000,
      onUnknown: "hold",
      during: ({ advance }) => advance(100_000)
    })
    expect(result).toMatchObject({ status: "unknown", isRetried: false, heartbeats: 4 })
    expect(result.answer.status).toBe(504)
  })

  test("a run that another attempt took over is stopped without a report", async () => {
    const result = await testSyncRun(({ signal }) => until(signal), {
      during: async ({ advance, loseRun }) => {
        loseRun()
        await advance(20_000)
      }
    })
    expect(result).toMatchObject({ status: "unknown", error: null, result: null })
  })

  test("a handler that ignores its signal does not delay the response, and its end is reported", async () => {
    let end: () => void = () => undefined
    const result = await testSyncRun(
      () =>
        new Promise<Json>((resolve) => {
          end = () => resolve({ late: true })
        }),
      {
        during: async ({ advance }) => {
          await advance(160_000)
          end()
        }
      }
    )
    expect(result.answer.status).toBe(504)
    expect(result).toMatchObject({ status: "completed", result: { late: true } })
  })

  test("a run becomes unknown if the platform shuts it down, and a refused run does not start", async () => {
    const shut = await testSyncRun(({ signal }) => until(signal), {
      during: async ({ advance, shutDown }) => {
        await advance(0)
        shutDown()
      }
    })
    expect(shut.status).toBe("unknown")
    const refused = await testSyncRun(async () => null, { refused: "already_begun" })
    expect(refused).toMatchObject({ ran: false, status: "pending", isRetried: true })
  })
})
