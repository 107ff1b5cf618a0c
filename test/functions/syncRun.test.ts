import { afterAll, beforeAll, describe, expect, it, setDefaultTimeout } from "bun:test"
import { type DenoServer, serveWithDeno, testFunctions } from "./support/DenoServer.ts"
import { closedUrl, invocation, send } from "./support/invocation.ts"
import { legacyKey, secretKey, startLedger } from "./support/LedgerStandIn.ts"

setDefaultTimeout(120_000)

const ledger = startLedger()
let hosted: DenoServer
let plain: DenoServer

beforeAll(async () => {
  const env = { SUPABASE_URL: ledger.url, CONTROL_URL: ledger.url }
  ;[hosted, plain] = await Promise.all([
    serveWithDeno(testFunctions, {
      ...env,
      WITH_EDGE_RUNTIME: "1",
      SUPABASE_SECRET_KEYS: JSON.stringify({
        other: "sb_secret_other",
        mistake: "sb_publishable_1",
        default: secretKey
      }),
      SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: "sb_publishable_1" }),
      SUPABASE_ANON_KEY: "anon",
      SUPABASE_SERVICE_ROLE_KEY: legacyKey,
      OWN_KEY: secretKey
    }),
    serveWithDeno(testFunctions, { ...env, SUPABASE_SERVICE_ROLE_KEY: legacyKey })
  ])
})
afterAll(async () => {
  await Promise.all([hosted?.stop(), plain?.stop()])
  await ledger.stop()
})

const started = (over: Record<string, unknown> = {}) => {
  const body = invocation(over)
  return { body, id: body.run_id, row: ledger.start(body.run_id, body.lease_token) }
}
const ran = (id: string) => ledger.events.filter((event) => event === `ran ${id}`).length
const nonces = (id: string) => ledger.callsOf("begin_sync_run", id).map((call) => call.args.p_nonce)

describe("a granted run", () => {
  it("runs once, is recorded as completed, and gets its response", async () => {
    const { body, id, row } = started()
    const answer = await send(`${hosted.url}/echo`, body)
    const result = {
      run: {
        id,
        orgId: body.org_id,
        integrationId: body.integration_id,
        integrationType: "xledger",
        attempt: 1,
        trigger: "schedule"
      },
      key: body.idempotency_key,
      slot: body.scheduled_for,
      deadline: expect.any(String),
      channel: "A-12"
    }
    expect(answer).toMatchObject({
      status: 200,
      body: {
        success: true,
        run_id: id,
        idempotency_key: body.idempotency_key,
        reported: true,
        result
      }
    })
    expect(row).toMatchObject({ status: "completed", response: result })
    expect(ran(id)).toBe(1)
  })

  it("sends the secret key to the database in apikey only, and a legacy key as Bearer too", async () => {
    const first = started()
    const second = started()
    await send(`${hosted.url}/echo`, first.body)
    expect((await send(`${plain.url}/echo`, second.body, { apikey: legacyKey })).status).toBe(200)
    const headersOf = (id: string) =>
      ledger.calls
        .filter((call) => call.args.p_run_id === id)
        .map(({ headers }) => [headers.get("apikey"), headers.get("authorization")])
    expect(headersOf(first.id)).toEqual([
      [secretKey, null],
      [secretKey, null]
    ])
    expect(headersOf(second.id)).toEqual([
      [legacyKey, `Bearer ${legacyKey}`],
      [legacyKey, `Bearer ${legacyKey}`]
    ])
  })

  it("runs once if it is delivered eight times concurrently", async () => {
    const { body, id } = started()
    const deliveries = Array.from({ length: 8 }, () => send(`${hosted.url}/echo`, body))
    const statuses = (await Promise.all(deliveries)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(7)
    expect(ran(id)).toBe(1)
  })
})

describe("the begin call", () => {
  it("leads to a 409 without running the handler if the database refuses it", async () => {
    const { body, id, row } = started()
    row.status = "pending"
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject({
      status: 409,
      body: { executed: false, reason: "not_running" }
    })
    const otherRun = { ...body, lease_token: crypto.randomUUID() }
    expect(await send(`${hosted.url}/echo`, otherRun)).toMatchObject({
      status: 409,
      body: { executed: false, reason: "token_mismatch" }
    })
    expect(ran(id)).toBe(0)
    expect(ledger.callsOf("complete_sync_run", id)).toEqual([])
  })

  it("is repeated with the same nonce while its response is lost", async () => {
    const { body, id, row } = started()
    ledger.injectFaults("begin_sync_run", id, "hang", "gateway", "cut", "busy")
    expect((await send(`${hosted.url}/echo`, body)).status).toBe(200)
    expect(nonces(id).length).toBeGreaterThanOrEqual(5)
    expect(new Set(nonces(id))).toEqual(new Set([row.nonce]))
    expect(ran(id)).toBe(1)
  })

  it("leads to a 409 without running the handler if it is never confirmed", async () => {
    const { body, id, row } = started()
    ledger.injectFaults("begin_sync_run", id, ...Array(100).fill("gateway"))
    expect(await send(`${hosted.url}/hurried`, body)).toMatchObject({
      status: 409,
      body: { executed: false, reason: expect.stringContaining("begin_unconfirmed") }
    })
    expect(nonces(id).length).toBeGreaterThan(1)
    expect(new Set(nonces(id)).size).toBe(1)
    expect(row.status).toBe("running")
    expect(ran(id)).toBe(0)
  })

  it("leads to a 409 without a second call if the database denies access", async () => {
    const { body, id } = started()
    ledger.injectFaults("begin_sync_run", id, "denied")
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject({
      status: 409,
      body: { executed: false, reason: "begin_sync_run: HTTP 401 PGRST301" }
    })
    expect(nonces(id)).toHaveLength(1)
  })

  it("is not requested after the deadline", async () => {
    const { body, id } = started({ deadline: "2026-11-02T01:00:00Z" })
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject({
      status: 409,
      body: { executed: false, reason: "deadline_passed" }
    })
    expect(nonces(id)).toEqual([])
  })
})

describe("the end of a handler", () => {
  const failed = (code: string, message: string) => ({
    status: 500,
    body: { success: false, reported: true, error: { code, message } }
  })
  const unknown = (reason: unknown) => ({ status: 504, body: { outcome: "unknown", reason } })
  const completed = (result: unknown) => ({ status: 200, body: { success: true, result } })

  it.each([
    ["error", failed("HANDLER_ERROR", "ledger 4711 is closed"), "failed"],
    ["failed", failed("PERIOD_CLOSED", "October is closed\ufffd"), "failed"],
    ["returned", failed("BALANCE", "debit is not credit"), "failed"],
    ["graphql", failed("NO_PERIOD", "October is closed"), "failed"],
    ["falsy error", completed({ success: true, error: false }), "completed"],
    ["contradiction", unknown(expect.stringContaining('"error" says failed')), "running"],
    ["graphql in part", unknown(expect.stringContaining('"errors"')), "running"],
    ["get timeout", failed("NO_ANSWER", expect.stringContaining("within 50 ms")), "failed"],
    [
      "not connected",
      failed("NOT_CONNECTED", expect.stringContaining("could not connect")),
      "failed"
    ],
    [
      "throttled",
      {
        status: 500,
        body: {
          success: false,
          vendor: {
            host: "www.xledger.net",
            status: 200,
            headers: { "x-ratelimit-remaining": "0", "retry-after": "7" },
            body: { errors: [{ code: "BAD_REQUEST.BURST_RATE_LIMIT_REACHED" }] }
          }
        }
      },
      "failed"
    ],
    ["not executed", { status: 409, body: { executed: false, reason: "throttled" } }, "running"],
    [
      "not executed for a while",
      { status: 429, body: { executed: false }, headers: { "retry-after": "30" } },
      "running"
    ],
    ["unknown", unknown("no receipt came"), "running"],
    ["post timeout", unknown(expect.stringContaining("no answer within 50 ms")), "running"],
    ["plain timeout", unknown(expect.any(String)), "running"],
    ["response", unknown(expect.stringContaining("Response (500)")), "running"],
    ["unstorable", completed({ text: "a\ufffdb\ufffdc", path: "C:\\u0000" }), "completed"],
    ["large", completed({ omitted: "result of 40011 bytes" }), "completed"],
    ["bigint", completed({ omitted: expect.stringContaining("not JSON") }), "completed"],
    ["void", completed(null), "completed"]
  ])("%s", async (how, answer, status) => {
    const { body, id, row } = started({ config: { end: how, closed: await closedUrl() } })
    expect(await send(`${hosted.url}/end`, body)).toMatchObject(answer)
    expect(String(row.status)).toBe(status)
    expect(ledger.callsOf("complete_sync_run", id)).toHaveLength(status === "running" ? 0 : 1)
  })

  it("an unknown outcome has no text that could be read as a failure", async () => {
    const { body } = started({ config: { end: "unknown" } })
    const answer = await send(`${hosted.url}/end`, body)
    expect(Object.keys(answer.body).sort()).toEqual([
      "idempotency_key",
      "outcome",
      "reason",
      "run_id"
    ])
    expect(answer.headers["sb-error-code"]).toBeUndefined()
  })
})

describe("the report", () => {
  it("is repeated while its response is lost", async () => {
    const { body, id, row } = started()
    ledger.injectFaults("complete_sync_run", id, "hang", "busy", "gateway", "cut")
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject({
      status: 200,
      body: { success: true, reported: true }
    })
    expect(ledger.callsOf("complete_sync_run", id).length).toBeGreaterThanOrEqual(5)
    expect(row.status).toBe("completed")
    expect(ran(id)).toBe(1)
  })

  it("does not change the function's response if access is denied", async () => {
    const { body, id } = started()
    ledger.injectFaults("complete_sync_run", id, "denied")
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject({
      status: 200,
      body: { success: true, reported: false }
    })
  })

  it("does not change the function's response if it is never accepted, and ends before the deadline", async () => {
    const { body, id } = started()
    ledger.injectFaults("complete_sync_run", id, ...Array(100).fill("busy"))
    expect(await send(`${hosted.url}/hurried`, body)).toMatchObject({
      status: 200,
      body: { success: true, reported: false, result: { key: body.idempotency_key } }
    })
  })
})

describe("a run in the background", () => {
  it("responds with 202 immediately, sends heartbeats, and reports its end", async () => {
    const { body, id, row } = started()
    const answer = await send(`${hosted.url}/background`, body)
    expect(answer).toMatchObject({ status: 202, body: { accepted: true, run_id: id } })
    await ledger.until(() => row.heartbeats >= 3)
    expect(row.status).toBe("running")
    const ended = ledger.events.filter((event) => event === "waitUntil ended").length
    ledger.openGate(id)
    await ledger.until(() => row.status === "completed")
    expect(row.response).toEqual({ done: true })
    await ledger.until(
      () => ledger.events.filter((event) => event === "waitUntil ended").length > ended
    )
    expect(ledger.callsOf("complete_sync_run", id)).toHaveLength(1)
  })

  it("reports a failure, even if a response would have counted as not executed", async () => {
    for (const [how, error] of [
      ["failed", { code: "PERIOD_CLOSED", message: "October is closed\ufffd" }],
      ["not executed", { code: "NOT_EXECUTED", message: "throttled" }]
    ]) {
      const { body, id, row } = started({ config: { end: how } })
      expect((await send(`${hosted.url}/background`, body)).status).toBe(202)
      ledger.openGate(id)
      await ledger.until(() => row.status === "failed")
      expect(row.error).toEqual(error)
    }
  })

  it("works the same if the handler defers it without EdgeRuntime", async () => {
    const { body, id, row } = started()
    const answer = await send(`${plain.url}/defer`, body, { apikey: legacyKey })
    expect(answer).toMatchObject({ status: 202, body: { accepted: true } })
    await ledger.until(() => row.heartbeats >= 1)
    ledger.openGate(id)
    await ledger.until(() => row.status === "completed")
    expect(row.response).toEqual({ done: true })
  })
})

describe("a deferred run", () => {
  it("continues after the time at which its response was due", async () => {
    const { body, row } = started()
    expect((await send(`${hosted.url}/outlasts`, body)).status).toBe(202)
    await ledger.until(() => row.status !== "running")
    expect(row).toMatchObject({
      status: "completed",
      response: { aborted: false, moved: true }
    })
  })
})

describe("ownership of a run", () => {
  it("is lost: the signal aborts, nothing is reported, and the outcome is unknown", async () => {
    const { body, id, row } = started()
    const answer = send(`${hosted.url}/until-aborted`, body)
    await ledger.until(() => ledger.events.includes(`working ${id}`))
    row.status = "pending"
    expect(await answer).toMatchObject({ status: 504, body: { outcome: "unknown" } })
    expect(ledger.events).toContain(
      `aborted ${id}: Stopped because this attempt no longer owns the run`
    )
    expect(ledger.callsOf("complete_sync_run", id)).toEqual([])
  })

  it("is kept if only the responses to its heartbeats are lost", async () => {
    const { body, id, row } = started()
    ledger.injectFaults("heartbeat_sync_run", id, "gateway", "busy", "cut", "denied", "hang")
    const answer = send(`${hosted.url}/gated`, body)
    await ledger.until(() => ledger.callsOf("heartbeat_sync_run", id).length >= 7)
    ledger.openGate(id)
    expect((await answer).status).toBe(200)
    expect(row.status).toBe("completed")
  })

  it("can be checked by the handler before an irreversible step", async () => {
    const { body, id, row } = started()
    const answer = send(`${hosted.url}/asks`, body)
    await ledger.until(() => ledger.events.includes(`waiting ${id}`))
    row.status = "pending"
    ledger.openGate(id)
    expect(await answer).toMatchObject({ status: 409, body: { executed: false } })
    expect(ledger.events).toContain(`${id} owned lost true`)
  })

  it("is lost if no heartbeat succeeds for 300 s", async () => {
    const { body, id } = started()
    ledger.injectFaults("heartbeat_sync_run", id, ...Array(1_000).fill("busy"))
    expect((await send(`${hosted.url}/silent`, body)).status).toBe(504)
    expect(ledger.events).toContain(
      `aborted ${id}: Stopped because the database did not respond for too long`
    )
  })

  it("is lost if the platform shuts the function down", async () => {
    const { body, id } = started()
    expect((await send(`${hosted.url}/unload`, body)).status).toBe(504)
    expect(ledger.events).toContain(
      `aborted ${id}: Stopped because the platform is shutting down the function`
    )
  })
})

describe("the deadline", () => {
  it("aborts the signal shortly before it passes", async () => {
    const { body, id } = started()
    expect(await send(`${hosted.url}/deadline`, body)).toMatchObject({
      status: 504,
      body: { outcome: "unknown" }
    })
    await ledger.until(() =>
      ledger.events.includes(`aborted ${id}: Stopped because the run reached its time limit`)
    )
    expect(ledger.callsOf("complete_sync_run", id)).toEqual([])
  })

  it("ends the response even if the handler ignores it, and the handler's end is reported", async () => {
    const { body, id, row } = started()
    expect(await send(`${hosted.url}/deaf`, body)).toMatchObject({
      status: 504,
      body: { outcome: "unknown", reason: "The handler did not end before the deadline" }
    })
    // The outcome is recorded as unknown, but the handler is still running. The next heartbeat makes the run `running` again.
    row.status = "unknown"
    await ledger.until(() => String(row.status) === "running")
    ledger.openGate(id)
    await ledger.until(() => String(row.status) === "completed")
    expect(row.response).toEqual({ done: "late" })
  })
})

describe("a request is rejected before any work", () => {
  const refused = (status: number, code: string) => ({
    status,
    body: { executed: false, error: { code, message: expect.any(String) } }
  })

  it.each([
    ["no key", {}],
    ["an empty key", { apikey: "" }],
    ["a wrong key", { apikey: `${secretKey}x` }],
    ["a wrong bearer", { authorization: "Bearer nonsense" }],
    ["the key in another scheme", { authorization: `Basic ${secretKey}` }],
    ["the publishable key", { apikey: "sb_publishable_1" }],
    ["the anon key", { apikey: "anon", authorization: "Bearer anon" }]
  ])("with 401: %s", async (_, headers) => {
    const { body, id } = started()
    expect(await send(`${hosted.url}/echo`, body, headers)).toMatchObject(refused(401, "WRONG_KEY"))
    expect(nonces(id)).toEqual([])
  })

  it.each([
    ["another secret key", { apikey: "sb_secret_other" }],
    ["the legacy key in both headers", { apikey: legacyKey, authorization: `Bearer ${legacyKey}` }],
    ["the legacy key as bearer", { authorization: `bearer ${legacyKey}` }],
    [
      "the anon key next to the legacy key",
      { apikey: "anon", authorization: `Bearer ${legacyKey}` }
    ]
  ])("unless its key is valid: %s", async (_, headers) => {
    expect((await send(`${hosted.url}/echo`, started().body, headers)).status).toBe(200)
  })

  it("unless its key matches the key option, which replaces the keys of the environment", async () => {
    const own = { apikey: "another-key" }
    expect((await send(`${hosted.url}/own-keys`, started().body, own)).status).toBe(200)
    expect(await send(`${hosted.url}/own-keys`, started().body)).toMatchObject(
      refused(401, "WRONG_KEY")
    )
    expect(await send(`${plain.url}/own-keys`, started().body, own)).toMatchObject(
      refused(500, "NOT_CONFIGURED")
    )
  })

  it.each([
    ["nothing", ""],
    ["half of it", '{"run_id": "'],
    ["an array", "[]"],
    ["null", "null"]
  ])("with 400: %s", async (_, text) => {
    expect(await send(`${hosted.url}/echo`, text)).toMatchObject(
      refused(400, "MALFORMED_INVOCATION")
    )
  })

  it("with 400 that names all problems together", async () => {
    const answer = await send(`${hosted.url}/echo`, {
      ...invocation(),
      run_id: "1; drop table",
      lease_token: undefined,
      attempt: 0,
      scheduled_for: "2026-11-02T01:00:00",
      deadline: "2026-13-45T99:00:00Z",
      idempotency_key: "",
      trigger: 1,
      config: []
    })
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ executed: false })
    for (const name of [
      "run_id",
      "lease_token",
      "attempt",
      "scheduled_for",
      "deadline",
      "idempotency_key",
      "trigger",
      "config"
    ]) {
      expect(JSON.stringify(answer.body)).toContain(`${name} is not`)
    }
    expect(JSON.stringify(answer.body)).not.toContain("org_id")
  })

  it("with 413 for a body that is too large", async () => {
    const body = { ...invocation(), config: { text: "x".repeat(300_000) } }
    expect(await send(`${hosted.url}/echo`, body)).toMatchObject(refused(413, "BODY_TOO_LARGE"))
  })

  it("with 405 for methods other than POST and OPTIONS", async () => {
    const response = await fetch(`${hosted.url}/echo`, { headers: { apikey: secretKey } })
    expect(response.status).toBe(405)
    expect(response.headers.get("allow")).toBe("POST, OPTIONS")
    expect(await response.json()).toMatchObject({ executed: false })
  })
})
