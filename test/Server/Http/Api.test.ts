import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import Ajv from "ajv/dist/2020.js"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import * as PostgresLive from "../../../src/Layers/PostgresLive.ts"
import { Supabase } from "../../../src/Services/Supabase.ts"
import { status } from "../../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../../support/Project.ts"
import {
  type Ask,
  codeOf,
  form,
  json,
  makeTestSite,
  OWN_PAGE,
  type SiteOptions,
  signIn
} from "../../support/TestSite.ts"
import { uuid } from "../../support/World.ts"

setDefaultTimeout(60_000)
const NOBODY = uuid(404)
const SECRET = "a-secret-of-the-function"

let project: Project
let integration: string
let failing: string
let run: string
const serve = (options: SiteOptions = {}): Promise<Ask> =>
  makeTestSite(PostgresLive.layer({ url: Redacted.make(project.database.url) }), options)

/** One of the integrations fails with a response that must stay private. */
beforeAll(async () => {
  project = await startProject()
  const [first] = await project.seedDue(1, { org_name: "'<script>alert(1)</script>'" })
  const [second] = await project.seedDue(1, {
    config: `'{"token": "${SECRET}"}'`,
    org_name: "'Globex'"
  })
  integration = first ?? ""
  failing = second ?? ""
  project.functions.behave((body) =>
    body.integration_id === failing
      ? status(422, { error: { code: "BAD_ROW", message: "no such account" }, dump: SECRET })
      : status(200, { success: true, dump: SECRET })
  )
  await project.tick("direct")
  const [row] = await project.sql`select id from sync_run_log where integration_id = ${failing}`
  run = row.id
}, 60_000)
afterAll(() => project.close(), 60_000)

describe("the OpenAPI document", () => {
  interface Operation {
    readonly responses: Readonly<
      Record<string, { content?: { "application/json"?: { schema: object } } }>
    >
  }
  type Document = {
    readonly openapi: string
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
    readonly components: { readonly schemas: object; readonly securitySchemes: object }
  }
  let document: Document
  let ask: Ask
  beforeAll(async () => {
    ask = await serve({ token: true, actions: true })
    const answer = await ask("/api/openapi.json")
    expect(answer.status).toBe(200)
    document = await answer.json()
  })

  /** Compares a response with the API document. */
  const faults = async (path: string, method: string, answer: Response): Promise<string> => {
    const schema =
      document.paths[path]?.[method]?.responses[String(answer.status)]?.content?.[
        "application/json"
      ]?.schema
    if (schema === undefined) return `${method} ${path} is not said to answer ${answer.status}`
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
    const isValid = ajv.compile({ ...schema, components: document.components })(await answer.json())
    return isValid ? "" : ajv.errorsText()
  }

  test("is complete: every reference resolves, and no schema has a library's own format", () => {
    const text = JSON.stringify(document)
    expect(document.openapi).toBe("3.1.0")
    expect(text).not.toContain("HttpApiDecodeError")
    expect(text).not.toContain("$id")
    const names = Object.keys(document.components.schemas)
    for (const [, name] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(names).toContain(name ?? "")
    }
    expect(Object.keys(document.components.securitySchemes)).toEqual(["adminToken"])
  })

  test("lists only existing addresses, and every response matches it", async () => {
    const act = json({ reason: "a test" })
    const cases: ReadonlyArray<readonly [string, string, string, number, RequestInit?]> = [
      ["get", "/api/status", "/api/status", 200],
      ["get", "/api/status", "/api/status?search=glob&type=xledger", 200],
      ["get", "/api/status", "/api/status?org=x", 400],
      ["get", "/api/explain", `/api/explain?integration=${failing}`, 200],
      ["get", "/api/explain", "/api/explain?on=2026-11-01", 200],
      ["get", "/api/explain", "/api/explain?on=yesterday", 400],
      ["get", "/api/schedules", "/api/schedules?type=xledger", 200],
      ["get", "/api/schedules/{id}", `/api/schedules/${integration}`, 200],
      ["get", "/api/schedules/{id}", `/api/schedules/${NOBODY}`, 404],
      ["get", "/api/runs", "/api/runs", 200],
      ["get", "/api/runs", `/api/runs?status=failed,unknown&integration=${failing}&limit=1`, 200],
      ["get", "/api/runs", "/api/runs?since=2026-01-01T00:00:00Z&late_ms=1000", 200],
      ["get", "/api/runs", "/api/runs?status=broken", 400],
      ["get", "/api/runs", "/api/runs?limit=1001", 400],
      ["get", "/api/runs", "/api/runs?since=yesterday", 400],
      ["get", "/api/runs/{id}", `/api/runs/${run}`, 200],
      ["get", "/api/runs/{id}", `/api/runs/${NOBODY}`, 404],
      ["get", "/api/runs/{id}", "/api/runs/1", 400],
      ["get", "/api/activity", `/api/activity?integration=${integration},${failing}`, 200],
      ["get", "/api/activity", "/api/activity", 400],
      ["get", "/api/figures", `/api/figures?integration=${integration}&days=7`, 200],
      ["get", "/api/figures", "/api/figures?days=0", 400],
      ["post", "/api/runs/{id}/release", `/api/runs/${run}/release`, 409, act],
      ["post", "/api/runs/{id}/release", `/api/runs/${NOBODY}/release`, 404, act],
      ["post", "/api/runs/{id}/retry", `/api/runs/${run}/retry`, 200, act],
      ["post", "/api/runs/{id}/retry", `/api/runs/${run}/retry`, 409, act],
      ["post", "/api/runs/{id}/retry", `/api/runs/${NOBODY}/retry`, 404, act],
      ["post", "/api/runs/{id}/retry", `/api/runs/${run}/retry`, 403, json({ reason: "x" }, {})],
      ["post", "/api/runs/{id}/retry", `/api/runs/${run}/retry`, 400, json("{")],
      ["post", "/api/runs/{id}/retry", `/api/runs/${run}/retry`, 400, json({ reason: " " })],
      ["post", "/api/integrations/{id}/pause", `/api/integrations/${integration}/pause`, 200, act],
      [
        "post",
        "/api/integrations/{id}/trigger",
        `/api/integrations/${integration}/trigger`,
        409,
        act
      ],
      [
        "post",
        "/api/integrations/{id}/resume",
        `/api/integrations/${integration}/resume`,
        200,
        act
      ],
      [
        "post",
        "/api/integrations/{id}/trigger",
        `/api/integrations/${integration}/trigger`,
        200,
        act
      ]
    ]
    for (const [method, path, address, expected, init] of cases) {
      const answer = await ask(address, init)
      expect(`${method} ${address} ${answer.status}`).toBe(`${method} ${address} ${expected}`)
      expect(await faults(path, method, answer)).toBe("")
    }
    const seen = new Set(cases.map(([method, path]) => `${method} ${path}`))
    const said = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`)
    )
    expect(said.toSorted()).toEqual([...seen].toSorted())
  })

  test("a browser gets an error as a page that escapes the request", async () => {
    const answer = await ask("/api/runs/<script>alert(1)", { headers: { accept: "text/html" } })
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      400,
      "text/html; charset=utf-8"
    ])
    expect(await answer.text()).not.toContain("<script>alert")
  })

  test("HEAD returns the headers of GET without a body", async () => {
    const head = await ask("/api/status", { method: "HEAD" })
    expect([head.status, await head.text()]).toEqual([200, ""])
    expect((await ask("/api/nowhere", { method: "HEAD" })).status).toBe(404)
  })

  test("a database failure is 503, with the text of a tick's error", async () => {
    const nowhere = PostgresLive.layer({
      url: Redacted.make("postgresql://postgres:password@127.0.0.1:9/postgres")
    })
    const broken = await makeTestSite(nowhere)
    const answer = await broken("/api/runs")
    expect(answer.status).toBe(503)
    expect(await faults("/api/runs", "get", answer.clone())).toBe("")
    expect(await codeOf(answer)).toBe("SUPABASE_UNREACHABLE")
    const page = await broken("/", { headers: { accept: "text/html" } })
    expect(page.status).toBe(503)
    const html = await page.text()
    expect(html).toContain(
      "The database does not answer, and no earlier data for this page is available"
    )
    expect(html).not.toContain("password")
  }, 60_000)
})

describe("the pages", () => {
  test("show the overview and a run, and respond with 404 otherwise", async () => {
    const ask = await serve()
    const front = await ask("/?q=glob&state=nonsense")
    expect(front.status).toBe(200)
    expect(front.headers.get("content-type")).toBe("text/html; charset=utf-8")
    expect(await front.text()).toContain("Globex")
    expect(await (await ask(`/run/${run}`)).text()).toContain("no such account")
    for (const path of [`/run/${NOBODY}`, "/run/1", "/run/", `/run/${run}/x`, "/x", "/assets/x"]) {
      expect(`${path} ${(await ask(path)).status}`).toBe(`${path} 404`)
    }
    const asset = /href="(\/assets\/page\.[^"]+)"/.exec(await (await ask("/")).text())?.[1] ?? ""
    const css = await ask(asset)
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8")
    expect(css.headers.get("cache-control")).toContain("immutable")
  })

  test("escape names, and contain no secret, configuration or payload", async () => {
    const ask = await serve()
    for (const path of ["/", `/run/${run}`, "/api/status", "/api/runs", `/api/runs/${run}`]) {
      const text = await (await ask(path)).text()
      expect(text).not.toContain(SECRET)
      if (!path.startsWith("/api")) expect(text).not.toContain("<script>alert")
    }
  })
})

describe("actions over HTTP", () => {
  const pause = () => `/api/integrations/${integration}/pause`
  const because = { reason: "maintenance at the bank" }
  const events = () =>
    project.sql`select kind, actor, reason from sync_run_event where integration_id = ${integration} order by id`
  const isEnabled = async () => {
    const [row] =
      await project.sql`select enabled from organization_integrations where id = ${integration}`
    return row.enabled
  }

  test.each([
    ["without the flag and the token", {}, "ACTIONS_OFF"],
    ["without the flag", { token: true }, "ACTIONS_OFF"],
    ["without a token to have", { actions: true }, "ACTIONS_OFF"],
    ["without showing it", { actions: true, token: true }, "TOKEN_REQUIRED"]
  ] as const)("are refused %s", async (_, options, code) => {
    const ask = await serve(options)
    const before = (await events()).length
    for (const verb of ["trigger", "pause", "resume"]) {
      const answer = await ask(`/api/integrations/${integration}/${verb}`, json(because, {}))
      expect(answer.status).toBe(403)
      expect(await codeOf(answer)).toBe(code)
    }
    for (const verb of ["retry", "release"]) {
      expect((await ask(`/api/runs/${run}/${verb}`, json(because, {}))).status).toBe(403)
      expect((await ask(`/api/runs/${run}/${verb}`, form(because))).status).toBe(403)
    }
    expect(await codeOf(await ask("/api/nowhere", json(because, {})))).toBe(code)
    const wrong = await ask(pause(), json(because, { authorization: "Bearer 0123456789abcdef" }))
    expect(wrong.status).toBe(401)
    expect((await events()).length).toBe(before)
    expect(await isEnabled()).toBe(true)
  })

  test("of a program with the token are performed, and recorded with actor and reason", async () => {
    const ask = await serve({ actions: true, token: true })
    const answer = await ask(pause(), json({ ...because, actor: "nightly-job" }))
    expect(await answer.json()).toMatchObject({
      done: true,
      action: "pause",
      integration_id: integration,
      undo: expect.stringContaining("resume")
    })
    expect(await isEnabled()).toBe(false)
    await ask(`/api/integrations/${integration}/resume`, json({ reason: "done" }))
    expect((await events()).slice(-2)).toMatchObject([
      { kind: "paused", actor: "nightly-job (api)", reason: because.reason },
      { kind: "resumed", actor: "admin token (api)", reason: "done" }
    ])
  })

  test("of a signed-in user require the user's own form, and lead back to the page", async () => {
    const ask = await serve({ actions: true, token: true })
    const cookie = await signIn(ask, "Kari Nordmann")
    const page = await (await ask(`/run/${run}`, { headers: { cookie } })).text()
    expect(page).toContain("Sign out")
    const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? ""
    const own = { ...OWN_PAGE, cookie }
    const fields = { ...because, csrf, next: "/?state=paused" }
    const done = await ask(pause(), form(fields, own))
    expect([done.status, done.headers.get("location")]).toEqual([303, "/?state=paused"])
    expect((await events()).at(-1)).toMatchObject({ kind: "paused", actor: "Kari Nordmann (page)" })

    const html = { ...own, accept: "text/html" }
    const again = await ask(pause(), form(fields, html))
    expect(again.status).toBe(409)
    expect(await again.text()).toContain("Nothing was changed: the integration is already paused")
    const resume = `/api/integrations/${integration}/resume`
    for (const [refused, status] of [
      [form({ ...because, next: "/" }, own), 403],
      [form({ ...fields, csrf: `${csrf}a` }, own), 403],
      [form({ ...fields, csrf: (await signIn(ask)).slice(-43) }, own), 403],
      [form(fields, { ...own, "sec-fetch-site": "cross-site" }), 403],
      [form(fields, { ...own, "sec-fetch-site": "same-site" }), 403],
      [form(fields, { cookie }), 403],
      [form(fields, { cookie, origin: "https://evil.example" }), 403],
      [form(fields, { cookie, origin: "null" }), 403],
      [form({ ...fields, reason: " " }, own), 400],
      [form({ ...fields, reason: "x".repeat(501) }, own), 400],
      [json(because, own), 403],
      [form(fields, { ...OWN_PAGE }), 403]
    ] as const) {
      const answer = await ask(resume, refused)
      expect([answer.status, await isEnabled()]).toEqual([status, false])
    }
    // A browser can send Origin in place of Sec-Fetch-Site. Our own script sends a CSRF header.
    expect((await ask(resume, form(fields, { cookie, origin: OWN_PAGE.origin }))).status).toBe(303)
    expect((await ask(pause(), json(because, { ...own, "x-csrf-token": csrf }))).status).toBe(200)
    expect((await ask(resume, json(because))).status).toBe(200)
  })

  test.each([
    "/api/integrations/retry",
    "/api/runs/%2e%2e/retry",
    `/api/integrations/${NOBODY}'; drop table sync_run_log; --/pause`,
    `/api/runs/${NOBODY}/pause`,
    `/api/integrations/${NOBODY}/retry`,
    `/api/integrations/${NOBODY}/delete`,
    `/api//integrations/${NOBODY}/pause`,
    "/"
  ])("are refused at %s", async (path) => {
    const ask = await serve({ actions: true, token: true })
    expect([404, 400]).toContain((await ask(path, json(because))).status)
    const cookie = await signIn(ask)
    expect((await ask(path, form(because, { ...OWN_PAGE, cookie }))).status).toBe(404)
  })
})

test("a retry of all failed runs of a cause ends in time, and a second one retries the rest", async () => {
  await project.seedDue(14, { integration_type: "'slow'" })
  project.functions.behave(() => status(422, { error: { code: "BAD_ROW", message: "no" } }))
  await project.tick("direct")
  let passedMs = 0
  const live = Clock.make()
  const nowMs = () => live.unsafeCurrentTimeMillis() + passedMs
  const nowNanos = () => live.unsafeCurrentTimeNanos() + BigInt(passedMs) * 1_000_000n
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: nowMs,
    currentTimeMillis: Effect.sync(nowMs),
    unsafeCurrentTimeNanos: nowNanos,
    currentTimeNanos: Effect.sync(nowNanos),
    sleep: (duration) => live.sleep(duration)
  }
  const database = PostgresLive.layer({ url: Redacted.make(project.database.url) })
  const slow = Layer.map(database, (context) => {
    const { call } = Context.get(context, Supabase)
    return Context.make(Supabase, {
      call: (rpc, args) => {
        // Four retries at a time take four seconds.
        if (rpc.name === "retry_sync_run") passedMs += 1_000
        return call(rpc, args)
      }
    })
  })
  const ask = await makeTestSite(Layer.merge(slow, Layer.setClock(clock)), {
    actions: true,
    token: true
  })
  const cookie = await signIn(ask)
  const page = await (await ask("/", { headers: { cookie } })).text()
  const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? ""
  const retryAll = async () => {
    const fields = { cause: "failing/slow/BAD_ROW", reason: "try again", csrf }
    const answer = await ask("/retry-cause", form(fields, { ...OWN_PAGE, cookie }))
    return answer.headers.get("location")
  }
  expect(await retryAll()).toBe("/?did=retried-10-of-14")
  expect(await retryAll()).toBe("/?did=retried-4-of-4")
  const [{ retried }] = await project.sql`
    select count(*)::int as retried from sync_run_event where kind = 'retried' and reason = 'try again'`
  expect(retried).toBe(14)
})
