import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { proxyOf } from "../../src/Http/Proxy.ts"
import { http, type RawServer, serveRaw } from "../support/RawServer.ts"

/** Fetches each URL with exactly the given environment, and prints which proxy received the request. */
const program = `
const [named, ...urls] = process.argv.slice(1)
for (const url of urls) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
    console.log(response.headers.get("proxy-name"))
  } catch (error) {
    console.log(/tunnel: 403 (\\w+)/.exec(error.message)?.[1] ?? null)
  }
}`

describe("the chosen proxy is the one that Bun's fetch uses", () => {
  let a: RawServer
  let b: RawServer
  let target: RawServer
  const servers = new Map<string, RawServer>()
  const isTunnel = (name: string) => /^CONNECT /.test(servers.get(name)?.requests.at(-1) ?? "")
  const proxy = (name: string) =>
    serveRaw((socket) =>
      socket.end(isTunnel(name) ? http(`403 ${name}`) : http("200 OK", "", { "proxy-name": name }))
    )
  beforeAll(async () => {
    a = await proxy("a")
    b = await proxy("b")
    servers.set("a", a).set("b", b)
    target = await serveRaw((socket) => socket.end(http("200 OK")))
  })
  afterAll(() => {
    for (const server of [a, b, target]) server.stop()
  })

  const names = ["https://h.invalid/", "http://h.invalid/", "https://x.h.invalid/"]
  test.each([
    [{}, names],
    [{ HTTPS_PROXY: "a" }, names],
    [{ HTTP_PROXY: "a" }, names],
    [{ HTTPS_PROXY: "bare a" }, names],
    [{ ALL_PROXY: "a" }, names],
    [{ HTTPS_PROXY: "a", https_proxy: "b" }, names],
    [{ HTTPS_PROXY: "a", https_proxy: "" }, names],
    [{ HTTP_PROXY: "a", http_proxy: "b" }, names],
    [{ HTTPS_PROXY: "a", ALL_PROXY: "b" }, names],
    [{ ALL_PROXY: "a", all_proxy: "b" }, names],
    ...[
      "h.invalid",
      "invalid",
      ".invalid",
      "*.invalid",
      "*",
      "*invalid",
      "nvalid",
      "h.invalid:80",
      "H.INVALID",
      "other.invalid, h.invalid",
      "x.h.invalid",
      "",
      ","
    ].map((NO_PROXY) => [{ ALL_PROXY: "a", NO_PROXY }, names] as const),
    [{ ALL_PROXY: "a", no_proxy: "h.invalid", NO_PROXY: "other" }, names],
    [{ ALL_PROXY: "a", no_proxy: "other", NO_PROXY: "h.invalid" }, names],
    ...["127.0.0.1", "127.0.0.0/8", "127.0.1.0/24", "localhost", "127.0.0.1:1", "::1"].map(
      (NO_PROXY) => [{ ALL_PROXY: "a", NO_PROXY }, ["target", "http://[::1]:1/"]] as const
    )
  ] as const)("with %o", async (variables, urls) => {
    const environment = Object.fromEntries(
      Object.entries(variables).map(([key, value]) => [
        key,
        value === "a"
          ? a.url
          : value === "bare a"
            ? `127.0.0.1:${a.port}`
            : value === "b"
              ? `http://user:hush-hush@127.0.0.1:${b.port}`
              : value
      ])
    )
    const asked = urls.map((url) => (url === "target" ? `${target.url}/` : url))
    const child = Bun.spawn([process.execPath, "-e", program, "", ...asked], {
      env: environment,
      stdout: "pipe"
    })
    const used = (await new Response(child.stdout).text()).trim().split("\n")
    const choose = proxyOf(environment)
    const said = asked.map((url) => choose(new URL(url)))
    expect(said.map((one) => (one === null ? "null" : one.address))).toEqual(
      used.map((name) => servers.get(name)?.url ?? "null")
    )
    expect(JSON.stringify(said)).not.toContain("hush-hush")
  })
})

test.each([
  ["socks5://me:hush-hush@proxy:1080", "socks5://proxy:1080"],
  [":::", "that cannot be read"]
])("the address of a proxy that Bun cannot use is shown: %s", (text, address) => {
  expect(proxyOf({ HTTPS_PROXY: text })(new URL("https://h/"))).toEqual({
    variable: "HTTPS_PROXY",
    address
  })
})
