import { beforeAll, describe, expect, test } from "bun:test"
import { Effect, Redacted } from "effect"
import { SupabaseError } from "../../../src/Domain/Errors.ts"
import { makeAccess } from "../../../src/Server/Http/Access.ts"
import {
  type Ask,
  codeOf,
  form,
  makeTestSite,
  OWN_PAGE,
  type SiteOptions,
  signIn,
  ADMIN_TOKEN as TOKEN
} from "../../support/TestSite.ts"
import { makeWorld, type World } from "../../support/World.ts"

interface Served {
  readonly world: World
  readonly ask: Ask
}

const serve = async (options: SiteOptions = {}): Promise<Served> => {
  const world = await Effect.runPromise(makeWorld)
  return { world, ask: await makeTestSite(world.engine(), options) }
}

test("serve does not start on a network address without a token", () => {
  for (const listen of [
    "0.0.0.0:8787",
    "[::]:8787",
    "10.0.0.4:80",
    "example.com:80",
    "1270.0.0.1:1"
  ]) {
    const settings = {
      listen,
      adminToken: null,
      allowActions: "false",
      allowedHosts: null
    } as const
    expect(makeAccess(settings)).toBeNull()
    expect(makeAccess({ ...settings, adminToken: Redacted.make(TOKEN) })?.isPublic).toBe(true)
  }
  for (const listen of ["127.0.0.1:1", "127.9.9.9:1", "localhost:0", "[::1]:8787"]) {
    const access = makeAccess({
      listen,
      adminToken: null,
      allowActions: "false",
      allowedHosts: null
    })
    expect(access?.isPublic).toBe(false)
  }
})

describe("every response", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve()
  })

  test.each(["/livez", "/readyz", "/metrics", "/nowhere", "/api/nowhere"])(
    "to %s has the security headers",
    async (path) => {
      const { headers } = await served.ask(path)
      expect(headers.get("content-security-policy")).toContain("default-src 'none'")
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("cache-control")).toBe("no-store")
    }
  )

  test("for an error has a message, a reason and a fix, as JSON for programs and as text for people", async () => {
    const json = await served.ask("/api/nowhere")
    expect(json.status).toBe(404)
    expect(await codeOf(json)).toBe("NOT_FOUND")
    const text = await served.ask("/nowhere")
    expect(text.headers.get("content-type")).toStartWith("text/plain")
    expect(await text.text()).toMatch(/^404 .*\nFix: .*\n$/)
  })

  test.each(["PUT", "DELETE", "OPTIONS", "PATCH"])("to %s is a refusal", async (method) => {
    const answer = await served.ask("/api/status", { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get("allow")).toBe("GET, HEAD, POST")
  })

  test("to an endless address is a refusal", async () => {
    expect((await served.ask(`/?${"a".repeat(5_000)}`)).status).toBe(414)
  })

  test("to HEAD has no body; long bodies are compressed if the client accepts that", async () => {
    const head = await served.ask("/metrics", { method: "HEAD" })
    expect(await head.text()).toBe("")
    const plain = await (await served.ask("/metrics")).text()
    const zipped = await served.ask("/metrics", { headers: { "accept-encoding": "br, gzip" } })
    expect(zipped.headers.get("content-encoding")).toBe("gzip")
    const bytes = new Uint8Array(await zipped.arrayBuffer())
    expect(bytes.length).toBeLessThan(plain.length / 2)
    expect(new TextDecoder().decode(Bun.gunzipSync(bytes))).toStartWith("# HELP sync_scheduler_")
  })
})

describe("requests are accepted only under allowed host names", () => {
  test.each([
    ["localhost:8787", 200],
    ["127.0.0.1", 200],
    ["127.1.2.3:9", 200],
    ["[::1]:8787", 200],
    ["LOCALHOST", 200],
    ["sync.example.com", 200],
    ["Sync.Example.com:443", 200],
    ["evil.example.com", 421],
    ["localhost.evil.com:8787", 421],
    ["127.0.0.1.evil.com", 421],
    ["evil.com#localhost", 421],
    ["", 421]
  ])("%s gets status %i", async (host, status) => {
    const { ask } = await serve({ hosts: ["sync.example.com"] })
    const answer = await ask("/metrics", { headers: { host } })
    expect(answer.status).toBe(status)
    expect((await ask("/livez", { headers: { host } })).status).toBe(200)
  })
})

describe("a server on a network", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve({ listen: "0.0.0.0:8787", token: true })
  })
  const elsewhere = { host: "10.0.0.4:8787" }

  test("responds without the token only to probes", async () => {
    expect((await served.ask("/livez", { headers: elsewhere })).status).toBe(200)
    expect((await served.ask("/readyz?verbose", { headers: elsewhere })).status).toBe(200)
    for (const path of ["/metrics", "/api/status", "/api/openapi.json", "/api/nowhere"]) {
      const answer = await served.ask(path, {
        headers: { ...elsewhere, accept: "application/json" }
      })
      expect(answer.status).toBe(401)
      expect(answer.headers.get("www-authenticate")).toBe("Bearer")
      expect(await codeOf(answer)).toBe("TOKEN_REQUIRED")
    }
  })

  test("leads people to the sign-in and back, never to another site", async () => {
    const answer = await served.ask("/org/1?x=2", {
      headers: { ...elsewhere, accept: "text/html" }
    })
    expect(answer.status).toBe(303)
    expect(answer.headers.get("location")).toBe("/sign-in?next=%2Forg%2F1%3Fx%3D2")
    const odd = await served.ask("/org/a(b)", { headers: { ...elsewhere, accept: "text/html" } })
    expect(odd.headers.get("location")).toBe("/sign-in?next=%2Forg%2Fa(b)")
    for (const [next, location] of [
      ["/run/1?a=b", "/run/1?a=b"],
      ["//evil.com", "/"],
      ["/\\evil.com", "/"],
      ["https://evil.com", "/"],
      ["/a\r\nset-cookie: x=1", "/"]
    ] as const) {
      const led = await served.ask("/sign-in", form({ token: TOKEN, name: "Kari", next }))
      expect(led.headers.get("location")).toBe(location)
    }
  })

  test("lets a signed-in user follow a link from elsewhere without signing in again", async () => {
    const cookie = await signIn(served.ask)
    const link = { ...elsewhere, accept: "text/html", "sec-fetch-site": "cross-site" }
    const first = await served.ask("/org/1?a=%22%3E%3Cb%3E", { headers: link })
    expect(first.status).toBe(200)
    const path = /url=([^"]+)"/.exec(await first.text())?.[1] ?? ""
    const led = await served.ask(path, { headers: { ...elsewhere, cookie } })
    expect(led.headers.get("location")).toBe("/org/1?a=%22%3E%3Cb%3E")
    expect((await served.ask(path, { headers: elsewhere })).status).toBe(200)
  })

  test("responds to every request with the token, from a header or a sign-in", async () => {
    const bearer = await served.ask("/metrics", { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(bearer.status).toBe(200)
    const cookie = await signIn(served.ask)
    expect(
      (await served.ask("/metrics", { headers: { cookie: `a=b; ${cookie}; c=d` } })).status
    ).toBe(200)
  })

  test.each([`Bearer ${TOKEN}x`, "Bearer", `bearer ${TOKEN} x`, `Bearer ${TOKEN},`])(
    "refuses a wrong token: %s",
    async (authorization) => {
      const answer = await served.ask("/api/status", { headers: { authorization } })
      expect(answer.status).toBe(401)
      expect(await codeOf(answer)).toBe("TOKEN_REFUSED")
    }
  )
})

test("credentials for a proxy in front of the server are ignored", async () => {
  for (const authorization of [`Basic ${btoa("kari:secret")}`, TOKEN, "Negotiate abc"]) {
    const headers = { authorization, accept: "application/json" }
    const { ask } = await serve({ token: true })
    expect((await ask("/metrics", { headers })).status).toBe(200)
    const open = await serve({ listen: "0.0.0.0:8787", token: true })
    expect(await codeOf(await open.ask("/metrics", { headers }))).toBe("TOKEN_REQUIRED")
  }
})

describe("the sign-in", () => {
  test("exists only if there is a token", async () => {
    const { ask } = await serve()
    expect((await ask("/sign-in")).status).toBe(404)
    expect((await ask("/sign-in", form({ token: "", name: "x" }))).status).toBe(404)
  })

  test("requires the token, a name and a form of this server", async () => {
    const { ask } = await serve({ token: true })
    const status = async (
      fields: Readonly<Record<string, string>>,
      headers: Readonly<Record<string, string>> = OWN_PAGE
    ) => (await ask("/sign-in", form(fields, headers))).status
    expect(await status({ token: `${TOKEN}x`, name: "Kari" })).toBe(403)
    expect(await status({ name: "Kari" })).toBe(403)
    expect(await status({ token: TOKEN, name: " " })).toBe(400)
    const foreign = { "sec-fetch-site": "cross-site", origin: "https://evil.com" }
    expect(await status({ token: TOKEN, name: "Kari" }, foreign)).toBe(403)
    const json = await ask("/sign-in", {
      method: "POST",
      headers: { ...OWN_PAGE, "content-type": "application/json" },
      body: JSON.stringify({ token: TOKEN, name: "Kari" })
    })
    expect(json.status).toBe(415)
  })

  test("sets a cookie that scripts and other sites cannot read, and the sign-out deletes it", async () => {
    const served = await serve({ token: true })
    const answer = await served.ask("/sign-in", form({ token: TOKEN, name: "Kari" }))
    const cookie = answer.headers.get("set-cookie") ?? ""
    expect(cookie).toMatch(/; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(TOKEN)
    const https = await served.ask(
      "/sign-in",
      form({ token: TOKEN, name: "Kari" }, { ...OWN_PAGE, "x-forwarded-proto": "https" })
    )
    expect(https.headers.get("set-cookie")).toEndWith("; Secure")
    const out = await served.ask("/sign-out", form({}, { ...OWN_PAGE, cookie }))
    expect(out.status).toBe(403)
  })
})

test("without a database the server is alive and not ready, and its response names no host", async () => {
  const { ask, world } = await serve()
  world.carry = (name) =>
    Effect.fail(
      new SupabaseError({
        operation: name,
        reason: "NotExecuted",
        code: "ECONNREFUSED",
        detail: "could not connect to db.secret-project.example:5432"
      })
    )
  const answer = await ask("/readyz?verbose")
  expect(answer.status).toBe(503)
  const text = await answer.text()
  expect(text).toContain("[-] database: SUPABASE_UNREACHABLE (ECONNREFUSED)")
  expect(text).toEndWith("not ready: database\n")
  expect(text).not.toContain("secret-project")
  expect((await ask("/livez")).status).toBe(200)
})
