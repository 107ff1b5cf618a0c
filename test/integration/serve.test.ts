import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { startEngine } from "../support/EngineProcess.ts"
import { hang, ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"
import { startProxy } from "../support/TcpProxy.ts"

setDefaultTimeout(60_000)
beforeAll(binaryPath, 60_000)
let project: Project
let sidecars: Array<Sidecar> = []
beforeEach(async () => {
  project = await startProject()
}, 60_000)
afterEach(async () => {
  for (const { kill } of sidecars) kill("SIGKILL")
  sidecars = []
  await project.close()
}, 60_000)

const serve = async (
  environment: Readonly<Record<string, string>> = {},
  ...args: ReadonlyArray<string>
): Promise<Sidecar> => {
  const sidecar = await startSidecar({ ...project.environment, ...environment }, args)
  sidecars.push(sidecar)
  return sidecar
}

const count = async (from: string): Promise<number> => {
  const [row] = await project.sql.unsafe(`select count(*)::int as n from ${from}`)
  return row.n
}

const DIRECT = () => ({ SUPABASE_DB_URL: project.database.url })

test.each<[string, Readonly<Record<string, string>>, ReadonlyArray<string>]>([
  [
    "To perform actions, start serve with --allow-actions and SYNC_SCHEDULER_ADMIN_TOKEN=$(openssl rand -hex 32)",
    {},
    []
  ],
  [
    "To perform actions, start serve with --allow-actions",
    { SYNC_SCHEDULER_ADMIN_TOKEN: "t".repeat(32) },
    []
  ],
  [
    "To perform actions, sign in at <url>/sign-in with the value of SYNC_SCHEDULER_ADMIN_TOKEN",
    { SYNC_SCHEDULER_ADMIN_TOKEN: "t".repeat(32) },
    ["--allow-actions"]
  ]
])("one line has the page's URL, and says how to act: %s", async (how, environment, args) => {
  const sidecar = await serve(environment, ...args)
  const line = `Open ${sidecar.url}. ${how.replace("<url>", sidecar.url)}`
  expect(await sidecar.awaitOutput(line)).not.toBeNull()
})

describe.each(["the API", "a direct connection"])("over %s", (over) => {
  test("serve ticks by itself, and finishes runs in flight after SIGTERM with exit 0", async () => {
    const mayAnswer = Promise.withResolvers<void>()
    await project.seedDue(2)
    const sidecar = await serve(over === "the API" ? {} : DIRECT(), "--interval", "1s")
    await project.functions.arrived(2)
    await sidecar.awaitOutput("2 completed")
    expect(await sidecar.get("/livez")).toEqual({ status: 200, body: "ok\n" })
    expect(await sidecar.get("/readyz")).toEqual({ status: 200, body: "ready\n" })
    const verbose = await sidecar.get("/readyz?verbose")
    expect(verbose.body).toMatch(
      /^\[\+\] database: answered in .*\n\[\+\] ticks: .*\n\[\+\] running: 0 in flight\nready\n$/
    )

    project.functions.behave(() => until(mayAnswer.promise, ok()))
    await project.seedDue(7)
    await project.functions.arrived(7)
    sidecar.kill("SIGTERM")
    await sidecar.awaitOutput("SIGTERM")
    let draining = await sidecar.get("/readyz?verbose")
    while (draining.status === 200) draining = await sidecar.get("/readyz?verbose")
    expect(draining.body).toContain("[-] running: stopping: no new runs start, 5 in progress")
    expect((await sidecar.get("/livez")).status).toBe(200)
    mayAnswer.resolve()
    expect((await sidecar.exited).code).toBe(0)
    expect(await project.statuses()).toEqual({ completed: 7, pending: 2 })
  })
})

test("two replicas run every due sync once, and both take part", async () => {
  const DUE = 60
  const bothAreThere = Promise.withResolvers<void>()
  project.functions.behave(() => until(bothAreThere.promise, ok()))
  await project.seedDue(DUE)
  const replicas = await Promise.all([
    serve({}, "--interval", "1s"),
    serve(DIRECT(), "--interval", "1s")
  ])
  while ((await count("sync_run_log where status = 'running'")) < 10) await Bun.sleep(20)
  bothAreThere.resolve()
  while ((await count("sync_run_log where status = 'completed'")) < DUE) await Bun.sleep(50)
  for (const replica of replicas) replica.kill("SIGTERM")
  for (const { exited } of replicas) expect((await exited).code).toBe(0)
  expect(project.functions.invocations.length).toBe(DUE)
  expect(Math.max(...project.functions.effects.values())).toBe(1)
  expect(await count("(select distinct claimed_by from sync_run_log) as engines")).toBe(2)
})

test("after kill -9 and a restart nothing is lost or doubled", async () => {
  const SHORT = {
    SYNC_SCHEDULER_INVOKE_TIMEOUT: "1h",
    SYNC_SCHEDULER_QUIESCENCE: "0s",
    SYNC_SCHEDULER_ADOPT_AFTER: "0s"
  }
  const mayAnswer = Promise.withResolvers<void>()
  project.functions.behave(() => until(mayAnswer.promise, ok()))
  await project.seedDue(12)
  const first = await serve(SHORT)
  await project.functions.arrived(5)
  first.kill("SIGKILL")
  expect((await first.exited).signal).toBe("SIGKILL")
  mayAnswer.resolve()
  project.functions.behave(() => ok())
  await project.sql`update sync_run_log set lease_until = now() where status = 'running'`
  const second = await serve(SHORT, "--interval", "1s")
  while ((await count("sync_run_log where status = 'completed'")) < 12) await Bun.sleep(50)
  second.kill("SIGTERM")
  expect((await second.exited).code).toBe(0)
  expect(project.functions.effects.size).toBe(12)
  expect(await count("sync_run_log where attempt = 2 and ambiguous")).toBe(5)
})

test("serve survives a database outage, reports it, and ticks again afterwards", async () => {
  const at = new URL(project.database.url)
  const proxy = await startProxy(Number(at.port))
  at.host = `127.0.0.1:${proxy.port}`
  const sidecar = await serve({ SUPABASE_DB_URL: at.href }, "--interval", "1s")
  await project.seedDue(1)
  await project.functions.arrived(1)
  expect((await sidecar.get("/readyz")).status).toBe(200)
  proxy.freeze()
  proxy.cut()
  let away = await sidecar.get("/readyz?verbose")
  while (away.status === 200) away = await sidecar.get("/readyz?verbose")
  expect(away.body).toContain("[-] database: no answer within 3.0 s")
  expect((await sidecar.get("/livez")).status).toBe(200)
  proxy.thaw()
  proxy.cut()
  while ((await sidecar.get("/readyz")).status !== 200) await Bun.sleep(100)
  await project.seedDue(1)
  await project.functions.arrived(2)
  sidecar.kill("SIGTERM")
  expect((await sidecar.exited).code).toBe(0)
  proxy.stop()
})

test("functions are warmed up before their slots, even without a tick at that time", async () => {
  await project.seedDue(1, { warm_up: "true", next_run_at: "now() + interval '31 seconds'" })
  await project.seedDue(1, { next_run_at: "now() + interval '20 seconds'" })
  const began = Date.now()
  const sidecar = await serve({}, "--interval", "1d")
  while (project.functions.calls.length === 0) await Bun.sleep(20)
  expect(project.functions.calls.map(({ method }) => method)).toEqual(["OPTIONS"])
  const [warmth] = await project.sql`select warm_count + cold_count as n from sync_function_warmth`
  expect(Date.now() - began).toBeLessThan(31_000)
  sidecar.kill("SIGTERM")
  expect((await sidecar.exited).code).toBe(0)
  expect(Number(warmth?.n ?? 0)).toBeLessThanOrEqual(1)
})

test("serve exits with 3 and leaves a long run to its lease, and a second signal exits immediately", async () => {
  project.functions.behave(() => hang())
  await project.seedDue(2)
  const patient = await serve({ SYNC_SCHEDULER_DRAIN: "100ms" })
  await project.functions.arrived(2)
  patient.kill("SIGTERM")
  const left = await patient.exited
  expect(left.code).toBe(3)
  expect(left.stderr).toContain("2 runs were still in progress when the shutdown timeout passed")
  expect(await project.statuses()).toEqual({ running: 2 })

  await project.seedDue(2)
  const hasty = await serve()
  await project.functions.arrived(4)
  const logged = hasty.awaitOutput("SIGTERM")
  hasty.kill("SIGTERM")
  await logged
  hasty.kill("SIGTERM")
  expect((await hasty.exited).code).toBe(143)
})

describe("serve does not start", () => {
  const refused = async (
    environment: Readonly<Record<string, string>>,
    ...args: ReadonlyArray<string>
  ) => {
    const { code, stderr } = await (
      await startEngine({ ...project.environment, ...environment }, ["serve", ...args])
    ).exited
    expect(code).toBe(2)
    return stderr
  }

  test("on a network address without a token", async () => {
    const said = await refused({}, "--listen", "0.0.0.0:0")
    expect(said).toContain("SYNC_SCHEDULER_ADMIN_TOKEN")
    expect(said).toContain("openssl rand -hex 32")
  })

  test("on an address that is in use or belongs to another machine", async () => {
    const { url } = await serve()
    expect(await refused({}, "--listen", new URL(url).host)).toContain("is already listening there")
    const token = { SYNC_SCHEDULER_ADMIN_TOKEN: "0123456789abcdef" }
    expect(await refused(token, "--listen", "192.0.2.1:0")).toContain("does not have that address")
  })

  test("without settings or with invalid ones", async () => {
    expect(await refused({ SUPABASE_URL: "" })).toContain("SUPABASE_URL is missing")
    expect(await refused({}, "--interval", "0s")).toContain("SYNC_SCHEDULER_INTERVAL")
    expect(await refused({}, "--listen", "8787")).toContain("host:port")
  })
})
