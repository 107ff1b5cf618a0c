import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { binaryPath } from "../support/binary.ts"
import { type NpmRegistry, startNpmRegistry } from "../support/NpmRegistry.ts"
import { type Project, startProject } from "../support/Project.ts"
import { run } from "./run.ts"

setDefaultTimeout(300_000)

const root = join(import.meta.dir, "../..")
const node = Bun.which("node") ?? "node"
const deno = join(root, "node_modules/.bin/deno")

let place: string
let files: string
let app: string
let registry: NpmRegistry
let project: Project

const packageOf = (name: string, dependencies: Readonly<Record<string, string>>) =>
  JSON.stringify({ name, private: true, type: "module", dependencies })

const needs = {
  "sync-scheduler": manifest.version,
  "@supabase/supabase-js": manifest.dependencies["@supabase/supabase-js"]
}

const ZONE = `
import { Schedule } from "sync-scheduler/layers"
console.log(Schedule.parse("0 2 * * *", "Europe/Oslo")._tag)
`

/** supabase-js requires a WebSocket, which Node.js has provided only since version 22. */
const WEB_SOCKET = "globalThis.WebSocket ??= class {}\n"

/** Leaves imports of the package unresolved, because tsconfig.json would resolve them to the sources. */
const PUBLISHED: Bun.BunPlugin = {
  name: "published",
  setup: (build) => {
    build.onResolve({ filter: /^sync-scheduler(\/|$)/ }, ({ path }) => ({ path, external: true }))
  }
}

const bundles = new Map<string, Promise<string>>()

const built = (path: string): Promise<string> => {
  const bundle = bundles.get(path) ?? buildExample(path)
  bundles.set(path, bundle)
  return bundle
}

/** Node.js before 22.18 cannot run TypeScript. */
const buildExample = async (path: string): Promise<string> => {
  const name = path.replaceAll("/", "-").replace(/\.ts$/, "")
  const { success } = await Bun.build({
    entrypoints: [join(root, "examples", path)],
    outdir: app,
    naming: `${name}.mjs`,
    packages: "external",
    plugins: [PUBLISHED],
    banner: WEB_SOCKET
  })
  expect(success).toBe(true)
  return `${name}.mjs`
}

beforeAll(async () => {
  const binary = await binaryPath()
  place = await mkdtemp(join(tmpdir(), "sync-scheduler-npm-"))
  const release = await run(
    [
      ...[
        process.execPath,
        join(root, "scripts/release.ts"),
        "--unfrozen",
        "--npm-only",
        "--platform",
        "linux-x64"
      ],
      ...["--binary", binary, "--out", join(place, "release"), "--source", "https://example.com/"]
    ],
    root
  )
  expect([release.code, release.stderr]).toEqual([0, expect.stringContaining("checksums.txt")])
  files = join(place, "release/files")
  const packages = (await readdir(files)).filter((name) => name.endsWith(".tgz"))
  registry = await startNpmRegistry(packages.map((name) => join(files, name)))

  app = join(place, "app")
  await mkdir(app)
  await writeFile(join(app, "package.json"), packageOf("app", needs))
  const flags = [
    "--registry",
    registry.url,
    "--cache",
    join(place, "npm"),
    "--no-audit",
    "--no-fund"
  ]
  const npm = await run(["npm", "install", ...flags], app)
  expect([npm.code, npm.stderr]).toEqual([0, expect.not.stringContaining("ERR")])
  project = await startProject()
}, 300_000)
afterAll(async () => {
  await project?.close()
  await registry?.close()
  await rm(place, { recursive: true, force: true })
})

describe("the release files", () => {
  test("have correct checksums, and a bill of materials for everything in the binary", async () => {
    const check = await run(["sha256sum", "--check", "--strict", "checksums.txt"], files)
    expect([check.code, check.stdout.match(/: OK/g)?.length]).toEqual([0, 4])
    const rules = await readFile(
      join(files, `sync-scheduler-${manifest.version}-rules.yaml`),
      "utf8"
    )
    expect(rules).toContain("runbook_url: https://example.com/docs/runbooks/SyncOverdue.md")
    const sbom = JSON.parse(
      await readFile(join(files, `sync-scheduler-${manifest.version}.spdx.json`), "utf8")
    )
    expect(sbom).toMatchObject({ spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0" })
    const found: ReadonlyArray<{ name: string; versionInfo: string; licenseDeclared: string }> =
      sbom.packages
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      expect(found).toContainEqual(expect.objectContaining({ name, versionInfo: version }))
    }
    expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(["bun", "fast-check"]))
    expect(found.map(({ name }) => name)).not.toContain("typescript")
    const ids = sbom.packages.map(({ SPDXID }: { SPDXID: string }) => SPDXID)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.every((id: string) => /^SPDXRef-[A-Za-z0-9.-]+$/.test(id))).toBe(true)
  })

  test("name no path of the build machine, and contain no test", async () => {
    const listed = await run(["tar", "-tzf", `sync-scheduler-${manifest.version}.tgz`], files)
    expect(listed.stdout).toContain("package/lib/src/job-trigger-engine.js")
    expect(listed.stdout).not.toMatch(/\.test\.|tsconfig|node_modules/)
    const library = join(app, "node_modules/sync-scheduler/lib")
    const found = await run(["grep", "-rl", root, library], app)
    expect(found.stdout).toBe("")
  })
})

describe("the package, installed with npm", () => {
  test("fetches only this platform's binary", () => {
    const ours = registry.fetched.filter((name) => name.includes("sync-scheduler"))
    expect(ours.toSorted()).toEqual(["@sync-scheduler/linux-x64", "sync-scheduler"])
  })

  test("starts the binary, passes on its exit code, and is not affected by a hostile directory", async () => {
    const hostile = join(place, "hostile")
    await mkdir(hostile)
    await writeFile(join(hostile, ".env"), "SUPABASE_URL=https://from-dotenv.example\n")
    await writeFile(join(hostile, "bunfig.toml"), 'preload = ["./preloaded.ts"]\n')
    await writeFile(join(hostile, "preloaded.ts"), 'console.log("preloaded")\n')
    const command = join(app, "node_modules/.bin/sync-scheduler")
    const odd = { BUN_OPTIONS: "--preload ./preloaded.ts", BUN_BE_BUN: "1" }
    const version = await run([command, "--version"], hostile, odd)
    expect(version).toMatchObject({ code: 0, stderr: "" })
    expect(version.stdout).toContain(manifest.version)
    const refused = await run([command, "run"], hostile, odd)
    expect([refused.code, refused.stdout]).toEqual([2, ""])
    expect(refused.stderr).toContain("SUPABASE_URL")
    expect(refused.stderr).not.toContain("from-dotenv")
  })

  test("says what to do if the platform package is missing", async () => {
    const shim = join(place, "alone.mjs")
    await writeFile(
      shim,
      await readFile(join(app, "node_modules/sync-scheduler/bin/sync-scheduler.mjs"), "utf8")
    )
    const alone = await run([node, shim, "--version"], place)
    expect(alone.code).toBe(2)
    expect(alone.stderr).toMatch(/@sync-scheduler\/linux-x64 is missing\n {2}fix: /)
  })

  for (const [runtime, command] of [
    ["Node", [node]],
    ["Bun", [process.execPath]],
    ["Deno", [deno, "run", "-A", "--node-modules-dir=manual"]]
  ] as const) {
    test(`${runtime}: runs the library's example over a real database`, async () => {
      await project.seedDue(3)
      const before = project.functions.invocations.length
      const tick = await run([...command, await built("library/tick.ts")], app, project.environment)
      expect(tick).toMatchObject({ code: 0 })
      const summary = { due: 3, triggered: 3, completed: 3, failed: 0, errors: [] }
      expect(JSON.parse(tick.stdout)).toMatchObject(summary)
      expect(project.functions.invocations.length).toBe(before + 3)
    })

    test(`${runtime}: runs the test examples, with Layers and with the test kit`, async () => {
      const layers = await run([...command, await built("layers/tick.ts")], app)
      expect(layers).toMatchObject({ code: 0 })
      const invoices = await run([...command, await built("edge-function/exportInvoices.ts")], app)
      expect(invoices).toMatchObject({ code: 0 })
      const kit = await run([...command, await built("edge-function/exportPeriod.kit.ts")], app)
      expect(kit).toMatchObject({ code: 0, stdout: "the example works\n" })
    })

    test(`${runtime}: knows time zones`, async () => {
      await writeFile(join(app, "zone.mjs"), ZONE)
      expect((await run([...command, "zone.mjs"], app)).stdout).toBe("Right\n")
    })
  }

  test.each(["SIGTERM", "SIGHUP", "SIGQUIT"] as const)(
    "passes %s on: serve finishes and exits with 0",
    async (signal) => {
      const { PATH = "" } = process.env
      // A call from the stopped server might still hold reservations in the other project.
      const own = await startProject()
      const shim = Bun.spawn(
        [join(app, "node_modules/.bin/sync-scheduler"), "serve", "--listen", "127.0.0.1:0"],
        { cwd: app, env: { PATH, ...own.environment }, stdin: "ignore", stdout: "ignore" }
      )
      while (own.gateway.faults.calls("open_sync_tick") === 0) await Bun.sleep(50)
      shim.kill("SIGUSR1")
      shim.kill(signal)
      expect(await shim.exited).toBe(0)
      await own.close()
    }
  )

  test("contains the Edge Function's engine, which works in Deno", async () => {
    await writeFile(
      join(app, "edge.mjs"),
      `import { makeEdgeEngine } from "sync-scheduler/edge"
       console.log(JSON.stringify(await makeEdgeEngine(Deno.env.toObject()).tick()))`
    )
    await project.seedDue(2)
    const command = [deno, "run", "-A", "--node-modules-dir=manual", "edge.mjs"]
    const tick = await run(command, app, project.environment)
    expect(tick).toMatchObject({ code: 0 })
    expect(JSON.parse(tick.stdout)).toMatchObject({ ok: true, summary: { completed: 2 } })
  })

  test("has correct types for every module resolution, and programs that use them compile", async () => {
    await copyFile(join(root, "examples/library/tick.ts"), join(app, "tick.ts"))
    await copyFile(join(root, "examples/layers/tick.ts"), join(app, "layers.ts"))
    await copyFile(join(root, "examples/edge-function/exportInvoices.ts"), join(app, "invoices.ts"))
    await writeFile(
      join(app, "world.ts"),
      'import type { World } from "sync-scheduler/testing"\nexport const sent = (world: World) => world.invocations\n'
    )
    await writeFile(
      join(app, "wrong.ts"),
      'import { runScheduledJobs } from "sync-scheduler"\nexport const wrong = runScheduledJobs(1, "")\n'
    )
    await writeFile(
      join(app, "node.d.ts"),
      `declare const process: { readonly env: Readonly<Record<string, string>> }
       declare module "node:assert" {
         export const strict: Record<"equal" | "deepEqual", (actual: unknown, expected: unknown) => void>
       }`
    )
    const programs = ["tick.ts", "layers.ts", "invoices.ts", "world.ts", "node.d.ts"]
    for (const [module, moduleResolution] of [
      ["NodeNext", "NodeNext"],
      ["Preserve", "bundler"]
    ] as const) {
      const options = [
        "--noEmit",
        "--strict",
        "--target",
        "ESNext",
        "--lib",
        "ESNext,DOM,DOM.Iterable,DOM.AsyncIterable"
      ]
      const flags = [
        ...options,
        "--types",
        "",
        "--module",
        module,
        "--moduleResolution",
        moduleResolution
      ]
      const tsc = [join(root, "node_modules/.bin/tsc"), ...flags]
      // Declarations are checked only under the stricter module setting.
      const once = module === "NodeNext" ? [] : ["--skipLibCheck"]
      const wrong = module === "Preserve" ? ["wrong.ts"] : []
      const checked = await run([...tsc, ...once, ...programs, ...wrong], app)
      const ours = checked.stdout
        .split("\n")
        .filter((line) => !/^node_modules\/(?!sync-scheduler)|^ |^$/.test(line))
      const found = wrong.map((name) => expect.stringContaining(`${name}(2,`))
      expect([moduleResolution, ours]).toEqual([moduleResolution, found])
    }
  })
})
