import { afterAll, beforeAll, describe, expect, it } from "bun:test"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { VERSION } from "../src/Version.ts"
import { binaryPath } from "./support/binary.ts"

const root = resolve(import.meta.dir, "..")
const build = join(root, "scripts", "build.ts")

let binary = ""
let directory = ""

beforeAll(async () => {
  binary = await binaryPath()
  directory = await mkdtemp(join(tmpdir(), "sync-scheduler-build-"))
}, 60_000)

afterAll(() => rm(directory, { recursive: true, force: true }))

const start = async (command: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const child = Bun.spawn([...command], {
    cwd: directory,
    env: environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited
  ])
  return { stdout, stderr, exitCode }
}

describe("the binary", () => {
  it("knows its version and commit without environment variables or files", async () => {
    const { stdout, stderr, exitCode } = await start([binary, "--version"])
    expect(stdout).toMatch(
      /^sync-scheduler \S+ \(([0-9a-f]{12}(-dirty)?|unknown)\)\nBun \S+, time zones .*\d\n$/
    )
    expect(stdout).toContain(` ${VERSION} `)
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 })
  })

  it("loads neither .env nor bunfig.toml from the working directory", async () => {
    await writeFile(join(directory, "preloaded.ts"), 'console.log("preloaded")')
    await writeFile(join(directory, "bunfig.toml"), 'preload = ["./preloaded.ts"]\n')
    await writeFile(join(directory, ".env"), "SUPABASE_URL=https://from-dotenv.example\n")
    await writeFile(join(directory, "tsconfig.json"), "not json")
    const help = await start([binary, "--help"])
    expect(help.stdout).toStartWith("Sync Scheduler")
    expect(help.exitCode).toBe(0)
    // Without settings, the binary refuses to tick. If it read .env, it would try to reach the host in that file.
    const tick = await start([binary, "run"])
    expect(tick.stdout + tick.stderr).not.toContain("from-dotenv")
    expect(tick.stderr).toContain("SUPABASE_URL")
    expect(tick.exitCode).toBe(2)
  })

  it("contains its migrations", async () => {
    const { stdout, exitCode } = await start([binary, "schema", "print"])
    const files = [...new Bun.Glob("supabase/migrations/*.sql").scanSync({ cwd: root })]
    const missing = await Promise.all(
      files.map(async (file) => {
        const sql = await readFile(join(root, file), "utf8")
        return stdout.includes(sql.trim()) ? [] : [file]
      })
    )
    expect(files.length).toBeGreaterThan(0)
    expect(missing.flat()).toEqual([])
    expect(exitCode).toBe(0)
  })
})

describe("the build", () => {
  it("refuses an unreleased target and an unknown option", async () => {
    const target = await start([process.execPath, build, "--target", "bun-vax"])
    expect(target.stderr).toContain("unknown target bun-vax; one of bun-linux-x64")
    const option = await start([process.execPath, build, "--optimise"])
    expect(option.stderr).toContain("--optimise")
    expect([target.exitCode, option.exitCode]).toEqual([2, 2])
  })
})
