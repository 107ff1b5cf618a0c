import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { freePort } from "../support/freePort.ts"
import type { Call, Verdicts } from "../support/invokeAll.ts"
import { type Behaviour, http, type RawServer, serveRaw } from "../support/RawServer.ts"

setDefaultTimeout(60_000)

const root = join(import.meta.dir, "../..")
const program = join(root, "test/support/invokeAll.ts")
const deno = ["--no-remote", "--no-prompt", "--no-check", "--node-modules-dir=manual"]
const runtimes = {
  Bun: [process.execPath, program],
  Deno: [
    join(root, "node_modules/.bin/deno"),
    "run",
    ...deno,
    "--allow-net",
    "--allow-env",
    program
  ]
}

const servers: Array<RawServer> = []
const serve = async (behaviour: Behaviour): Promise<RawServer> => {
  const server = await serveRaw(behaviour)
  servers.push(server)
  return server
}
afterAll(() => {
  for (const server of servers) server.stop()
})

const invoke = async (
  runtime: keyof typeof runtimes,
  env: Readonly<Record<string, string>>,
  functionUrls: ReadonlyArray<string>
): Promise<ReadonlyArray<string | undefined>> => {
  const calls: ReadonlyArray<Call> = functionUrls.map((functionUrl) => ({
    name: functionUrl,
    functionUrl,
    timeoutMs: 20_000
  }))
  const child = Bun.spawn([...runtimes[runtime]], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      // Keeps Deno from looking for updates through the proxy.
      DENO_NO_UPDATE_CHECK: "1",
      ...env
    },
    stdin: new Blob([JSON.stringify(calls)]),
    stderr: "pipe"
  })
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  if ((await child.exited) !== 0) throw new Error(err)
  const verdicts: Verdicts = JSON.parse(out)
  return functionUrls.map((url) => verdicts[url])
}

const NOT_SENT = "NotExecuted CONNECTION_FAILED"
const LOST = "Unknown CONNECTION_LOST"
const refusals = [302, 403, 407, 429, 500, 502, 503, 504]
const nobody = "https://project.invalid/functions/v1/integration-sync"

/** The hostname selects the proxy's response to a tunnel request. For example, `status-403.invalid` selects a 403. */
const startScriptedProxy = async (): Promise<RawServer> => {
  const proxy: RawServer = await serve((socket) => {
    const [, wish = "", status] =
      /^CONNECT (\w+)(?:-(\d+))?\./.exec(proxy.requests.at(-1) ?? "") ?? []
    if (wish === "status") return socket.end(http(`${status} Refused`))
    if (wish === "reset") return socket.resetAndDestroy()
    return socket.end(wish === "garbage" ? "SSH-2.0-OpenSSH_9.2\r\n" : "")
  })
  return proxy
}

describe.each(["Bun", "Deno"] as const)("an invocation through a proxy, in %s", (runtime) => {
  test("is not sent if the tunnel is refused, in any way", async () => {
    const proxy = await startScriptedProxy()
    const urls = refusals.map((status) => `https://status-${status}.invalid/functions/v1/x`)
    const verdicts = await invoke(runtime, { HTTPS_PROXY: proxy.url }, urls)
    expect(verdicts).toEqual(refusals.map(() => NOT_SENT))
    expect(proxy.requests.map((one) => one.split("\r\n")[0])).toEqual(
      refusals.map((status) => `CONNECT status-${status}.invalid:443 HTTP/1.1`)
    )
  })

  test.each([
    ["away", async () => `http://127.0.0.1:${await freePort()}`],
    ["without an address", async () => "http://no-proxy.invalid:3128"],
    ["of another protocol", async () => `socks5://127.0.0.1:${await freePort()}`]
  ])("is not sent if the proxy is %s", async (_, proxy) => {
    expect(await invoke(runtime, { ALL_PROXY: await proxy() }, [nobody])).toEqual([NOT_SENT])
  })

  // Bun reports the same code whether or not the request was already written. Deno distinguishes the two cases.
  test("has an uncertain outcome if the proxy breaks the connection or is not a proxy", async () => {
    const proxy = await startScriptedProxy()
    const urls = ["close", "reset", "garbage"].map((wish) => `https://${wish}.invalid/f`)
    const verdicts = await invoke(runtime, { HTTPS_PROXY: proxy.url }, urls)
    expect(verdicts).toEqual(urls.map(() => (runtime === "Bun" ? LOST : NOT_SENT)))
  })

  test("reaches the function if the proxy works", async () => {
    const functions = await serve((socket) => socket.end(http("204 No Content")))
    const proxy = await serve((socket) => {
      const upstream = connect(functions.port, "127.0.0.1", () => {
        upstream.pipe(socket)
        upstream.write(proxy.requests[0] ?? "")
      })
    })
    const url = nobody.replace("https:", "http:")
    expect(await invoke(runtime, { HTTP_PROXY: proxy.url }, [url])).toEqual(["Completed"])
    expect(functions.requests).toHaveLength(1)
  })

  // Over plain HTTP, a proxy's response replaces the function's response. Only a 407 is certain to come from the proxy.
  test("is not sent if a proxy for plain HTTP requires a password", async () => {
    const proxy = await serve((socket) => socket.end(http("407 Proxy Authentication Required")))
    const url = nobody.replace("https:", "http:")
    expect(await invoke(runtime, { HTTP_PROXY: proxy.url }, [url])).toEqual([NOT_SENT])
  })
})

// A trusted authority issued this certificate, but not for use by servers, so the TLS error has no well-known code.
test("an invocation is not sent to a server whose certificate is not for servers", async () => {
  const certificates = join(root, "test/support/certificates")
  const server = await serveRaw((socket) => socket.end(http("204 No Content")), {
    key: readFileSync(join(certificates, "client-only.key.pem"), "utf8"),
    cert: readFileSync(join(certificates, "client-only.pem"), "utf8")
  })
  servers.push(server)
  const env = { NODE_EXTRA_CA_CERTS: join(certificates, "authority.pem") }
  expect(await invoke("Bun", env, [`${server.url}/f`])).toEqual([NOT_SENT])
  expect(server.requests).toEqual([])
})
