/**
 * Builds the binary. Usage: `bun run build [--target bun-linux-arm64] [--outfile path] [--commit sha] [--if-stale]`.
 *
 * `--target` is one of the targets in Platforms.ts; the default is this machine. `--commit` is for builds without a git checkout.
 * `--if-stale` builds only if the binary is missing or older than its sources. The binary contains an initial database directory
 * for the embedded database.
 */
import { mkdir, rename, rm, stat, utimes } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import manifest from "../package.json" with { type: "json" }
import { buildEdge } from "./build-edge.ts"
import { CLOSED, COMPILED } from "./Compiled.ts"
import { directImports } from "./DirectImports.ts"
import { PLATFORMS } from "./Platforms.ts"
import { parseOptions } from "./parseOptions.ts"
import { makeSeed } from "./seed-embedded.ts"

const root = resolve(import.meta.dir, "..")

/** Returns `unknown` outside a checkout, such as in a source tarball. */
const commitOfCheckout = (): string => {
  const git = Bun.which("git")
  if (git === null) return "unknown"
  const describe = Bun.spawnSync(
    [git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
    { cwd: root, stderr: "ignore" }
  )
  return describe.success ? describe.stdout.toString().trim() : "unknown"
}

/** The binary's sources. Deleting a file changes the modification time of its folder. */
const SOURCES = [
  "src/**",
  "supabase/migrations/**",
  "supabase/functions/**",
  "supabase/*",
  "deploy/**",
  "scripts/*.ts",
  "package.json",
  "bun.lock"
] as const

const modifiedAt = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

const isFresh = async (binary: string): Promise<boolean> => {
  const paths = SOURCES.flatMap((pattern) => [
    ...new Bun.Glob(pattern).scanSync({ cwd: root, onlyFiles: false })
  ])
  const newest = Math.max(...(await Promise.all(paths.map((path) => modifiedAt(join(root, path))))))
  return (await modifiedAt(binary)) > newest
}

const usage = (message: string): never => {
  console.error(`build: ${message}`)
  process.exit(2)
}

const options = parseOptions({
  options: {
    target: { type: "string" },
    outfile: { type: "string", default: join(root, "dist", "sync-scheduler") },
    commit: { type: "string" },
    "if-stale": { type: "boolean", default: false }
  }
}).values
const target = PLATFORMS.find((known) => known.target === options.target)?.target
if (options.target !== undefined && target === undefined) {
  const known = PLATFORMS.map((platform) => platform.target).join(", ")
  usage(`unknown target ${options.target}; one of ${known}`)
}
const wanted = resolve(options.outfile)
const outfile = target?.includes("windows") && !wanted.endsWith(".exe") ? `${wanted}.exe` : wanted

// The binary may embed the edge bundle, so the bundle is built first.
await buildEdge(!options["if-stale"])
if (options["if-stale"] && (await isFresh(outfile))) process.exit(0)

// Builds in a temporary directory and then moves the binary, so that processes running the old binary are not disturbed. The
// modification time is the start of the build, so that a source edited during the build is newer.
const startedAt = new Date()
const buildDirectory = join(dirname(outfile), `.build-${process.pid}`)
const part = join(buildDirectory, basename(outfile))
await mkdir(buildDirectory, { recursive: true })
try {
  const result = await Bun.build({
    entrypoints: [join(root, "src", "main.ts")],
    ...COMPILED,
    plugins: [directImports],
    sourcemap: "inline",
    define: {
      SYNC_SCHEDULER_VERSION: JSON.stringify(manifest.version),
      SYNC_SCHEDULER_COMMIT: JSON.stringify(options.commit ?? commitOfCheckout())
    },
    compile: {
      outfile: part,
      assets: [await makeSeed()],
      ...CLOSED,
      ...(target === undefined ? {} : { target })
    },
    throw: false
  })
  for (const log of result.logs) console.error(Bun.inspect(log))
  if (result.success) {
    await utimes(part, startedAt, startedAt)
    await rename(part, outfile)
    const { size } = await stat(outfile)
    console.error(`built ${outfile} (${(size / 1e6).toFixed(0)} MB)`)
  } else {
    process.exitCode = 1
  }
} finally {
  // Bun leaves a copy of each source map next to the binary, which already contains the maps.
  await rm(buildDirectory, { recursive: true, force: true })
}
