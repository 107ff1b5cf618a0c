import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { type Sidecar, startSidecar } from "../support/Sidecar.ts"

beforeAll(binaryPath, 60_000)
let project: Project
let sidecars: Array<Sidecar> = []
beforeEach(async () => {
  project = await startProject()
})
afterEach(async () => {
  for (const { kill } of sidecars) kill("SIGKILL")
  sidecars = []
  await project.close()
})

const serve = async (
  environment: Readonly<Record<string, string>> = {},
  ...args: ReadonlyArray<string>
): Promise<Sidecar> => {
  const sidecar = await startSidecar({ ...project.environment, ...environment }, args)
  sidecars.push(sidecar)
  return sidecar
}

const DIRECT = () => ({ SUPABASE_DB_URL: project.database.url })

describe.each(["the API", "a direct connection"])("over %s", (over) => {
  test("ticks by itself, and SIGTERM lets what is in flight finish: exit 0", async () => {
    const mayAnswer = Promise.withResolvers<void>()
    await project.seedDue(2)
    const sidecar = await serve(over === "the API" ? {} : DIRECT(), "--interval", "1s")
    await project.functions.arrived(2)
    await sidecar.heard("2 completed")
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
    await sidecar.heard("SIGTERM")
    let draining = await sidecar.get("/readyz?verbose")
    while (draining.status === 200) draining = await sidecar.get("/readyz?verbose")
    expect(draining.body).toContain("[-] running: stopping: nothing new is started, 5 in flight")
    expect((await sidecar.get("/livez")).status).toBe(200)
    mayAnswer.resolve()
    expect((await sidecar.exited).code).toBe(0)
    expect(await project.statuses()).toEqual({ completed: 7, pending: 2 })
  }, 30_000)
})
