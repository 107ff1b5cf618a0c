import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parse } from "../../src/Metrics/MetricsFileMerge.ts"
import { binaryPath } from "../support/binary.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
let directory: string
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
  directory = await mkdtemp(join(tmpdir(), "metrics-"))
}, 120_000)
afterAll(async () => {
  await project.close()
  await rm(directory, { recursive: true })
})

const run = (path: string, env: Readonly<Record<string, string>> = {}) =>
  runBinary(["run", "--metrics-file", path], { env: { ...project.environment, ...env } })

const valueIn = async (path: string, name: string) =>
  parse(await Bun.file(path).text()).get(`sync_scheduler_${name}`)

test("consecutive ticks add up: runs, an idle tick and a failed tick", async () => {
  const path = join(directory, "sync_scheduler.prom")
  const completed = 'runs_total{integration_type="xledger",status="completed",trigger="schedule"}'
  await project.seedDue(2)
  expect((await run(path)).code).toBe(0)
  expect(await valueIn(path, completed)).toBe(2)
  expect(await valueIn(path, 'ticks_total{result="ok"}')).toBe(1)
  const first = await valueIn(path, "last_tick_timestamp_seconds")

  expect((await run(path)).code).toBe(0)
  expect(await valueIn(path, completed)).toBe(2)
  expect(await valueIn(path, 'ticks_total{result="ok"}')).toBe(2)
  const second = await valueIn(path, "last_tick_timestamp_seconds")
  expect(second).toBeGreaterThan(first ?? Number.POSITIVE_INFINITY)

  expect((await run(path, { SUPABASE_SECRET_KEY: "sb_secret_not_the_one" })).code).toBe(4)
  expect(await valueIn(path, 'tick_errors_total{code="KEY_REFUSED"}')).toBe(1)
  expect(await valueIn(path, "last_tick_timestamp_seconds")).toBe(second)
  expect((await readdir(directory)).filter((name) => name.endsWith(".tmp"))).toEqual([])
  expect((await stat(path)).mode & 0o777).toBe(0o644)
})

test("an unwritable file is a warning and does not affect the tick", async () => {
  for (const path of [join(directory, "nowhere", "x.prom"), directory]) {
    await project.seedDue(1)
    const { code, stderr } = await run(path)
    expect(code).toBe(0)
    expect(stderr).toContain(`could not be written to ${path}`)
    expect(stderr).toContain("--metrics-file")
  }
})

test("a file with other content is replaced", async () => {
  const path = join(directory, "other.prom")
  await Bun.write(path, "not metrics\n".repeat(200_000))
  expect((await run(path)).code).toBe(0)
  expect(await valueIn(path, 'ticks_total{result="ok"}')).toBe(1)
})
