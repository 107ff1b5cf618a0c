/**
 * Builds the binary: `bun run build [--target bun-linux-arm64] [--outfile path] [--commit sha] [--if-stale]`.
 *
 * It is compiled with bytecode (start-up) and a source map (readable stack traces), knows its version and commit
 * without looking at a file, and loads neither `.env` nor `bunfig.toml` from the directory it is started in: the
 * latter would execute whatever it names. It carries a database directory for the embedded database to begin with.
 * `--target` is one of Platforms.ts; by default it is built for this machine. `--commit` is for builds without a git
 * checkout; `--if-stale` builds only when there is no binary, or one that is older than what it is made of.
 */
import { mkdir, rename, rm, stat, utimes } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import manifest from "../package.json" with { type: "json" }
import { buildEdge } from "./build-edge.ts"
import { CLOSED, COMPILED } from "./Compiled.ts"
import { PLATFORMS } from "./Platforms.ts"
import { makeSeed } from "./seed-embedded.ts"

const root = resolve(import.meta.dir, "..")

/** The commit of this checkout, `unknown` outside of one: a build from a tarball is still a build. */
const commitOfCheckout = (): string => {
  const git = Bun.which("git")
  if (git === null) return "unknown"
  const describe = Bun.spawnSync(
    [git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
    { cwd: root, stderr: "ignore" }
  )
  return describe.success ? describe.stdout.toString().trim() : "unknown"
}

/** What the binary is made of; a folder's own time tells when a file in it went away. */
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

const readOptions = () => {
  try {
    return parseArgs({
      args: Bun.argv.slice(2),
      options: {
        target: { type: "string" },
        outfile: { type: "string", default: join(root, "dist", "sync-scheduler") },
        commit: { type: "string" },
        "if-stale": { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const options = readOptions()
const target = PLATFORMS.find((known) => known.target === options.target)?.target
if (options.target !== undefined && target === undefined) {
  const known = PLATFORMS.map((platform) => platform.target).join(", ")
  usage(`unknown target ${options.target}; one of ${known}`)
}
const wanted = resolve(options.outfile)
const outfile = target?.includes("windows") && !wanted.endsWith(".exe") ? `${wanted}.exe` : wanted

// Before anything may embed it.
await buildEdge(!options["if-stale"])
if (options["if-stale"] && (await isFresh(outfile))) process.exit(0)

// Built beside its place and moved into it: whoever runs the old one meanwhile is not disturbed, and two
// builds at once leave one whole binary. It is dated by the start of the build, so that a source edited
// meanwhile is newer than the binary.
const startedAt = new Date()
const workshop = join(dirname(outfile), `.build-${process.pid}`)
const part = join(workshop, basename(outfile))
await mkdir(workshop, { recursive: true })
try {
  const result = await Bun.build({
    entrypoints: [join(root, "src", "main.ts")],
    ...COMPILED,
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
  // The maps are inside the binary as well; Bun leaves a copy of each beside it.
  await rm(workshop, { recursive: true, force: true })
}
