import { afterAll, beforeAll, describe, expect, it } from "bun:test"
import { join } from "node:path"
import { Effect, Fiber, Redacted } from "effect"
import type { Invocation } from "../../src/Domain/Run.ts"
import { isTraced } from "../../src/Domain/Tracing.ts"
import { type InvokerOptions, urlOf } from "../../src/Layers/InvokerLive.ts"
import { Invoker, type WarmUp } from "../../src/Services/Invoker.ts"
import { freePort } from "../support/freePort.ts"
import {
  type Call,
  invocation,
  invokeAll,
  invokerFor,
  secretKey,
  type Verdicts
} from "../support/invokeAll.ts"
import {
  type Behaviour,
  headerOf,
  http,
  jsonOf,
  type RawServer,
  serveRaw,
  wrongCertificate
} from "../support/RawServer.ts"

const servers: Array<RawServer> = []
const serve = async (...args: Parameters<typeof serveRaw>): Promise<RawServer> => {
  const server = await serveRaw(...args)
  servers.push(server)
  return server
}
afterAll(() => {
  for (const server of servers) server.stop()
})

const says =
  (...response: Parameters<typeof http>): Behaviour =>
  (socket) =>
    socket.end(http(...response))

const json = { "content-type": "application/json" }
const html = { "content-type": "text/html" }
const beginning = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"

const endless: Behaviour = (socket) => {
  socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
  const more = () => {
    while (!socket.destroyed && socket.write("x".repeat(65_536)));
  }
  socket.on("drain", more)
  more()
}

const drip: Behaviour = (socket) => {
  socket.write(beginning)
  const timer = setInterval(() => socket.write("x"), 20)
  socket.on("close", () => clearInterval(timer))
}

const scenarios: ReadonlyArray<{
  readonly name: string
  readonly behaviour: Behaviour
  readonly verdict: string
  readonly timeoutMs?: number
}> = [
  { name: "success", behaviour: says("200 OK", '{"rows":3}', json), verdict: "Completed" },
  {
    name: "nothing to tell",
    behaviour: (s) => s.end("HTTP/1.1 204 No Content\r\n\r\n"),
    verdict: "Completed"
  },
  { name: "accepted", behaviour: says("202 Accepted", "{}", json), verdict: "Accepted" },
  {
    name: "success: false",
    behaviour: says("200 OK", '{"success":false,"error":"no"}', json),
    verdict: "Failed FUNCTION_FAILED"
  },
  {
    name: "its own 500",
    behaviour: says("500 Oops", '{"error":{"code":"LEDGER","message":"no"}}', json),
    verdict: "Failed LEDGER"
  },
  {
    name: "invalid JSON",
    behaviour: says("200 OK", '{"rows":', json),
    verdict: "Unknown UNREADABLE_ANSWER"
  },
  {
    name: "HTML",
    behaviour: says("200 OK", "<!doctype html><p>Hello", html),
    verdict: "Unknown UNREADABLE_ANSWER"
  },
  { name: "more than is read", behaviour: endless, verdict: "Unknown UNREADABLE_ANSWER" },
  {
    name: "function missing",
    behaviour: says("404 Not Found", '{"code":"NOT_FOUND"}', { "sb-error-code": "NOT_FOUND" }),
    verdict: "Failed FUNCTION_NOT_FOUND"
  },
  {
    name: "worker stopped",
    behaviour: says("546 Limit", "{}", { "sb-error-code": "WORKER_LIMIT" }),
    verdict: "Unknown WORKER_LIMIT"
  },
  {
    name: "not granted",
    behaviour: says("409 Conflict", '{"executed":false,"reason":"finished"}', json),
    verdict: "NotExecuted FUNCTION_REFUSED"
  },
  {
    name: "throttled",
    behaviour: says("429 Slow", "", { "retry-after": "7" }),
    verdict: "NotExecuted HTTP_429"
  },
  {
    name: "gateway HTML",
    behaviour: says("502 Bad Gateway", "<html>", html),
    verdict: "Unknown HTTP_502"
  },
  { name: "silence", behaviour: () => undefined, verdict: "Unknown TIMED_OUT", timeoutMs: 300 },
  { name: "drip", behaviour: drip, verdict: "Unknown TIMED_OUT", timeoutMs: 300 },
  {
    name: "reset before the answer",
    behaviour: (s) => s.resetAndDestroy(),
    verdict: "Unknown CONNECTION_LOST"
  },
  {
    name: "closed before the answer",
    behaviour: (s) => s.end(),
    verdict: "Unknown CONNECTION_LOST"
  },
  {
    name: "reset in mid body",
    behaviour: (s) => s.write(`${beginning}{"a`, () => s.resetAndDestroy()),
    verdict: "Unknown CONNECTION_LOST"
  },
  {
    name: "closed in mid body",
    behaviour: (s) => s.end(`${beginning}{"a`),
    verdict: "Unknown CONNECTION_LOST"
  },
  { name: "not HTTP", behaviour: (s) => s.end("hello\r\n\r\n"), verdict: "Unknown CONNECTION_LOST" }
]

const deno = async (calls: ReadonlyArray<Call>): Promise<Verdicts> => {
  const root = join(import.meta.dir, "../..")
  const flags = [
    "--no-remote",
    "--no-prompt",
    "--no-check",
    "--node-modules-dir=manual",
    "--allow-net",
    "--allow-env"
  ]
  const child = Bun.spawn(
    [
      join(root, "node_modules/.bin/deno"),
      "run",
      ...flags,
      join(root, "test/support/invokeAll.ts")
    ],
    { cwd: root, stdin: new Blob([JSON.stringify(calls)]), stderr: "pipe" }
  )
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  if ((await child.exited) !== 0) throw new Error(`deno: ${err}`)
  return JSON.parse(out)
}

describe.each([
  ["Bun", invokeAll],
  ["Deno", deno]
] as const)("an invocation in %s", (_runtime, run) => {
  const serverByName = new Map<string, RawServer>()
  let verdicts: Verdicts = {}
  let target: RawServer
  let answeredOnce: RawServer
  let selfSigned: RawServer

  beforeAll(async () => {
    const calls: Array<Call> = []
    for (const { name, behaviour, timeoutMs = 20_000 } of scenarios) {
      const server = await serve(behaviour)
      serverByName.set(name, server)
      calls.push({ name, functionUrl: `${server.url}/functions/v1/integration-sync`, timeoutMs })
    }
    target = await serve(says("200 OK", "{}", json))
    const redirecting = await serve(says("307 Temporary Redirect", "", { location: target.url }))
    serverByName.set("redirect", redirecting)
    answeredOnce = await serve((socket, n) =>
      n === 1 ? socket.write(http("200 OK", "{}", json)) : socket.end()
    )
    selfSigned = await serve(says("200 OK", "{}"), wrongCertificate)
    const plain = await serve((socket) => socket.end())
    const more = {
      redirect: redirecting.url,
      "refused connection": `http://127.0.0.1:${await freePort()}`,
      "name that does not resolve": "http://nothing.invalid/functions/v1/a",
      "certificate of another": selfSigned.url,
      "TLS to a plain port": plain.url.replace("http:", "https:"),
      "not a URL": "integration-sync"
    }
    for (const [name, functionUrl] of Object.entries(more))
      calls.push({ name, functionUrl, timeoutMs: 20_000 })
    calls.push({
      name: "kept connection that breaks",
      functionUrl: answeredOnce.url,
      timeoutMs: 20_000,
      times: 2
    })
    verdicts = await run(calls)
  }, 60_000)

  it.each(scenarios)(
    "$name: the outcome is $verdict, and one request is sent",
    ({ name, verdict }) => {
      expect(verdicts[name]).toBe(verdict)
      expect(serverByName.get(name)?.requests).toHaveLength(1)
    }
  )

  it("does not follow a redirect, so the target sees no key", () => {
    expect(verdicts.redirect).toBe("Failed REDIRECT_REFUSED")
    expect(serverByName.get("redirect")?.requests).toHaveLength(1)
    expect(target.requests).toEqual([])
  })

  it.each([
    "refused connection",
    "name that does not resolve",
    "certificate of another",
    "TLS to a plain port",
    "not a URL"
  ])("%s: the outcome is proven not executed", (name) => {
    expect(verdicts[name]).toBe("NotExecuted CONNECTION_FAILED")
  })

  it("sends nothing to a server with another server's certificate", () => {
    expect(selfSigned.requests).toEqual([])
  })

  it("never repeats a request, even if a kept connection breaks", () => {
    expect(verdicts["kept connection that breaks"]).toBe("Completed, Unknown CONNECTION_LOST")
    expect(answeredOnce.requests).toHaveLength(2)
  })

  it.each(["more than is read", "silence", "drip"])("closes the connection: %s", async (name) => {
    await serverByName.get(name)?.closed
  })
})

const invoke = (
  functionUrl: string,
  what: Invocation = invocation(),
  options: Partial<InvokerOptions> = {}
) =>
  Effect.flatMap(Invoker, (invoker) => invoker.invoke(what)).pipe(
    Effect.provide(invokerFor(functionUrl, options))
  )

const received = async (
  what: Invocation = invocation(),
  options: Partial<InvokerOptions> = {}
): Promise<string> => {
  const server = await serve(says("200 OK", "{}", json))
  await Effect.runPromise(invoke(`${server.url}/functions/v1/integration-sync`, what, options))
  expect(server.requests).toHaveLength(1)
  return server.requests[0] ?? ""
}

describe("the function receives", () => {
  it("the JSON and headers of the contract", async () => {
    const request = await received()
    expect(request).toStartWith("POST /functions/v1/integration-sync HTTP/1.1\r\n")
    const { run } = invocation()
    expect(jsonOf(request)).toEqual({
      run_id: run.run_id,
      org_id: run.org_id,
      integration_id: run.integration_id,
      integration_type: "xledger",
      scheduled_for: "2026-11-24T02:00:00.000Z",
      attempt: 2,
      idempotency_key: run.idempotency_key,
      trigger: "schedule",
      lease_token: run.lease_token,
      deadline: "2026-11-24T02:02:35.000Z",
      config: { company: 7 }
    })
    expect(headerOf(request, "content-type")).toBe("application/json")
    expect(headerOf(request, "idempotency-key")).toBe(run.idempotency_key)
    expect(headerOf(request, "x-sync-run-id")).toBe(run.run_id)
    expect(headerOf(request, "user-agent")).toBe("sync-scheduler/1.2.3")
    expect(headerOf(request, "accept-encoding")).toBe("identity")
  })

  it.each([
    ["a secret key only as apikey", secretKey, undefined],
    [
      "a JWT as apikey and as Bearer",
      "eyJhbGciOi.eyJyb2xlIjoi.c2ln",
      "Bearer eyJhbGciOi.eyJyb2xlIjoi.c2ln"
    ],
    ["any other key only as apikey", "something-else", undefined]
  ])("%s", async (_, key, authorization) => {
    const request = await received(invocation(), { key: Redacted.make(key) })
    expect(headerOf(request, "apikey")).toBe(key)
    expect(headerOf(request, "authorization")).toBe(authorization)
  })

  it("the request if the integration names it and it is listed", async () => {
    const what = { ...invocation(), functionName: "xledger_sync-2" }
    const request = await received(what, { allowed: ["xledger_sync-2"] })
    expect(request).toStartWith("POST /functions/v1/xledger_sync-2 HTTP/1.1\r\n")
  })

  it.each([
    ["xledger_sync-2", "SYNC_SCHEDULER_FUNCTIONS=integration-sync,bank-sync,xledger_sync-2"],
    ["sync-scheduler", "is the scheduler itself"],
    ["../../auth/v1/admin/users", "is not a valid function name"],
    ["", "is not a valid function name"]
  ])(
    "nothing under the unlisted function_name %p, and the run fails definitely",
    async (functionName, said) => {
      const server = await serve(says("200 OK", "{}", json))
      const url = `${server.url}/functions/v1/integration-sync`
      const options = { allowed: ["bank-sync", "sync-scheduler"] }
      const outcome = await Effect.runPromise(
        invoke(url, { ...invocation(), functionName }, options)
      )
      expect(outcome).toMatchObject({
        _tag: "Failed",
        httpStatus: null,
        code: "FUNCTION_NOT_ALLOWED",
        message: expect.stringContaining(said)
      })
      expect(server.requests).toEqual([])
    }
  )

  it("the trace of the caller", async () => {
    const server = await serve(says("200 OK", "{}", json))
    const traceId = await Effect.runPromise(
      Effect.zipRight(
        invoke(server.url),
        Effect.map(Effect.currentSpan, (span) => span.traceId)
      ).pipe(Effect.withSpan("run"), Effect.locally(isTraced, true))
    )
    expect(headerOf(server.requests[0] ?? "", "traceparent")).toMatch(
      new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`)
    )
  })

  it("a separate valid trace for each invocation if the caller has none", async () => {
    const server = await serve(says("200 OK", "{}", json))
    const both = Effect.zipRight(invoke(server.url), invoke(server.url))
    await Effect.runPromise(Effect.withSpan(both, "tick"))
    await Effect.runPromise(Effect.withTracerEnabled(invoke(server.url), false))
    const parents = server.requests.map((request) => headerOf(request, "traceparent") ?? "")
    for (const parent of parents) expect(parent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(new Set(parents.map((parent) => parent.slice(3, 35))).size).toBe(3)
  })

  it("no key that is not a valid header", async () => {
    const key = Redacted.make("sb_secret_a\nb")
    const error = await Effect.runPromise(
      Effect.flip(invoke("http://127.0.0.1:9", invocation(), { key }))
    )
    expect(error.reason).toBe("NotSent")
    expect(error.message).not.toContain("secret")
  })
})

describe("the function's URL", () => {
  const base = "https://ref.supabase.co/functions/v1/integration-sync"
  it.each([
    [base, null, base],
    [base, "xledger", "https://ref.supabase.co/functions/v1/xledger"],
    [`${base}/`, "xledger", "https://ref.supabase.co/functions/v1/xledger"],
    ["http://127.0.0.1:54321", "xledger", "http://127.0.0.1:54321/xledger"]
  ])("%s with the name %s is %s", (functionUrl, name, expected) => {
    expect(Effect.runSync(urlOf(functionUrl, name)).href).toBe(expected)
  })

  it.each([
    [base, "../../rest/v1/x"],
    [base, "a?b"],
    [base, ""],
    [base, "https://elsewhere.example"],
    ["file:///etc/passwd", null],
    ["", null]
  ])("%s with the name %s is refused", (functionUrl, name) => {
    expect(Effect.runSync(Effect.flip(urlOf(functionUrl, name))).reason).toBe("NotSent")
  })
})

it("an interrupted invocation closes its connection", async () => {
  const server = await serve(() => undefined)
  const fiber = Effect.runFork(invoke(server.url))
  await server.firstRequest
  await Effect.runPromise(Fiber.interrupt(fiber))
  await server.closed
})

describe("a warm-up request", () => {
  const warmUp = (functionUrl: string): Promise<WarmUp> =>
    Effect.flatMap(Invoker, (invoker) => invoker.warmUp(null)).pipe(
      Effect.provide(invokerFor(functionUrl)),
      Effect.runPromise
    )

  it.each([
    ["cold", says("200 OK", "{}", { "x-sync-cold": "1" }), { ok: true, cold: true, detail: null }],
    ["warm", says("200 OK", "{}", { "x-sync-cold": "0" }), { ok: true, cold: false, detail: null }],
    ["without the fence", says("405 No"), { ok: true, cold: null, detail: "HTTP 405" }],
    [
      "that does not boot",
      says("503 No", "", { "sb-error-code": "BOOT_ERROR" }),
      { ok: false, cold: null, detail: "HTTP 503 BOOT_ERROR" }
    ]
  ] as const)("to a function %s", async (_, behaviour, expected) => {
    const server = await serve(behaviour)
    const result = await warmUp(server.url)
    expect(result).toMatchObject(expected)
    expect(result.latencyMs).toBeGreaterThan(0)
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]).toStartWith("OPTIONS / HTTP/1.1\r\n")
  })

  it("to an unreachable function does not fail", async () => {
    const host = `127.0.0.1:${await freePort()}`
    const result = await warmUp(`http://${host}`)
    expect(result).toMatchObject({ ok: false, cold: null })
    expect(result.detail).toBe(`the connection to ${host} was refused (OPTIONS http://${host}/)`)
  })
})
