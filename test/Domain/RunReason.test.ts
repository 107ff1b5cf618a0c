import { expect, test } from "bun:test"
import { judge } from "../../src/Domain/Outcome.ts"
import { reasonOf } from "../../src/Domain/RunReason.ts"

const readAs = (status: number, body: unknown, header?: string) => {
  const outcome = judge(
    {
      status,
      headers: { get: (name) => (name === "sb-error-code" ? (header ?? null) : null) },
      body: typeof body === "string" ? body : JSON.stringify(body),
      truncated: false
    },
    0
  )
  return "code" in outcome
    ? reasonOf({
        http_status: outcome.httpStatus,
        error_code: outcome.code,
        error_message: outcome.message
      })
    : outcome._tag
}

test("the function's own message comes first, without advice for its author", () => {
  const failed = { success: false, error: { code: "TOKEN_EXPIRED", message: "token expired" } }
  expect(readAs(502, failed)).toBe('TOKEN_EXPIRED, "token expired"')
  expect(readAs(200, { success: false, error: "the period is closed" })).toBe(
    '"the period is closed"'
  )
  expect(readAs(504, { outcome: "unknown", reason: "the API hung up" })).toContain(
    '"the API hung up"'
  )
  const silent = readAs(500, "<html>")
  expect(silent).toStartWith("HTTP 500, ")
  expect(silent).not.toContain("Make the function")
})

test("a refusal of the fence is explained", () => {
  expect(readAs(409, { executed: false, reason: "not_found" })).toBe(
    "function refused, not_found (the function's project does not know this run; check the function's SUPABASE_URL)"
  )
  expect(readAs(409, { executed: false, reason: "lease_ended" })).toBe(
    "function refused, lease_ended"
  )
  expect(readAs(409, { executed: false })).toBe(
    "function refused, the fence denied the run, or the function could not begin"
  )
})

test("messages of the platform and the engine are not quoted", () => {
  expect(
    readAs(503, { code: "BOOT_ERROR", message: "Function failed to start" }, "BOOT_ERROR")
  ).toMatch(/BOOT_ERROR/)
  expect(
    reasonOf({ http_status: null, error_code: "CONNECTION_FAILED", error_message: "no route" })
  ).toBe("CONNECTION_FAILED, no route")
  expect(reasonOf({ http_status: 504, error_code: "HTTP_504", error_message: null })).toBe(
    "HTTP 504"
  )
  expect(reasonOf({ http_status: null, error_code: null, error_message: null })).toBe("")
})
