import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import { runBinary } from "../../support/runBinary.ts"

setDefaultTimeout(60_000)

let directory = ""
beforeAll(async () => {
  await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-commands-"))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe("the install command", () => {
  const deploy = join(import.meta.dir, "../../../deploy")
  const places: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["systemd", ["sync-scheduler.service", "sync-scheduler.timer", "env.example"]],
    ["docker", ["Dockerfile.binary", "compose.yaml"]],
    ["k8s", ["cronjob.yaml", "deployment.yaml"]],
    ["pg_cron", ["pg_cron.sql", "pg_cron_uninstall.sql"]]
  ]

  test.each(places)(
    "%s prints the files of the deploy directory unchanged",
    async (target, names) => {
      const json = await runBinary(["install", target, "--print", "-o", "json"])
      const files: ReadonlyArray<{ path: string; text: string }> = JSON.parse(json.stdout)
      expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([...names]))
      const text = await runBinary(["install", target, "--print"])
      for (const file of files) {
        const folder = target === "pg_cron" ? deploy : join(deploy, target)
        expect(file.text).toBe(await readFile(join(folder, file.path), "utf8"))
        expect(text.stdout).toContain(file.text.trimEnd())
      }
      expect([json.code, text.code]).toEqual([0, 0])
    }
  )

  test("files are written into a directory; an existing file is never overwritten (exit 3)", async () => {
    const into = join(directory, "units")
    const write = () => runBinary(["install", "systemd", "--write", into])
    expect((await write()).code).toBe(0)
    expect((await readdir(into)).toSorted()).toEqual(
      (await readdir(join(deploy, "systemd"))).toSorted()
    )
    expect(await write()).toMatchObject({ code: 0, stdout: expect.stringContaining("unchanged") })
    await writeFile(join(into, "sync-scheduler.timer"), "mine")
    const again = await write()
    expect(again.stdout).toMatch(/different +sync-scheduler\.timer/)
    expect(again.code).toBe(3)
    expect(await readFile(join(into, "sync-scheduler.timer"), "utf8")).toBe("mine")
    const neither = await runBinary(["install", "systemd"])
    expect(neither.stderr).toContain("--print")
    expect(neither.code).toBe(2)
    const wrong = await runBinary(["install", "sytemd", "--print"])
    expect(wrong.stderr).toContain('Did you mean "systemd"?')
    expect(wrong.code).toBe(2)
  })
})
