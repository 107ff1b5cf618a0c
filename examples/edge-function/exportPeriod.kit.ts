/** Tests exportPeriod.ts with the published package. Needs no test runner: run it with `node`, `bun` or `deno`. */
import { strict as assert } from "node:assert"
import { testSyncRun } from "sync-scheduler/testing"
import { exportPeriod } from "../../supabase/functions/integration-sync/exportPeriod.ts"

const config = { endpoint: "https://api.example.com/exports" }
const sent: Array<{ readonly key: string | null; readonly body: string }> = []

/** Fakes the accounting API. */
const answering = (answer: () => Response | Promise<Response>) => {
  globalThis.fetch = Object.assign(
    async (_: string | URL | Request, init?: RequestInit) => {
      const headers = new Headers(init?.headers)
      sent.push({ key: headers.get("idempotency-key"), body: String(init?.body) })
      return answer()
    },
    { preconnect: () => undefined }
  )
}
const status = (code: number) => answering(() => new Response("{}", { status: code }))

status(200)
const booked = await testSyncRun(exportPeriod, { config, integrationType: "xledger" })
assert.equal(booked.status, "completed")
assert.deepEqual(booked.result, { exported_to: "api.example.com", http_status: 200 })
assert.match(sent[0]?.key ?? "", /^[0-9a-f-]{36}:\d{4}-/)

status(422)
const refused = await testSyncRun(exportPeriod, { config })
assert.deepEqual([refused.status, refused.error?.code], ["failed", "HTTP_422"])

// After a server error, the export might have been booked.
status(503)
const unknown = await testSyncRun(exportPeriod, { config, onUnknown: "hold" })
assert.deepEqual([unknown.status, unknown.isRetried, unknown.error], ["unknown", false, null])

// The API hangs, so the fence aborts the call before the deadline.
answering(() => new Promise(() => undefined))
const hung = await testSyncRun(
  async (context) => {
    const stopped = new Promise<never>((_, reject) => {
      context.signal.addEventListener("abort", () => reject(context.signal.reason))
    })
    return Promise.race([exportPeriod(context), stopped])
  },
  { config, during: ({ advance }) => advance(155_000) }
)
assert.deepEqual([hung.status, hung.isRetried, hung.heartbeats > 5], ["unknown", true, true])

// Another attempt began first, so the handler must not run.
const count = sent.length
const late = await testSyncRun(exportPeriod, { config, refused: "already_begun" })
assert.deepEqual([late.ran, late.status, sent.length], [false, "pending", count])

// The database is unavailable when the sync ends, but the response contains the outcome.
let answer: (response: Response) => void = () => undefined
answering(() => new Promise((resolve) => (answer = resolve)))
const unheard = await testSyncRun(exportPeriod, {
  config,
  during: async ({ advance, setDatabase }) => {
    await advance(1_000)
    setDatabase("down")
    answer(new Response("{}"))
  }
})
assert.deepEqual([unheard.status, unheard.result], ["completed", null])

console.log("the example works")
