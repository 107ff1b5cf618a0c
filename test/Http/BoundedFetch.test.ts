import { afterAll, describe, expect, it } from "bun:test"
import { gzipSync } from "node:zlib"
import { Effect, Either } from "effect"
import { boundedFetch, FetchFailure, fetchWithin } from "../../src/Http/BoundedFetch.ts"
import { explainRejection } from "../../src/Http/FetchFailure.ts"
import { type Behaviour, headerOf, http, type RawServer, serveRaw } from "../support/RawServer.ts"

const servers: Array<RawServer> = []
afterAll(() => {
  for (const server of servers) server.stop()
})
const serve = async (behaviour: Behaviour): Promise<RawServer> => {
  const server = await serveRaw(behaviour)
  servers.push(server)
  return server
}
const answering = (...response: Parameters<typeof http>) =>
  serve((socket) => socket.end(http(...response)))

const bounds = { maxBytes: 10, timeoutMs: 20_000, userAgent: "sync-scheduler/1.2.3" }
const post = { method: "POST", body: "{}", headers: { "content-type": "application/json" } }

describe("boundedFetch", () => {
  it.each([
    [0, false],
    [9, false],
    [10, false],
    [11, true],
    [100_000, true]
  ])("limits a body of %i bytes to 10: truncated is %p", async (length, truncated) => {
    const server = await answering("200 OK", "x".repeat(length))
    const answer = await Effect.runPromise(boundedFetch(server.url, post, bounds))
    expect(answer.body).toHaveLength(Math.min(length, 10))
    expect(answer.truncated).toBe(truncated)
  })

  it("returns a redirect without following it", async () => {
    const server = await answering("302 Found", "", { location: "/elsewhere" })
    const answer = await Effect.runPromise(boundedFetch(server.url, post, bounds))
    expect(answer.status).toBe(302)
    expect(server.requests).toHaveLength(1)
  })

  it("sends the given request with the scheduler's name", async () => {
    const server = await answering("200 OK")
    await Effect.runPromise(boundedFetch(server.url, post, bounds))
    const request = server.requests[0] ?? ""
    expect(request).toStartWith("POST / HTTP/1.1\r\n")
    expect(headerOf(request, "content-type")).toBe("application/json")
    expect(headerOf(request, "user-agent")).toBe("sync-scheduler/1.2.3")
    expect(request).toEndWith("{}")
  })

  it("fails with NotSent for an invalid URL", async () => {
    const result = await Effect.runPromise(Effect.either(boundedFetch("http://[", post, bounds)))
    expect(Either.flip(result)).toMatchObject({
      right: { _tag: "FetchFailure", reason: "NotSent" }
    })
  })
})

describe("fetchWithin, as supabase-js uses it", () => {
  const call = (url: string, init: RequestInit = post, more = {}) =>
    fetchWithin({ ...bounds, ...more })(url, init)

  it("responds like fetch", async () => {
    const server = await answering("201 Made", "[1]", { "content-range": "0-0/1" })
    const response = await call(server.url)
    expect([response.status, response.statusText, response.ok]).toEqual([201, "Made", true])
    expect(response.headers.get("content-range")).toBe("0-0/1")
    expect(await response.json()).toEqual([1])
  })

  it("accepts a Request", async () => {
    const server = await answering("200 OK", "ok")
    const request = new Request(`${server.url}/rpc`, post)
    const response = await fetchWithin(bounds)(request)
    expect(await response.text()).toBe("ok")
    expect(server.requests[0]).toStartWith("POST /rpc HTTP/1.1\r\n")
    expect(server.requests[0]).toEndWith("{}")
  })

  it("has no body for a status that allows none", async () => {
    const server = await serve((socket) => socket.end("HTTP/1.1 204 No Content\r\n\r\n"))
    const response = await call(server.url)
    expect([response.status, await response.text()]).toEqual([204, ""])
  })

  it("returns a compressed body decompressed, with matching headers", async () => {
    const zipped = gzipSync("ok")
    const head = `content-encoding: gzip\r\ncontent-length: ${zipped.length}`
    const server = await serve((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`)
      socket.end(zipped)
    })
    const response = await call(server.url)
    expect(await response.text()).toBe("ok")
    expect(response.headers.has("content-encoding")).toBe(false)
  })

  it.each([
    ["Redirected", "307 Temporary Redirect", "", { location: "https://elsewhere.example" }],
    ["TooLarge", "200 OK", "x".repeat(11), {}]
  ])("rejects with %s", async (code, status, body, headers) => {
    const server = await answering(status, body, headers)
    const error = await call(server.url).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(FetchFailure)
    expect(error).toMatchObject({ code, message: expect.stringContaining(code) })
    expect(server.requests).toHaveLength(1)
  })

  it("rejects with TimedOut when the body does not end in time", async () => {
    const server = await serve((socket) =>
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx")
    )
    const error = await call(server.url, post, { timeoutMs: 200 }).catch((error: unknown) => error)
    expect(error).toMatchObject({ _tag: "FetchFailure", code: "TimedOut" })
    await server.closed
  })

  it("rejects with the caller's reason when the caller aborts, and closes the connection", async () => {
    const server = await serve(() => undefined)
    const controller = new AbortController()
    const pending = call(server.url, { ...post, signal: controller.signal })
    await server.firstRequest
    controller.abort(new Error("enough"))
    await expect(pending).rejects.toThrow("enough")
    await server.closed
  })
})

describe("a rejection", () => {
  const withCode = (code: string, message = "") => Object.assign(new TypeError(message), { code })

  it.each([
    withCode("ECONNREFUSED"),
    withCode("ENOTFOUND"),
    withCode("CERT_HAS_EXPIRED"),
    withCode("ERR_TLS_CERT_ALTNAME_INVALID"),
    withCode("EPROTO", "EPROTO: The TLS handshake failed. Does the server speak TLS on this port?"),
    new TypeError("fetch failed", {
      cause: new Error(
        "error sending request for url (https://h/?k=v): client error (Connect): dns error"
      )
    }),
    new TypeError(
      "error sending request for url (https://h/): client error (Connect): tcp connect error"
    ),
    new TypeError("Fetch failed: Requests to port 25 are blocked"),
    new TypeError('Requires net access to "h:443", run again with the --allow-net flag')
  ])("proves that nothing was sent: %#", (error) => {
    expect(explainRejection(error).reason).toBe("NotSent")
  })

  it.each([
    withCode("ECONNRESET"),
    withCode("EPROTO", "an alert in the middle of it all"),
    withCode("Malformed_HTTP_Response"),
    new TypeError("fetch failed", { cause: new Error("Connection reset by peer (os error 104)") }),
    new TypeError("error reading a body from connection"),
    new Error("an unknown failure"),
    "not even an error",
    undefined
  ])("proves nothing: %#", (error) => {
    expect(explainRejection(error).reason).toBe("Disconnected")
  })

  it.each([
    [
      withCode("ECONNREFUSED", "Unable to connect. Is the computer able to access the url?"),
      "the connection to h:9 was refused"
    ],
    [withCode("ENOTFOUND", "getaddrinfo ENOTFOUND h"), "no address was found for h:9"],
    [
      withCode(
        "EPROTO",
        "EPROTO: The TLS handshake failed. Does the server speak TLS on this port?"
      ),
      "h:9 does not support TLS on this port"
    ],
    [
      withCode("ECONNRESET", "The socket connection was closed unexpectedly."),
      "h:9 closed the connection before it answered"
    ],
    [
      withCode("DEPTH_ZERO_SELF_SIGNED_CERT", "self signed certificate"),
      "the certificate of h:9 is not trusted: self signed certificate (to trust your own authority, set NODE_EXTRA_CA_CERTS=<file.pem>)"
    ],
    [
      new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") }),
      "the connection to h:9 was refused"
    ],
    [
      new TypeError(
        "error sending request for url (https://h/): client error (Connect): dns error: no record"
      ),
      "no address was found for h:9"
    ]
  ])("is a plain sentence followed by the runtime's own message: %#", (error, detail) => {
    const failure = explainRejection(error, "h:9")
    expect(failure.detail).toBe(detail)
    expect(failure.system).not.toBe("")
    expect(failure.message).toEndWith(`[${failure.system}]`)
    expect(explainRejection(error).detail).toContain("the server")
  })

  it("contains no query string", () => {
    const error = new TypeError("error sending request for url (https://h/p?apikey=secret): broken")
    expect(explainRejection(error).detail).toBe(
      "error sending request for url (https://h/p): broken"
    )
  })
})
