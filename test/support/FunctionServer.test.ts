import { afterEach, beforeEach, expect, test } from "bun:test"
import * as Behaviour from "./FunctionBehaviour.ts"
import { type FunctionServer, startFunctionServer } from "./FunctionServer.ts"

let server: FunctionServer
beforeEach(async () => {
  server = await startFunctionServer()
})
afterEach(() => server.close())

const invoke = (body: unknown = {}, init: RequestInit = {}) =>
  fetch(`${server.url}/functions/v1/integration-sync`, {
    method: "POST",
    body: JSON.stringify(body),
    redirect: "manual",
    ...init
  })

test("records every call and counts effects by idempotency key", async () => {
  const headers = { "Idempotency-Key": "by header", "x-sync-run-id": "r1" }
  await invoke({ idempotency_key: "a", config: { n: 1 } }, { headers })
  await invoke({ idempotency_key: "a" })
  await invoke("not an object", { headers })
  expect(server.calls[0]).toMatchObject({
    method: "POST",
    path: "/functions/v1/integration-sync",
    headers: { "x-sync-run-id": "r1" },
    body: { idempotency_key: "a", config: { n: 1 } }
  })
  expect(Object.fromEntries(server.effects)).toEqual({ a: 2, "by header": 1 })
})

test("reports the highest number of concurrent invocations", async () => {
  const gate = Promise.withResolvers<void>()
  server.behave(() => Behaviour.until(gate.promise))
  const answers = [1, 2, 3].map((n) => invoke({ n }))
  await server.arrived(3)
  expect(server.inFlight).toBe(3)
  gate.resolve()
  for (const answer of await Promise.all(answers))
    expect(await answer.json()).toEqual({ success: true })
  await invoke()
  expect([server.peakInFlight, server.inFlight]).toEqual([3, 0])
})

test("responds to a warm-up immediately, refuses HEAD, and counts neither", async () => {
  server.behave(() => Behaviour.hang())
  expect((await invoke({}, { method: "OPTIONS" })).status).toBe(200)
  expect((await fetch(server.url, { method: "HEAD" })).status).toBe(405)
  expect(server.calls.map(({ method }) => method)).toEqual(["OPTIONS", "HEAD"])
  expect([server.invocations.length, server.peakInFlight]).toEqual([0, 0])
})

test("chooses the response by the body", async () => {
  server.behave(({ integration_type }) =>
    integration_type === "xledger" ? Behaviour.ownError() : Behaviour.delay(1)
  )
  expect((await invoke({ integration_type: "xledger" })).status).toBe(500)
  expect((await invoke({ integration_type: "fortnox" })).status).toBe(200)
})

const answers: ReadonlyArray<
  readonly [string, Behaviour.Behaviour, number, string | RegExp, number, Record<string, string>?]
> = [
  ["status", Behaviour.status(418, { tea: true }), 418, `{"tea":true}`, 0],
  ["empty status", Behaviour.status(404), 404, "", 0],
  [
    "text",
    Behaviour.status(429, "slow", { "Retry-After": "7" }),
    429,
    "slow",
    0,
    { "retry-after": "7" }
  ],
  ["html", Behaviour.html(), 502, /^<html>/, 0, { "content-type": "text/html" }],
  ["redirect", Behaviour.redirect("http://other/"), 307, "", 0, { location: "http://other/" }],
  ["invalid JSON", Behaviour.invalidJson(), 200, `{"success": tr`, 1],
  ["success: false", Behaviour.unsuccessful("no"), 200, `{"success":false,"error":"no"}`, 0],
  ["own error", Behaviour.ownError("no"), 500, `{"success":false,"error":"no"}`, 0],
  ["accepted", Behaviour.accepted(), 202, `{"accepted":true}`, 1],
  ["not executed", Behaviour.notExecuted(), 409, `{"executed":false}`, 0],
  [
    "boot error",
    Behaviour.platformError("BOOT_ERROR"),
    503,
    /BOOT/,
    0,
    { "sb-error-code": "BOOT_ERROR" }
  ],
  [
    "worker limit",
    Behaviour.platformError("WORKER_LIMIT"),
    546,
    /WORKER/,
    1,
    { "sb-error-code": "WORKER_LIMIT" }
  ],
  ["executed all the same", Behaviour.withEffect(Behaviour.html(504)), 504, /^<html>/, 1]
]

test.each(answers)(
  "responds as configured: %s",
  async (_, behaviour, status, body, effects, headers = {}) => {
    server.behave(() => behaviour)
    const answer = await invoke({ idempotency_key: "k" })
    expect(answer.status).toBe(status)
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers)
    expect(answer.headers.get("date")).not.toBeNull()
    const text = await answer.text()
    if (typeof body === "string") expect(text).toBe(body)
    else expect(text).toMatch(body)
    expect(server.effects.get("k") ?? 0).toBe(effects)
  }
)

test("sends the configured number of megabytes as valid JSON", async () => {
  server.behave(() => Behaviour.megabytes(3))
  const body = await (await invoke()).text()
  expect(body.length).toBeGreaterThan(3 * 1024 * 1024)
  expect(JSON.parse(body).success).toBe(true)
})

test("sends one byte at a time until the caller disconnects", async () => {
  server.behave(() => Behaviour.drip(1))
  const answer = await invoke()
  const reader = answer.body?.getReader()
  for (let i = 0; i < 3; i++) expect((await reader?.read())?.done).toBe(false)
  await reader?.cancel()
})

test("sends nothing until the caller disconnects", async () => {
  server.behave(() => Behaviour.hang())
  const impatient = new AbortController()
  const answer = invoke({ idempotency_key: "k" }, { signal: impatient.signal })
  await server.arrived(1)
  impatient.abort()
  await expect(answer.then(() => "answered")).rejects.toThrow()
  while (server.inFlight > 0) await Bun.sleep(1)
  expect(server.effects.get("k")).toBe(1)
})

test("cuts the connection before or during the response", async () => {
  server.behave(({ midway }) => (midway ? Behaviour.resetHalfway() : Behaviour.reset()))
  await expect(invoke().then(() => "answered")).rejects.toThrow(/closed/)
  const half = await invoke({ midway: true })
  expect(half.status).toBe(200)
  await expect(half.text().then(() => "all of it")).rejects.toThrow(/closed/)
})

test("runs as a separate process and reports its calls", async () => {
  const path = Bun.fileURLToPath(import.meta.resolve("./FunctionServer.ts"))
  const child = Bun.spawn([process.execPath, path, "--port", "0", "--delay", "1"], {
    stdout: "pipe"
  })
  try {
    const first = await child.stdout.getReader().read()
    const { url } = JSON.parse(new TextDecoder().decode(first.value))
    const body = JSON.stringify({ idempotency_key: "k" })
    expect((await fetch(`${url}/x`, { method: "POST", body })).status).toBe(200)
    expect(await (await fetch(`${url}/__calls`)).json()).toMatchObject({
      calls: [{ method: "POST", path: "/x", body: { idempotency_key: "k" } }],
      peakInFlight: 1,
      effects: { k: 1 }
    })
  } finally {
    child.kill()
    await child.exited
  }
})
