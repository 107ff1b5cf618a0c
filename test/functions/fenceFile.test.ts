import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buildEdge } from "../../scripts/build-edge.ts"
import { readFence } from "../../src/Cli/Init/FunctionFiles.ts"
import * as modules from "../../supabase/functions/_shared/syncRun.ts"
import { deno, root } from "./support/DenoServer.ts"

setDefaultTimeout(60_000)

let place = ""
beforeAll(async () => {
  await buildEdge()
  place = await mkdtemp(join(tmpdir(), "sync-scheduler-fence-"))
  await mkdir(join(place, "_shared"))
  await writeFile(join(place, "_shared/syncRun.ts"), readFence())
  for (const name of ["integration-sync", "sync-scheduler"]) {
    await cp(join(root, "supabase/functions", name), join(place, name), { recursive: true })
  }
}, 60_000)
afterAll(() => rm(place, { recursive: true, force: true }))

test("the single fence file exports the same names as its modules, and imports nothing", async () => {
  const file: Record<string, unknown> = await import(join(place, "_shared/syncRun.ts"))
  expect(Object.keys(file).toSorted()).toEqual(Object.keys(modules).toSorted())
  expect(readFence()).not.toMatch(/^import |^export .* from /m)
  expect(readFence()).toBe(readFence())
})

test.each(["integration-sync", "sync-scheduler"])(
  "%s passes deno check together with the fence file",
  async (name) => {
    const check = Bun.spawn([deno, "check", "--no-remote", "--no-npm", "index.ts"], {
      cwd: join(place, name),
      env: { PATH: process.env.PATH ?? "", HOME: place, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdout: "pipe",
      stderr: "pipe"
    })
    const stderr = await new Response(check.stderr).text()
    expect([await check.exited, stderr]).toEqual([0, expect.not.stringContaining("error")])
  }
)
