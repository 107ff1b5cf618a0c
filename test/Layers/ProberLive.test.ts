import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { Effect, Either } from "effect"
import type { ProbeError } from "../../src/Domain/Errors.ts"
import { probeOf } from "../../src/Domain/Health/ApiHost.ts"
import * as ProberLive from "../../src/Layers/ProberLive.ts"
import { type ProbeAnswer, Prober } from "../../src/Services/Prober.ts"
import { authority, serveVendor, type VendorServer } from "../support/VendorServer.ts"

// 127.0.0.1 represents the internet, and 127.0.0.2 a forbidden address. Servers listen on both, so that no probe goes unnoticed.
let open: VendorServer
let secret: VendorServer
let lookUps: Array<string>
let names: Record<string, ReadonlyArray<ReadonlyArray<string>>>

beforeAll(() => {
  open = serveVendor("127.0.0.1")
  secret = serveVendor("127.0.0.2", open.port)
})
afterAll(() => Promise.all([open.close(), secret.close()]))
beforeEach(() => {
  lookUps = []
  names = { "api.vendor.test": [["127.0.0.1"]] }
  open.answer(() => new Response(null, { status: 401 }))
})

const resolve = async (host: string): Promise<ReadonlyArray<string>> => {
  const answers = names[host]
  const nth = lookUps.filter((one) => one === host).length
  lookUps.push(host)
  const answer = answers?.[Math.min(nth, answers.length - 1)]
  if (answer === undefined) throw new Error("ENOTFOUND")
  return answer
}

const run = (url: string, layer: ReturnType<typeof ProberLive.layer>, method: "GET" | "HEAD") =>
  Effect.flatMap(Prober, ({ probe }) =>
    probe({ provider: "generic", host: "x", method, url })
  ).pipe(Effect.either, Effect.provide(layer), Effect.runPromise)

const strictly = (url: string) => run(url, ProberLive.layer({ version: "1.2.3", authority }), "GET")

const probe = (url: string, method: "GET" | "HEAD" = "GET") =>
  run(
    url,
    ProberLive.layer({
      version: "1.2.3",
      policy: {
        allowsAddress: (address) => address === "127.0.0.1",
        allowsPort: (port) => port === open.port
      },
      resolve,
      authority
    }),
    method
  )

const at = (host: string, path = "/health"): string => `https://${host}:${open.port}${path}`
const why = (result: Either.Either<ProbeAnswer, ProbeError>): string =>
  Either.match(result, { onLeft: ({ message }) => message, onRight: ({ status }) => `${status}` })

describe("a probe", () => {
  test("is one request without credentials, to the checked address, under the name of the certificate", async () => {
    open.answer(() => Response.json({ errors: [{ code: "X" }] }, { headers: { "X-Left": "3" } }))
    const before = open.requests.length
    const result = await probe(at("api.vendor.test", "/v2?x=1"))
    expect(Either.getOrNull(result)).toMatchObject({ status: 200, codes: ["X"] })
    expect(Either.getOrNull(result)?.headers.get("x-left")).toBe("3")
    const [request, ...more] = open.requests.slice(before)
    expect(more).toEqual([])
    expect(request?.url).toEndWith("/v2?x=1")
    expect(request?.headers).toEqual({
      host: `api.vendor.test:${open.port}`,
      "user-agent": "sync-scheduler/1.2.3",
      accept: "*/*",
      "accept-encoding": "identity",
      connection: "close"
    })
  })

  test("can be a HEAD request, with a response without a body", async () => {
    expect(why(await probe(at("api.vendor.test"), "HEAD"))).toBe("401")
  })

  test("reads at most 16 KiB of an endless body", async () => {
    open.answer(() => {
      const chunk = new Uint8Array(64 * 1024).fill(97)
      return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }))
    })
    const result = await probe(at("api.vendor.test"))
    expect(Either.getOrNull(result)?.text).toHaveLength(16 * 1024)
  })

  test("ends at its timeout if the API does not respond", async () => {
    open.answer(() => new Promise(() => undefined))
    const policy = { allowsAddress: () => true, allowsPort: () => true }
    const layer = ProberLive.layer({ version: "1", policy, resolve, authority, timeoutMs: 300 })
    const result = await run(at("api.vendor.test"), layer, "GET")
    expect(why(result)).toBe("TimedOut: no answer within 0.3 s")
  })

  test("fails for a wrong certificate, a name without an address and a port without a server", async () => {
    names["elsewhere.example"] = [["127.0.0.1"]]
    expect(why(await probe(at("elsewhere.example")))).toStartWith("NotReached: ")
    expect(why(await probe(at("nowhere.vendor.test")))).toStartWith("NotResolved: ")
    const gone = serveVendor()
    await gone.close()
    const policy = { allowsAddress: () => true, allowsPort: () => true }
    const layer = ProberLive.layer({ version: "1", policy, resolve, authority })
    const url = `https://api.vendor.test:${gone.port}/`
    expect(why(await run(url, layer, "GET"))).toStartWith("NotReached: ")
  })

  test("ignores a proxy of the environment", async () => {
    const proxy = serveVendor("127.0.0.2")
    const before = { ...process.env }
    process.env.HTTPS_PROXY = `http://127.0.0.2:${proxy.port}`
    process.env.https_proxy = process.env.HTTPS_PROXY
    expect(why(await probe(at("api.vendor.test")))).toBe("401")
    delete process.env.HTTPS_PROXY
    delete process.env.https_proxy
    Object.assign(process.env, before)
    expect(proxy.requests).toEqual([])
    await proxy.close()
  })
})

describe("a probe is refused", () => {
  const refuses = async (result: Promise<Either.Either<ProbeAnswer, ProbeError>>, text: string) => {
    const requestCount = open.requests.length + secret.requests.length
    expect(why(await result)).toContain(text)
    expect(open.requests.length + secret.requests.length).toBe(requestCount)
  }

  test("for a redirect to the metadata service, which is not followed", async () => {
    const before = secret.requests.length
    open.answer(() => Response.redirect(at("127.0.0.2", "/latest/meta-data"), 302))
    expect(why(await probe(at("api.vendor.test")))).toBe("302")
    open.answer(() => Response.redirect("http://169.254.169.254/latest/meta-data", 307))
    expect(why(await probe(at("api.vendor.test")))).toBe("307")
    expect(secret.requests.length).toBe(before)
  })

  test("for a DNS name that resolves to this machine", async () => {
    names["inside.vendor.test"] = [["127.0.0.2"]]
    const text = "Refused: inside.vendor.test is 127.0.0.2, which is not a public address"
    await refuses(probe(at("inside.vendor.test")), text)
    await refuses(strictly("https://localhost/"), "which is not a public address")
  })

  test("for a name with a public and a private address", async () => {
    names["both.vendor.test"] = [["127.0.0.1", "127.0.0.2"]]
    await refuses(probe(at("both.vendor.test")), "not a public address")
  })

  test("after DNS rebinding: the first lookup decides, and there is no second", async () => {
    names["api.vendor.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    const before = secret.requests.length
    expect(why(await probe(at("api.vendor.test")))).toBe("401")
    expect(lookUps).toEqual(["api.vendor.test"])
    expect(secret.requests.length).toBe(before)
    await refuses(probe(at("api.vendor.test")), "is 127.0.0.2, which is not a public address")
  })

  for (const address of [
    "127.0.0.1",
    "169.254.169.254",
    "10.1.2.3",
    "100.64.0.1",
    "192.168.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[64:ff9b::7f00:1]",
    "0.0.0.0",
    "0"
  ]) {
    test(`for the address ${address}`, () =>
      refuses(strictly(`https://${address}/`), "not a public"))
  }

  for (const [spelling, address] of [
    ["2130706433", "decimal"],
    ["0x7f000001", "hexadecimal"],
    ["0x7f.1", "mixed"],
    ["017700000001", "octal"],
    ["0177.0.0.1", "octal parts"],
    ["127.1", "short"],
    ["１２７.0.0.1", "full width"]
  ] as const) {
    test(`for 127.0.0.1 spelled as ${address}`, () =>
      refuses(strictly(`https://${spelling}/`), "127.0.0.1 is not a public address"))
  }

  test("despite trailing dots", async () => {
    await refuses(strictly("https://127.0.0.1./"), "not a public address")
    await refuses(strictly("https://localhost./"), "not a public address")
    names["inside.vendor.test"] = [["127.0.0.2"]]
    await refuses(probe(at("inside.vendor.test.")), "not a public address")
    expect(why(await probe(at("api.vendor.test.")))).toBe("401")
  })

  test("for a user or password in the URL", async () => {
    const url = at("api.vendor.test").replace("https://", "https://user:secret@")
    await refuses(probe(url), "must not contain a user name or password")
    await refuses(
      probe(url.replace("user:secret@", "api.vendor.test@127.0.0.2")),
      "must not contain"
    )
  })

  test("for another port, another protocol and an invalid URL", async () => {
    await refuses(strictly("https://example.com:22/"), "a health_url must use port 443, not 22")
    await refuses(strictly("https://example.com:8443/"), "8443")
    await refuses(strictly("http://example.com/"), "must use https")
    await refuses(strictly("file:///etc/passwd"), "must use https")
    await refuses(strictly("gopher://127.0.0.1/"), "must use https")
    await refuses(strictly("example.com"), "not a URL")
  })

  test("by the default policy, as in production", () => {
    expect(ProberLive.publicOnly.allowsAddress("127.0.0.1")).toBe(false)
    expect(ProberLive.publicOnly.allowsPort(443)).toBe(true)
    expect(ProberLive.publicOnly.allowsPort(80)).toBe(false)
    const target = { integration_type: "xledger", health_url: null, health_method: "HEAD" } as const
    expect(probeOf(target)?.url).toStartWith("https://")
  })
})
