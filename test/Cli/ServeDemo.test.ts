import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { storyAt } from "../../src/Cli/DemoStory.ts"
import { binaryPath } from "../support/binary.ts"
import { startSidecar } from "../support/Sidecar.ts"

setDefaultTimeout(120_000)
let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-demo-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test("the story: the same at the same instant, nothing of the future in it, something in every state", () => {
  const now = Date.UTC(2026, 10, 24, 9, 30)
  const { integrations, runs } = storyAt(now)
  expect(storyAt(now)).toEqual({ integrations, runs })
  expect(integrations.length).toBe(12)
  expect(runs.length).toBeGreaterThan(1_000)
  expect(runs.length).toBeLessThan(5_000)
  for (const { slot } of runs) expect(Number(slot)).toBeLessThan(now)
  for (const { next_run_at } of integrations) {
    if (next_run_at !== null) expect(Number(next_run_at)).toBeGreaterThan(now)
  }
  expect(new Set(runs.map(({ status }) => status))).toEqual(
    new Set(["completed", "failed", "unknown"])
  )
})

test("serve --demo: from nothing to a page that is alive", async () => {
  const sidecar = await startSidecar({}, ["--demo", directory])
  expect(await sidecar.heard("Made 12 made-up organisations")).not.toBeNull()
  let status = JSON.parse((await sidecar.get("/api/status")).body)
  while (status.counts.invalid_schedule === 0) {
    status = JSON.parse((await sidecar.get("/api/status")).body)
  }
  expect(status).toMatchObject({ verdict: "attention", total: 12 })
  expect(status.counts).toMatchObject({ unknown: 1, failing: 1, paused: 1, no_data: 1, late: 1 })
  const page = await sidecar.get("/")
  expect(page.status).toBe(200)
  expect(page.body).toContain("O&#39;Neill &lt;Retail&gt; Ltd")
  sidecar.kill("SIGTERM")
  expect((await sidecar.exited).code).toBe(0)
})

test("serve --demo refuses a directory with something else in it", async () => {
  const other = await mkdtemp(join(tmpdir(), "sync-scheduler-other-"))
  await Bun.write(join(other, "thesis.txt"), "mine")
  const refused = startSidecar({}, ["--demo", other])
  expect(refused).rejects.toThrow("not from an earlier demo")
  await refused.catch(() => undefined)
  await rm(other, { recursive: true })
})
