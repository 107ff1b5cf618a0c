import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import jsr from "../../jsr.json" with { type: "json" }
import manifest from "../../package.json" with { type: "json" }
import { ENTRIES } from "../../scripts/release/Library.ts"
import { type NpmRegistry, startNpmRegistry } from "../support/NpmRegistry.ts"
import { run } from "./run.ts"

setDefaultTimeout(900_000)

const root = join(import.meta.dir, "../..")

let place: string
let files: string
let registry: NpmRegistry

// Linux x64 is the most common server platform. Windows x64 has a different archive format.
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "sync-scheduler-release-"))
  const platforms = ["--platform", "linux-x64", "--platform", "win32-x64"]
  const script = [process.execPath, join(root, "scripts/release.ts"), "--unfrozen", ...platforms]
  const release = await run([...script, "--out", join(place, "release")], root)
  expect([release.code, release.stderr]).toEqual([0, expect.stringContaining("checksums.txt")])
  files = join(place, "release/files")
  const packages = (await readdir(files)).filter((name) => name.endsWith(".tgz"))
  registry = await startNpmRegistry(packages.map((name) => join(files, name)))
}, 900_000)
afterAll(async () => {
  await registry?.close()
  await rm(place, { recursive: true, force: true })
})

test("the archives match checksums.txt, and contain a working program", async () => {
  const check = await run(["sha256sum", "--check", "--strict", "checksums.txt"], files)
  expect([check.code, check.stdout.match(/: OK/g)?.length]).toEqual([0, 6])

  const name = `sync-scheduler-${manifest.version}`
  const unpacked = join(place, "unpacked")
  await mkdir(unpacked)
  await run(["tar", "-xzf", join(files, `${name}-linux-x64.tar.gz`), "-C", unpacked], place)
  expect((await readdir(unpacked)).toSorted()).toEqual(["LICENSE", "README.md", "sync-scheduler"])
  const program = join(unpacked, "sync-scheduler")
  expect((await stat(program)).mode & 0o777).toBe(0o755)
  const version = await run([program, "--version"], unpacked)
  expect(version.stdout).toContain(manifest.version)
  expect(JSON.parse((await run([program, "demo", "-o", "json"], unpacked)).stdout)).toMatchObject({
    due: 3,
    completed: 2,
    failed: 1
  })
  const listed = await run(["unzip", "-Z1", join(files, `${name}-win32-x64.zip`)], place)
  expect(listed.stdout.trim().split("\n")).toEqual(["sync-scheduler.exe", "LICENSE", "README.md"])
})

test("an installation with Bun fetches only this platform's binary, and the command works", async () => {
  const directory = join(place, "bun")
  await mkdir(directory)
  const dependencies = { "sync-scheduler": manifest.version }
  await writeFile(join(directory, "package.json"), JSON.stringify({ name: "app", dependencies }))
  await writeFile(
    join(directory, "bunfig.toml"),
    `[install]\nregistry = "${registry.url}"\ncache = "${join(place, "bun-cache")}"\n`
  )
  const install = await run([process.execPath, "install", "--no-progress"], directory)
  expect(install).toMatchObject({ code: 0 })
  expect(await readdir(join(directory, "node_modules/@sync-scheduler"))).toEqual(["linux-x64"])
  const version = await run([join(directory, "node_modules/.bin/sync-scheduler"), "version"], place)
  expect(version.stdout).toContain(manifest.version)
})

test("JSR accepts the sources under the same names", async () => {
  expect(
    Object.fromEntries(Object.entries(jsr.exports).map(([key, path]) => [key, path.slice(2)]))
  ).toEqual({
    ...ENTRIES
  })
  expect(jsr.version).toBe(manifest.version)
  const copy = join(place, "jsr")
  await mkdir(copy)
  for (const path of [
    "src",
    "test",
    "supabase/functions",
    "package.json",
    "jsr.json",
    "LICENSE",
    "README.md",
    "CHANGELOG.md"
  ]) {
    await cp(join(root, path), join(copy, path), { recursive: true })
  }
  await symlink(join(root, "node_modules"), join(copy, "node_modules"))
  const deno = [join(root, "node_modules/.bin/deno"), "publish", "--dry-run", "--allow-dirty"]
  // JSR classifies types that are inferred from schemas as slow types.
  const dry = await run([...deno, "--allow-slow-types", "--no-check"], copy)
  expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining("Dry run complete")])
  expect(dry.stderr).not.toContain("src/Cli")
  expect(await readFile(join(copy, "jsr.json"), "utf8")).toBe(
    await readFile(join(root, "jsr.json"), "utf8")
  )
})
