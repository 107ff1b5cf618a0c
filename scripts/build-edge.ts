/**
 * Bundles src/edge.ts, the engine for the Edge Function, into supabase/functions/sync-scheduler/engine.js, a file without
 * imports. The file is not committed, because every source change would change it.
 * Usage: `bun scripts/build-edge.ts [--if-stale]`.
 */
import { mkdir, rename, stat, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import manifest from "../package.json" with { type: "json" }

const root = resolve(import.meta.dir, "..")
const SOURCES = ["src/**", "scripts/build-edge.ts", "package.json", "bun.lock"] as const

export const edgeBundle: string = join(root, "supabase/functions/sync-scheduler/engine.js")

/** Returns the text of the bundle. The output is reproducible. */
export const bundleEdge = async (): Promise<string> => {
  const result = await Bun.build({
    entrypoints: [join(root, "src/edge.ts")],
    target: "browser",
    format: "esm",
    minify: true,
    define: {
      SYNC_SCHEDULER_VERSION: JSON.stringify(manifest.version),
      SYNC_SCHEDULER_COMMIT: '"edge"'
    },
    throw: true
  })
  const [output] = result.outputs
  if (output === undefined || result.outputs.length !== 1)
    throw new Error("the bundle is not a single file")
  const text = await output.text()
  return `// Sync Scheduler ${manifest.version}, ${manifest.license}: src/edge.ts and its imports, bundled. Do not edit.\n${text}`
}

export const buildEdge = async (isForced = false): Promise<void> => {
  const startedAt = Date.now()
  if (!isForced && (await isFresh())) return
  const text = await bundleEdge()
  const part = `${edgeBundle}.${process.pid}`
  await mkdir(dirname(edgeBundle), { recursive: true })
  await writeFile(part, text)
  await rename(part, edgeBundle)
  const kilobytes = Math.round(text.length / 1_000)
  console.error(`built ${edgeBundle} (${kilobytes} kB) in ${Date.now() - startedAt} ms`)
}

const modifiedAt = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

const isFresh = async (): Promise<boolean> => {
  const paths = SOURCES.flatMap((pattern) => [
    ...new Bun.Glob(pattern).scanSync({ cwd: root, onlyFiles: false })
  ])
  const newest = Math.max(...(await Promise.all(paths.map((path) => modifiedAt(join(root, path))))))
  return (await modifiedAt(edgeBundle)) > newest
}

if (import.meta.main) await buildEdge(!Bun.argv.includes("--if-stale"))
