import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { freePort } from "../support/freePort.ts"
import { readDocument } from "./Document.ts"

setDefaultTimeout(120_000)

const OURS = "shown-by=test/docs/firstScreen.test.ts"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-first-screen-"))
  await symlink(await binaryPath(), join(directory, "sync-scheduler"))
}, 120_000)
afterAll(() => rm(directory, { recursive: true, force: true }))

/** `port` replaces the default port, so that tests can run concurrently. */
const type = (line: string, port: number) =>
  Bun.spawn(["bash", "-c", line.startsWith("sync-scheduler serve") ? `exec ${line}` : line], {
    cwd: directory,
    env: {
      PATH: `${directory}:/usr/bin:/bin`,
      HOME: directory,
      SYNC_SCHEDULER_LISTEN: `127.0.0.1:${port}`
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })

test("the commands on the README's first screen work unchanged, in order, while serve runs", async () => {
  const blocks = readDocument("README.md").blocks.filter(({ notes }) => notes.includes(OURS))
  const [serve = "", ...lines] = blocks.flatMap(({ text }) => text.trim().split("\n"))
  expect(serve).toStartWith("sync-scheduler serve --demo")
  const port = await freePort()
  const serving = type(serve, port)
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ ok }) => ok,
      () => false
    )
  while (!(await isReady())) {
    expect(serving.exitCode).toBeNull()
    await Bun.sleep(100)
  }
  const shown: Array<string> = []
  for (const line of lines) {
    const child = type(line, port)
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited
    ])
    expect([line, stderr, code]).toEqual([line, "", 0])
    shown.push(stdout)
  }
  expect(shown[0]).toContain('TOKEN_EXPIRED, "Xledger answered 401: token expired"')
  expect(shown[1]).toContain("✓ Completed on attempt 1")
  expect(shown[2]).not.toContain("failing")
  serving.kill("SIGTERM")
  expect(await serving.exited).toBe(0)
})
