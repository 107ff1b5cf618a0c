import { strict as assert } from "node:assert"
import { SyncFailed, type SyncHandler } from "sync-scheduler/fence"
import { testSyncRun } from "sync-scheduler/testing"

/** The Edge Function calls Deno.serve(withSyncRun(exportInvoices)). */
const exportInvoices: SyncHandler = async ({ config, idempotencyKey, signal }) => {
  const headers = { "idempotency-key": idempotencyKey }
  const response = await fetch(String(config.endpoint), { method: "POST", headers, signal })
  if (response.status === 422) throw new SyncFailed("PERIOD_CLOSED", "The period is closed")
  return { exported: response.ok }
}

// Fakes the accounting API.
const answer = (status: number) => {
  globalThis.fetch = Object.assign(async () => new Response("{}", { status }), globalThis.fetch)
}
const config = { endpoint: "https://api.example.com/invoices" }

answer(200)
const booked = await testSyncRun(exportInvoices, { config })
assert.deepEqual([booked.status, booked.result], ["completed", { exported: true }])

answer(422)
const closed = await testSyncRun(exportInvoices, { config })
assert.deepEqual([closed.status, closed.error?.code], ["failed", "PERIOD_CLOSED"])
