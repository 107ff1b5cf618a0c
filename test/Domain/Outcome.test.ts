import { describe, expect, it } from "bun:test"
import * as fc from "effect/FastCheck"
import { InvokeError } from "../../src/Domain/Errors.ts"
import { type Answer, judge, type Outcome, ofError, rules } from "../../src/Domain/Outcome.ts"

const now = Date.UTC(2026, 10, 24, 2)

const answer = (status: number, body = "", headers: Record<string, string> = {}): Answer => ({
  status,
  headers: new Headers(headers),
  body,
  truncated: false
})

const platform = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  answer(status, '{"code":"X","message":"Y"}', { "sb-error-code": code, ...headers })

const codeOf = (outcome: Outcome): string => ("code" in outcome ? outcome.code : "")

const cases: Record<string, ReadonlyArray<readonly [Answer, Outcome["_tag"], string]>> = {
  platform_key_refused: [
    [platform(401, "UNAUTHORIZED_INVALID_JWT_FORMAT"), "Failed", "FUNCTION_KEY_REFUSED"],
    [platform(401, "UNAUTHORIZED_NO_AUTH_HEADER"), "Failed", "FUNCTION_KEY_REFUSED"]
  ],
  platform_not_found: [[platform(404, "NOT_FOUND"), "Failed", "FUNCTION_NOT_FOUND"]],
  platform_boot_error: [[platform(503, "BOOT_ERROR"), "NotExecuted", "BOOT_ERROR"]],
  platform_load_error: [
    [platform(503, "LOAD_FUNCTION_METADATA_ERROR"), "NotExecuted", "LOAD_FUNCTION_METADATA_ERROR"]
  ],
  platform_rate_limit: [
    [platform(429, "RATE_LIMIT_EXCEEDED"), "NotExecuted", "RATE_LIMIT_EXCEEDED"]
  ],
  platform_idle_timeout: [[platform(504, "IDLE_TIMEOUT"), "Unknown", "IDLE_TIMEOUT"]],
  platform_worker_limit: [
    [platform(546, "WORKER_LIMIT"), "Unknown", "WORKER_LIMIT"],
    [platform(546, "WORKER_RESOURCE_LIMIT"), "Unknown", "WORKER_RESOURCE_LIMIT"]
  ],
  platform_worker_error: [
    [platform(500, "WORKER_ERROR"), "Unknown", "WORKER_ERROR"],
    [platform(500, "EDGE_FUNCTION_ERROR"), "Unknown", "EDGE_FUNCTION_ERROR"]
  ],
  platform_other: [
    [platform(500, "SOMETHING_NEW"), "Unknown", "SOMETHING_NEW"],
    [platform(500, "BOOT_ERROR"), "Unknown", "BOOT_ERROR"],
    [platform(599, "no code! at all"), "Unknown", "PLATFORM_ERROR"],
    [answer(500, '{"success":false}', { "sb-error-code": "WORKER_LATE" }), "Unknown", "WORKER_LATE"]
  ],
  redirect: [
    [answer(301), "Failed", "REDIRECT_REFUSED"],
    [answer(308, "", { location: "https://elsewhere.example" }), "Failed", "REDIRECT_REFUSED"]
  ],
  success_that_says_failed: [
    [answer(200, '{"success":false}'), "Failed", "FUNCTION_FAILED"],
    [answer(200, '{"status":"failed"}'), "Failed", "FUNCTION_FAILED"],
    [answer(200, '{"error":"no"}'), "Failed", "FUNCTION_FAILED"],
    [answer(200, '{"status":"error","message":"no","data":null}'), "Failed", "FUNCTION_FAILED"],
    [answer(200, '{"errors":[{"message":"no","extensions":{"code":"AUTH"}}]}'), "Failed", "AUTH"],
    [answer(200, '{"success":"false"}'), "Failed", "FUNCTION_FAILED"],
    [answer(200, '{"executed":false}'), "Failed", "FUNCTION_FAILED"],
    [answer(201, '{"error":{"code":"LEDGER_CLOSED","message":"no"}}'), "Failed", "LEDGER_CLOSED"],
    [answer(200, '{"error":{"code":422}}'), "Failed", "422"],
    [answer(200, '{"error":{"code":"a sentence"}}'), "Failed", "FUNCTION_FAILED"],
    [answer(202, '{"success":false}'), "Failed", "FUNCTION_FAILED"]
  ],
  success_unclear: [
    [answer(200, '{"success":true,"error":"no"}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(200, '{"errors":[{"message":"no"}],"data":{"a":1}}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(200, '{"status":"queued"}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(200, '{"result":{"success":false}}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(200, '[{"error":"inside"}]'), "Unknown", "UNCLEAR_ANSWER"]
  ],
  refusal_that_says_success: [
    [answer(409, '{"executed":true}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(429, '{"success":true,"error":"slow down"}'), "Unknown", "UNCLEAR_ANSWER"],
    [answer(303, '{"ok":true}'), "Unknown", "UNCLEAR_ANSWER"]
  ],
  accepted: [
    [answer(202, '{"accepted":true}'), "Accepted", ""],
    [answer(202), "Accepted", ""],
    [answer(202, '{"status":"queued"}'), "Accepted", ""],
    [answer(202, "OK"), "Accepted", ""]
  ],
  success_unreadable: [
    [answer(200, "OK"), "Unknown", "UNREADABLE_ANSWER"],
    [answer(200, '{"rows":'), "Unknown", "UNREADABLE_ANSWER"],
    [answer(200, "<!doctype html>"), "Unknown", "UNREADABLE_ANSWER"],
    [answer(200, "[".repeat(60_000)), "Unknown", "UNREADABLE_ANSWER"],
    [answer(200, "[".repeat(200) + "]".repeat(200)), "Unknown", "UNREADABLE_ANSWER"],
    [{ ...answer(200, '{"rows":3}'), truncated: true }, "Unknown", "UNREADABLE_ANSWER"]
  ],
  success: [
    [answer(200, '{"rows":3}'), "Completed", ""],
    [answer(200, '{"success":true,"status":"ok","error":null}'), "Completed", ""],
    [answer(200, '{"success":true,"error":false}'), "Completed", ""],
    [answer(200, '{"error":""}'), "Completed", ""],
    [answer(200, '{"success":true,"data":[{"status":"failed"}]}'), "Completed", ""],
    [answer(200, "null"), "Completed", ""],
    [answer(200, " \n"), "Completed", ""],
    [answer(204), "Completed", ""],
    [answer(200, "{}", { "sb-error-code": "BOOT_ERROR" }), "Completed", ""]
  ],
  refused_by_function: [
    [answer(409, '{"executed":false,"reason":"finished"}'), "NotExecuted", "FUNCTION_REFUSED"]
  ],
  not_now: [
    [answer(408), "NotExecuted", "HTTP_408"],
    [answer(425), "NotExecuted", "HTTP_425"],
    [answer(429, '{"error":"slow down"}'), "NotExecuted", "HTTP_429"]
  ],
  client_error: [
    [
      answer(400, '{"executed":false,"error":{"code":"MALFORMED_INVOCATION"}}'),
      "Failed",
      "MALFORMED_INVOCATION"
    ],
    [answer(401), "Failed", "HTTP_401"],
    [answer(404, "<h1>Not Found</h1>"), "Failed", "HTTP_404"],
    [answer(409, '{"success":false,"error":"","executed":null}'), "Failed", "HTTP_409"],
    [answer(409, '{"executed":"false"}'), "Failed", "HTTP_409"],
    [{ ...answer(409, '{"executed":false'), truncated: true }, "Failed", "HTTP_409"],
    [platform(401, "SOMETHING_NEW"), "Failed", "X"],
    [answer(422, '{"code":"E1","message":"m"}'), "Failed", "E1"]
  ],
  error_in_own_words: [
    [
      answer(500, '{"success":false,"error":{"code":"LEDGER_CLOSED","message":"m"}}'),
      "Failed",
      "LEDGER_CLOSED"
    ],
    [answer(503, '{"error":"down"}'), "Failed", "FUNCTION_FAILED"],
    [answer(504, '{"status":"failed"}'), "Failed", "FUNCTION_FAILED"]
  ],
  server_error: [
    [answer(500), "Unknown", "HTTP_500"],
    [answer(504, '{"outcome":"unknown","reason":"late"}'), "Unknown", "HTTP_504"],
    [answer(500, '{"success":true,"error":"no"}'), "Unknown", "HTTP_500"],
    [answer(500, '{"error":null}'), "Unknown", "HTTP_500"],
    [answer(500, '{"type":"about:blank","title":"Oops","status":500}'), "Unknown", "HTTP_500"],
    [answer(502, "<html>Bad gateway</html>"), "Unknown", "HTTP_502"],
    [answer(546, "{}"), "Unknown", "HTTP_546"],
    [{ ...answer(500, '{"success":false}'), truncated: true }, "Unknown", "HTTP_500"]
  ],
  anything_else: [
    [answer(0), "Unknown", "HTTP_0"],
    [answer(101), "Unknown", "HTTP_101"],
    [answer(999, '{"error":"no"}'), "Unknown", "HTTP_999"]
  ]
}

describe("the rules", () => {
  it("all have examples and distinct names", () => {
    expect(rules.map((rule) => rule.name).toSorted()).toEqual(Object.keys(cases).toSorted())
  })

  it("all have a condition and a reason, and a fix if something went wrong", () => {
    for (const rule of rules) {
      expect(rule.when).not.toBe("")
      expect(rule.why).not.toBe("")
      const isFine = rule.outcome === "Completed" || rule.outcome === "Accepted"
      expect(rule.code === "").toBe(isFine)
      expect(rule.fix === "").toBe(isFine || rule.name === "refused_by_function")
    }
  })

  for (const rule of rules) {
    it.each(cases[rule.name] ?? [])(`${rule.name}: case %#`, (given, tag, code) => {
      const outcome = judge(given, now)
      expect(outcome.httpStatus).toBe(given.status)
      expect([outcome._tag, codeOf(outcome)]).toEqual([tag, code])
      expect(outcome._tag).toBe(rule.outcome)
      if ("message" in outcome) expect(outcome.message).not.toBe("")
    })
  }
})

describe("an outcome", () => {
  it("always contains the function's JSON", () => {
    expect(judge(answer(200, '{"rows":3}'), now)).toMatchObject({ response: { rows: 3 } })
    expect(judge(answer(202, '{"job":1}'), now)).toMatchObject({ response: { job: 1 } })
    expect(judge(answer(500, '{"success":false}'), now)).toMatchObject({
      response: { success: false }
    })
    expect(judge(answer(200, '{"success":true,"error":"no"}'), now)).toMatchObject({
      response: { error: "no" }
    })
    expect(judge(answer(204), now)).toMatchObject({ response: null })
  })

  it.each([
    ['{"error":"the period is closed"}', "the period is closed"],
    ['{"error":{"code":"X","message":"the period is closed"}}', "the period is closed"],
    ['{"success":false,"message":"the period is closed"}', "the period is closed"],
    ['{"errors":[{"message":"the period is closed"}]}', "the period is closed"],
    ['{"title":"closed","detail":"the period is closed","status":422}', "the period is closed"],
    ['{"errorMessage":"the period is closed","errorType":"Closed"}', "the period is closed"],
    ['{"error":{"why":7}}', '{"why":7}']
  ])("keeps the function's own message: %s", (body, message) => {
    expect(judge(answer(200, body), now)).toMatchObject({ _tag: "Failed", message })
  })

  it("describes the event, the reason and the fix if the function sends no message", () => {
    expect(judge(platform(404, "NOT_FOUND"), now)).toMatchObject({
      message: expect.stringMatching(
        /does not have this function: it was never deployed.*\(HTTP 404\)\. Deploy it/
      )
    })
    expect(judge(answer(200, "<html>"), now)).toMatchObject({
      message: expect.stringContaining("it is HTML or XML, not JSON")
    })
    expect(judge(answer(200, '{"success":true,"error":"no period"}'), now)).toMatchObject({
      message: expect.stringMatching(
        /does not say clearly whether the sync is done \("success" says done, "error" says failed\).*said: no period$/
      )
    })
    expect(judge(answer(409, '{"executed":false,"reason":"finished"}'), now)).toMatchObject({
      message: "The function says that it did nothing: finished"
    })
  })

  it("keeps the wait that the response requests", () => {
    const date = "Tue, 24 Nov 2026 02:01:00 GMT"
    expect(judge(answer(429, "", { "retry-after": "7" }), now)).toMatchObject({
      retryAfterMs: 7_000
    })
    expect(judge(answer(429, "", { "retry-after": date }), now)).toMatchObject({
      retryAfterMs: 60_000
    })
    expect(judge(platform(503, "BOOT_ERROR", { "retry-after": date, date }), now)).toMatchObject({
      retryAfterMs: 0
    })
    expect(judge(answer(409, '{"executed":false}'), now)).toMatchObject({ retryAfterMs: null })
  })

  it("contains no recognisable secret", () => {
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"
    const said = `sb_secret_abc123 Bearer tok.en ${jwt} https://user:pass@host/p?token=abc#frag postgres://u:p@h/db`
    const outcome = judge(answer(500, JSON.stringify({ error: said })), now)
    expect(outcome).toMatchObject({
      message: "sb_secret_*** Bearer *** *** https://host/p postgres://h/db"
    })
  })

  it("uses the engine's message if the function's consists of control characters only", () => {
    expect(judge(answer(200, JSON.stringify({ error: "\u0000" })), now)).toMatchObject({
      _tag: "Failed",
      message: expect.stringContaining("The function says that the sync failed")
    })
  })

  it("is at most 2 KiB of well-formed text on one line", () => {
    const status = fc.integer({ min: 0, max: 999 })
    const words = fc.string({ unit: "binary", maxLength: 4_000 })
    const body = fc.oneof(
      words,
      words.map((error) => JSON.stringify({ error })),
      words.map((code) =>
        JSON.stringify({ success: false, code, message: "é\u0000\ud800".repeat(3_000) })
      ),
      fc.json()
    )
    fc.assert(
      fc.property(status, body, fc.option(words), fc.boolean(), (status, body, code, truncated) => {
        const headers = { get: (name: string) => (name === "sb-error-code" ? code : null) }
        const outcome = judge({ status, headers, body, truncated }, now)
        if (!("message" in outcome)) return
        expect(outcome.message).not.toBe("")
        expect(outcome.message.isWellFormed()).toBe(true)
        expect(outcome.message).not.toMatch(/\p{Cc}/u)
        expect(Buffer.byteLength(outcome.message)).toBeLessThanOrEqual(2_048)
        expect(outcome.code).toMatch(/^[\w.:-]{1,100}$/)
      })
    )
  })

  it("is never definite if the body contradicts itself, whatever the status", () => {
    const status = fc.integer({ min: 200, max: 599 })
    const good = fc.constantFrom({ success: true }, { ok: true }, { status: "success" })
    const bad = fc.constantFrom({ error: "no" }, { errors: ["no"] }, { error: { code: "X" } })
    fc.assert(
      fc.property(status, good, bad, (status, good, bad) => {
        const { _tag } = judge(answer(status, JSON.stringify({ ...bad, ...good })), now)
        expect(_tag).toBe(status === 202 ? "Accepted" : "Unknown")
      })
    )
  })

  it("is never definite for a 5xx, unless the function itself says so", () => {
    const fivexx = fc.integer({ min: 500, max: 599 })
    fc.assert(
      fc.property(
        fivexx,
        fc.json(),
        fc.constantFrom("WORKER_ERROR", "NEW", ""),
        (status, body, code) => {
          const outcome = judge(answer(status, body, { "sb-error-code": code }), now)
          const says = /success|status|error|ok|executed|outcome/i.test(body) && code === ""
          expect(outcome._tag === "Unknown" || says).toBe(true)
        }
      )
    )
  })
})

describe("an invocation without a response", () => {
  it.each([
    ["NotSent", "NotExecuted", "CONNECTION_FAILED"],
    ["TimedOut", "Unknown", "TIMED_OUT"],
    ["Disconnected", "Unknown", "CONNECTION_LOST"]
  ] as const)("%s is %s", (reason, tag, code) => {
    const outcome = ofError(
      new InvokeError({ reason, detail: "POST https://host/f?token=x: broken" })
    )
    expect(outcome).toMatchObject({ _tag: tag, code, httpStatus: null })
    expect(outcome).toMatchObject({
      message: expect.stringMatching(/: POST https:\/\/host\/f broken$/)
    })
  })
})
