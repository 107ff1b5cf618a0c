import { afterAll, beforeAll, describe, expect, it, setDefaultTimeout } from "bun:test"
import { Glob } from "bun"
import {
  type DenoServer,
  deno,
  exampleFunction,
  root,
  serveWithDeno
} from "./support/DenoServer.ts"
import { closedUrl, invocation, send } from "./support/invocation.ts"
import { secretKey, startLedger } from "./support/LedgerStandIn.ts"

setDefaultTimeout(120_000)

const ledger = startLedger()

/** The requests that the accounting API accepted. The path determines the response. */
const booked: string[] = []
const api = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    const path = new URL(request.url).pathname
    const key = request.headers.get("idempotency-key") ?? ""
    if (path === "/throttled") {
      return new Response("slow down", { status: 429, headers: { "retry-after": "60" } })
    }
    if (path === "/redirect") return Response.redirect("/books", 302)
    if (path !== "/books") return new Response("no", { status: Number(path.slice(1)) })
    booked.push(`${key} ${request.headers.get("authorization")} ${await request.text()}`)
    return Response.json({ booked: true })
  }
})

let example: DenoServer
beforeAll(async () => {
  example = await serveWithDeno(exampleFunction, {
    SUPABASE_URL: `${ledger.url}/`,
    SUPABASE_SECRET_KEY: secretKey,
    SYNC_TOKEN_XLEDGER: "token-1"
  })
})
afterAll(async () => {
  await example?.stop()
  await Promise.all([ledger.stop(), api.stop(true)])
})

const exportTo = async (endpoint: unknown) => {
  const body = invocation({ config: { endpoint } })
  const row = ledger.start(body.run_id, body.lease_token)
  return { body, row, answer: await send(example.url, body) }
}

describe("the example function", () => {
  it("exports one period under the run's key", async () => {
    const { body, row, answer } = await exportTo(`${api.url.origin}/books`)
    expect(answer).toMatchObject({
      status: 200,
      body: { success: true, result: { exported_to: api.url.host, http_status: 200 } }
    })
    expect(row.status).toBe("completed")
    const sent = { organisation: body.org_id, period_end: body.scheduled_for }
    expect(booked).toEqual([`${body.idempotency_key} Bearer token-1 ${JSON.stringify(sent)}`])
  })

  it.each([
    ["throttled", { status: 429, body: { executed: false }, headers: { "retry-after": "60" } }],
    ["422", { status: 500, body: { success: false, error: { code: "HTTP_422" } } }],
    ["redirect", { status: 500, body: { success: false, error: { code: "HTTP_302" } } }],
    ["503", { status: 504, body: { outcome: "unknown" } }]
  ])("distinguishes the responses of the API: %s", async (path, expected) => {
    const { answer } = await exportTo(`${api.url.origin}/${path}`)
    expect(answer).toMatchObject(expected)
  })

  it("reports not executed if the API was not reached", async () => {
    const { answer } = await exportTo(await closedUrl())
    expect(answer).toMatchObject({ status: 409, body: { executed: false } })
  })

  it("fails for an integration without an endpoint", async () => {
    const { answer, row } = await exportTo(undefined)
    expect(answer).toMatchObject({ status: 500, body: { error: { code: "NOT_CONFIGURED" } } })
    expect(row).toMatchObject({ status: "failed", error: { code: "NOT_CONFIGURED" } })
  })
})

describe("the warm-up request", () => {
  it("needs no key, uses no database, and distinguishes a cold isolate from a warm one", async () => {
    const calls = ledger.calls.length
    const fresh = await serveWithDeno(exampleFunction, { SUPABASE_URL: ledger.url })
    try {
      const first = await fetch(fresh.url, { method: "OPTIONS" })
      expect(first.status).toBe(200)
      expect(first.headers.get("x-sync-cold")).toBe("1")
      const bootMs = Number(first.headers.get("x-sync-boot-ms"))
      expect(bootMs).toBeGreaterThanOrEqual(0)
      expect(await first.json()).toEqual({ ready: true, cold: true, boot_ms: bootMs })

      const second = await fetch(fresh.url, { method: "OPTIONS" })
      expect(second.headers.get("x-sync-cold")).toBe("0")
      expect(await second.json()).toEqual({ ready: true, cold: false, boot_ms: bootMs })

      // This instance has no key, so it rejects every request.
      expect(await send(fresh.url, invocation())).toMatchObject({
        status: 500,
        headers: { "x-sync-cold": "0" },
        body: { executed: false, error: { code: "NOT_CONFIGURED" } }
      })
      expect(ledger.calls).toHaveLength(calls)
    } finally {
      await fresh.stop()
    }
  })
})

describe("the function's sources", () => {
  it("pass deno check, and import only each other", async () => {
    const functions = `${root}/supabase/functions`
    const check = Bun.spawn([deno, "check", "--no-remote", "--no-npm", "index.ts"], {
      cwd: `${functions}/integration-sync`,
      env: { ...process.env, NO_COLOR: "1" },
      stderr: "pipe"
    })
    expect([await new Response(check.stderr).text(), await check.exited]).toEqual([
      expect.stringMatching(/^(Check .*\n)?$/),
      0
    ])
    const imported: string[] = []
    for (const path of new Glob("{_shared,integration-sync}/*.ts").scanSync(functions)) {
      const text = await Bun.file(`${functions}/${path}`).text()
      for (const [, from] of text.matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)) {
        imported.push(String(from))
      }
    }
    expect(imported.length).toBeGreaterThan(8)
    expect(imported.filter((from) => !/^\.\.?\/[\w./-]+\.ts$/.test(from))).toEqual([])
  })
})
