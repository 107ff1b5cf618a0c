import { expect, test } from "bun:test"
import { signalOf } from "../../../src/Domain/Health/HealthSignal.ts"
import { type Answer, judge } from "../../../src/Domain/Outcome.ts"

const NOW = Date.UTC(2026, 10, 25, 2)
const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: new Headers(headers),
  body: JSON.stringify(body),
  truncated: false
})
const sign = (type: string, given: Answer) =>
  signalOf({ integration_type: type, health_url: null }, judge(given, NOW), NOW)

test("the function's own 429 is treated as the vendor's, with the requested wait", () => {
  const withWait = sign("xledger", answer(429, { executed: false }, { "retry-after": "90" }))
  expect(withWait).toMatchObject({
    provider: "xledger",
    host: null,
    sign: "throttled",
    wait_ms: 90_000
  })
  const withoutWait = sign("quickbooks", answer(429, { executed: false, message: "slow down" }))
  expect(withoutWait).toMatchObject({ sign: "throttled", wait_ms: 60_000, ceiling: 10 })
  const inWords = sign("eaccounting", answer(429, { message: "quota. Try again in 55 seconds." }))
  expect(inWords).toMatchObject({ sign: "throttled", wait_ms: 55_000 })
})

test("the platform's 429 and 409 give no signal about the vendor", () => {
  const platform = { "sb-error-code": "RATE_LIMIT_EXCEEDED" }
  expect(sign("xledger", answer(429, {}, platform))).toBeNull()
  expect(sign("xledger", answer(409, { executed: false }))).toBeNull()
  expect(sign("xledger", answer(504, {}, { "sb-error-code": "IDLE_TIMEOUT" }))).toBeNull()
})

test("a failure is a throttle only if it has one of the vendor's throttling codes", () => {
  const code = "BAD_REQUEST.BURST_RATE_LIMIT_REACHED"
  const failed = answer(500, { success: false, error: { code, message: "no" } })
  expect(sign("xledger", failed)).toMatchObject({ sign: "throttled", code })
  expect(sign("fortnox", failed)).toBeNull()
  const inPart = answer(200, { errors: [{ code, message: "no" }], data: null })
  expect(judge(inPart, NOW)._tag).toBe("Unknown")
  expect(sign("xledger", inPart)).toMatchObject({ sign: "throttled", code })
  expect(sign("xledger", answer(500, { error: { code: "NO_PERIOD", message: "no" } }))).toBeNull()
})

test("a function's report is judged by the vendor's row of the table", () => {
  const body = { errors: [{ code: "BAD_REQUEST.INSUFFICIENT_CREDITS" }] }
  const report = (vendor: unknown) => answer(200, { success: true, vendor })
  expect(sign("xledger", report({ status: 200, body }))).toMatchObject({
    sign: "throttled",
    code: "BAD_REQUEST.INSUFFICIENT_CREDITS",
    http_status: 200
  })
  expect(
    sign("xero", report({ status: 200, headers: { "X-MinLimit-Remaining": "2" } }))
  ).toMatchObject({
    sign: "reachable",
    low: true,
    wait_ms: 60_000,
    quota: { name: "minute", remaining: 2, limit: 60 }
  })
  const host = "7.suitetalk.api.netsuite.com"
  expect(sign("netsuite", report({ host, status: 503 }))).toMatchObject({
    provider: "netsuite",
    host,
    sign: "unreachable",
    code: "HTTP_503"
  })
  expect(sign("xledger", report({ status: 200 }))).toBeNull()
})

test("an unreadable report is ignored, and the response itself is judged", () => {
  for (const vendor of ["busy", { status: "429" }, { status: 42 }, null, [], { headers: {} }]) {
    const outcome = judge(answer(200, { success: true, vendor }), NOW)
    expect(outcome._tag).toBe("Completed")
    expect(outcome.vendor).toBeUndefined()
  }
  expect(sign("xledger", answer(200, { vendor: { status: 200, host: "a b" } }))).toBeNull()
})
