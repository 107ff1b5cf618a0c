import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { storyAt } from "../../../src/Cli/Demo/DemoStory.ts"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"
import { startSidecar } from "../../support/Sidecar.ts"

setDefaultTimeout(120_000)
let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-demo-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test("the demo history is reproducible, contains nothing from the future, and includes every state", () => {
  const now = Date.UTC(2026, 10, 24, 9, 30)
  const { integrations, runs } = storyAt(now)
  expect(storyAt(now)).toEqual({ integrations, runs })
  expect(integrations.length).toBe(12)
  expect(runs.length).toBeGreaterThan(1_000)
  expect(runs.length).toBeLessThan(5_000)
  for (const { slot } of runs) expect(Number(slot)).toBeLessThan(now)
  expect(new Set(runs.map(({ status }) => status))).toEqual(
    new Set(["completed", "failed", "unknown"])
  )
})

test("no run of the demo's first minutes ends the state of a late or unknown integration", () => {
  const MINUTE = 60_000
  for (
    let now = Date.UTC(2026, 11, 1, 2, 50);
    now < Date.UTC(2026, 11, 1, 5, 20);
    now += 5 * MINUTE
  ) {
    const { integrations, runs } = storyAt(now)
    for (const { n, next_run_at, org } of integrations) {
      const isShown = org === "Soleil Matin" || org === "Meyer Werkzeuge GmbH"
      const next = next_run_at === null ? Number.POSITIVE_INFINITY : Number(next_run_at)
      const least = isShown ? now + 20 * MINUTE : now - MINUTE
      expect([now, org, next >= least]).toEqual([now, org, true])
      const last = Math.max(...runs.flatMap((run) => (run.n === n ? [Number(run.slot)] : [])))
      if (isShown) expect([now, org, last < now - 20 * MINUTE]).toEqual([now, org, true])
    }
  }
})

test("serve --demo creates its data and serves a live page", async () => {
  const sidecar = await startSidecar({}, ["--demo", directory])
  expect(await sidecar.awaitOutput("Created 12 made-up organisations")).not.toBeNull()
  let status = JSON.parse((await sidecar.get("/api/status")).body)
  while (status.counts.invalid_schedule === 0) {
    status = JSON.parse((await sidecar.get("/api/status")).body)
  }
  expect(status).toMatchObject({ verdict: "attention", total: 12 })
  expect(status.counts).toMatchObject({ unknown: 1, failing: 1, paused: 1, never_ran: 1, late: 1 })
  const page = await sidecar.get("/")
  expect(page.status).toBe(200)
  expect(page.body).toContain("O&#39;Neill &lt;Retail&gt; Ltd")

  // The demo stores its history as a real project does.
  const ask = async (...args: ReadonlyArray<string>) =>
    (await runBinary([...args, "--demo", directory], { env: {} })).stdout
  expect(await ask("audit", "--from", "30d")).toMatch(
    /^✓ No holes: each of [\d,]+ slots of 1[12] integrations has one run/m
  )
  const initech = await ask("explain", "initech")
  expect(initech).toMatch(
    /▲ Partly\. \d+ of \d+ runs completed; \d failed\. The .* run failed: TOKEN_EXPIRED, "Xledger answered 401/
  )
  expect(initech).toMatch(/→ run it now: sync-scheduler runs retry --demo \S+ [0-9a-f]{8} --wait\n/)
  expect(await ask("explain", "lind")).toMatch(
    /○ No\. Paused since \d\d-\d\d .* by kari@lind\.example: "New chart of accounts: wait for their accountant"\./
  )
  // The organisations are fictitious, so their APIs are not probed.
  expect(await ask("probe")).toMatch(/would be probed[\s\S]* Nothing was sent or written\.$/m)
  const again = await runBinary(["demo", "--keep", directory], { env: {} })
  expect(again.stderr).toContain("contains the made-up organisations of serve --demo")
  expect(again.code).toBe(2)
  expect(await ask("backfill", "lind", "--from", "2d")).toContain(
    "Would run 48 slots, oldest first"
  )
  const twice = await runBinary(["serve", "--demo", directory, "--listen", "127.0.0.1:0"])
  expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("is already using")])

  // This integration fails until a person triggers it.
  const act = ["trigger", "initech", "--wait", "--yes", "--reason", "token renewed"]
  expect(await ask(...act)).toContain("✓ Completed")
  expect(JSON.parse((await sidecar.get("/api/status")).body).counts.failing).toBe(0)
  expect(await ask(...act)).toContain("on attempt 1")

  sidecar.kill("SIGTERM")
  expect((await sidecar.exited).code).toBe(0)
  expect(await ask("status")).toContain("1 misconfigured")
})

test("commands open the demo directory directly after its serve process was killed", async () => {
  const other = await mkdtemp(join(tmpdir(), "sync-scheduler-killed-"))
  const sidecar = await startSidecar({}, ["--demo", other])
  sidecar.kill("SIGKILL")
  await sidecar.exited
  const explained = await runBinary(["explain", "globex", "--demo", other])
  expect(explained.stdout).toContain("✓ Yes.")
  await rm(other, { recursive: true })
})

test("serve --demo refuses a non-empty directory", async () => {
  const other = await mkdtemp(join(tmpdir(), "sync-scheduler-other-"))
  await Bun.write(join(other, "thesis.txt"), "mine")
  const refused = startSidecar({}, ["--demo", other])
  expect(refused).rejects.toThrow("is not empty, and was not created by a demo")
  await refused.catch(() => undefined)
  await rm(other, { recursive: true })
})
