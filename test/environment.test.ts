import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "./support/binary.ts"
import * as Behaviour from "./support/FunctionBehaviour.ts"
import { freePort } from "./support/freePort.ts"
import { type Project, startProject } from "./support/Project.ts"
import { http, serveRaw, wrongCertificate } from "./support/RawServer.ts"
import { endOf, runBinary, startBinary } from "./support/runBinary.ts"

setDefaultTimeout(60_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-environment-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false))
    socket.on("connect", () => socket.destroy())
  })

describe("a tick in a hostile environment", () => {
  let project: Project
  beforeEach(async () => {
    project = await startProject()
  })
  afterEach(() => project.close())

  /** The function responds only after `look` has inspected the process. */
  const during = async <A>(env: Readonly<Record<string, string>>, look: () => Promise<A>) => {
    await project.seedDue(1)
    const finish = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(finish.promise))
    const child = await startBinary(["run"], { env: { ...project.environment, ...env } })
    await project.functions.arrived(1)
    const seen = await look()
    finish.resolve()
    return { seen, ended: await endOf(child) }
  }

  test("opens no debugger despite BUN_INSPECT", async () => {
    const port = await freePort()
    const { ended, seen } = await during({ BUN_INSPECT: `127.0.0.1:${port}` }, () => isOpen(port))
    expect(seen).toBe(false)
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("1 completed") })
    expect(ended.stderr).toContain("BUN_INSPECT is ignored: it opens a debugger port")
  })

  test("connects to no debugger despite BUN_INSPECT_CONNECT_TO", async () => {
    const sockets = new Set<unknown>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket))
      socket.resume()
    })
    const path = join(directory, "debugger.sock")
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const { ended, seen } = await during({ BUN_INSPECT_CONNECT_TO: `unix://${path}` }, async () =>
      Promise.resolve(sockets.size)
    )
    server.close()
    expect(seen).toBe(0)
    expect(ended.code).toBe(0)
  })

  test("loads nothing from BUN_OPTIONS into the process that holds the key", async () => {
    const [spy, report] = [join(directory, "spy.js"), join(directory, "seen")]
    await writeFile(
      spy,
      `const { appendFileSync } = require("node:fs")
       const send = globalThis.fetch
       globalThis.fetch = (input, init) => {
         appendFileSync(${JSON.stringify(report)}, JSON.stringify([...new Headers(init?.headers)]))
         return send(input, init)
       }`
    )
    await project.seedDue(1)
    const ended = await runBinary(["run"], {
      env: { ...project.environment, BUN_OPTIONS: `--preload=${spy}` }
    })
    expect(ended.stdout).toContain("1 completed")
    expect(await readFile(report, "utf8").catch(() => "nothing")).toBe("nothing")
  })

  test("prints no request despite BUN_CONFIG_VERBOSE_FETCH, over the API or to the function", async () => {
    await project.seedDue(1)
    for (const value of ["curl", "1"]) {
      const { code, stderr, stdout } = await runBinary(["run"], {
        env: { ...project.environment, BUN_CONFIG_VERBOSE_FETCH: value }
      })
      expect(stdout + stderr).not.toContain(project.gateway.secretKey)
      expect(stdout + stderr).not.toContain("curl")
      expect(code).toBe(0)
    }
  })

  test("invokes as many functions concurrently as the setting says", async () => {
    const many = 300
    await project.seedDue(many)
    const finish = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(finish.promise))
    const child = await startBinary(["run", "-o", "json"], {
      env: {
        ...project.environment,
        // Invokes the functions directly, because Bun also limits the concurrent requests of the gateway.
        SYNC_SCHEDULER_FUNCTION_URL: `${project.functions.url}/integration-sync`,
        SYNC_SCHEDULER_CONCURRENCY: String(many)
      }
    })
    await project.functions.arrived(many)
    finish.resolve()
    const { code, stdout } = await endOf(child)
    expect(JSON.parse(stdout)).toMatchObject({ triggered: many, completed: many, errors: [] })
    expect(code).toBe(0)
  })

  test("has its full concurrency despite BUN_CONFIG_MAX_HTTP_REQUESTS", async () => {
    await project.seedDue(5)
    const finish = Promise.withResolvers<void>()
    project.functions.behave(() => Behaviour.until(finish.promise))
    const child = await startBinary(["run"], {
      env: { ...project.environment, BUN_CONFIG_MAX_HTTP_REQUESTS: "2" }
    })
    await project.functions.arrived(5)
    finish.resolve()
    expect((await endOf(child)).stdout).toContain("5 completed")
  })

  test("logs warnings as JSON lines; help and version print none", async () => {
    const env = { BUN_INSPECT_NOTIFY: "unix:///nowhere", BUN_CONFIG_VERBOSE_FETCH: "1" }
    const run = await runBinary(["run"], {
      env: { ...project.environment, ...env, SYNC_SCHEDULER_LOG_FORMAT: "json" }
    })
    const lines = run.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines.map(({ message }) => message.split(" ")[0])).toEqual(Object.keys(env))
    expect((await runBinary(["--version"], { env })).stderr).toBe("")
  })
})

describe("a proxy", () => {
  let project: Project
  beforeEach(async () => {
    project = await startProject()
  })
  afterEach(() => project.close())

  const refusing = () => serveRaw((socket) => socket.end(http("403 Forbidden")))

  test("is named in the error if it refuses the tunnel to the function, and the run is retried", async () => {
    const proxy = await refusing()
    await project.seedDue(2, { on_unknown: "'hold'" })
    const env = {
      ...project.environment,
      SUPABASE_URL: "https://project.invalid",
      SUPABASE_DB_URL: project.database.url,
      HTTPS_PROXY: `http://user:hush-hush@127.0.0.1:${proxy.port}`
    }
    const { stdout, stderr } = await runBinary(["run", "-o", "json"], { env })
    const { runs } = JSON.parse(stdout)
    expect(runs).toHaveLength(2)
    for (const { error, status } of runs) {
      expect([status, error.code]).toEqual(["pending", "CONNECTION_FAILED"])
      expect(error.message).toContain("403 Forbidden")
      expect(error.message).toContain(`http://127.0.0.1:${proxy.port} (HTTPS_PROXY)`)
    }
    expect(stdout + stderr).not.toContain("hush-hush")
    expect(await project.statuses()).toEqual({ pending: 2 })
    proxy.stop()
  })

  test("is named in the error if it refuses the tunnel to the API, and nothing is executed", async () => {
    const proxy = await refusing()
    const env = {
      ...project.environment,
      SUPABASE_URL: "https://project.invalid",
      SYNC_SCHEDULER_INTERVAL: "4s",
      ALL_PROXY: proxy.url
    }
    const { code, stderr } = await runBinary(["run"], { env })
    expect(stderr).toMatch(/does not answer: [^\n]*through the proxy/)
    expect(stderr).toContain(`${proxy.url} (ALL_PROXY)`)
    expect(code).toBe(5)
    proxy.stop()
  })

  test("appears in env and doctor without its password, and only for the addresses that use it", async () => {
    const proxy = await refusing()
    const http_proxy = `http://user:hush-hush@127.0.0.1:${proxy.port}`
    const certificate = join(import.meta.dir, "support/certificates/authority.pem")
    const ambient = { http_proxy, NODE_EXTRA_CA_CERTS: certificate }
    const shown = await runBinary(["env", "-o", "json"], { env: ambient })
    expect(JSON.parse(shown.stdout).environment).toEqual([
      {
        name: "http_proxy",
        value: `http://127.0.0.1:${proxy.port}`,
        effect: "proxy for http URLs"
      },
      {
        name: "NODE_EXTRA_CA_CERTS",
        value: certificate,
        effect: "additional trusted certificate authorities"
      }
    ])
    const text = await runBinary(["env"], { env: ambient })
    expect(text.stdout).toContain("http_proxy")
    expect(text.stdout + shown.stdout).not.toContain("hush-hush")
    const doctor = async (more: Readonly<Record<string, string>>) => {
      const env = { ...project.environment, ...ambient, ...more }
      const { stdout } = await runBinary(["doctor", "-o", "json"], { env })
      const { findings } = JSON.parse(stdout)
      return findings
        .filter(({ check }: { check: string }) => check === "environment")
        .map(({ what }: { what: string }) => what)
    }
    const trust = `NODE_EXTRA_CA_CERTS=${certificate}: additional trusted certificate authorities`
    expect(await doctor({})).toEqual([
      `SUPABASE_URL is reached through http://127.0.0.1:${proxy.port} (http_proxy)`,
      trust
    ])
    expect(await doctor({ NO_PROXY: "127.0.0.0/8" })).toEqual([trust])
    proxy.stop()
  })
})

describe("with NODE_TLS_REJECT_UNAUTHORIZED=0", () => {
  const key = { SUPABASE_SECRET_KEY: `sb_secret_${"x".repeat(32)}` }

  test("a server with another server's certificate receives nothing, and the error says how to trust it", async () => {
    const server = await serveRaw((socket) => socket.end(http("200 OK", "{}")), wrongCertificate)
    const { code, stderr } = await runBinary(["run"], {
      env: { ...key, SUPABASE_URL: server.url, NODE_TLS_REJECT_UNAUTHORIZED: "0" }
    })
    server.stop()
    expect(server.requests).toEqual([])
    expect(stderr).toContain("NODE_TLS_REJECT_UNAUTHORIZED is ignored")
    expect(stderr).toMatch(/self.signed certificate/)
    expect(stderr).toContain("NODE_EXTRA_CA_CERTS")
    expect(stderr).not.toContain("Waiting")
    expect(code).toBe(5)
  })

  test("an explicitly trusted authority is trusted", async () => {
    const certificates = join(import.meta.dir, "support/certificates")
    const [authority, name] = [join(certificates, "authority.pem"), join(certificates, "localhost")]
    const server = await serveRaw((socket) => socket.end(http("401 Unauthorized", "{}")), {
      key: await readFile(`${name}.key.pem`, "utf8"),
      cert: await readFile(`${name}.pem`, "utf8")
    })
    const { code, stderr } = await runBinary(["run"], {
      env: { ...key, SUPABASE_URL: server.url, NODE_EXTRA_CA_CERTS: authority }
    })
    server.stop()
    expect(stderr).not.toContain("certificate")
    expect(code).toBe(4)
    expect(server.requests.length).toBeGreaterThan(0)
  })
})
