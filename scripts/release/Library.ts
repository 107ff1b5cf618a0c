import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "../..")

/** The exported subpaths, with their sources. `jsr.json` lists the same subpaths. */
export const ENTRIES = {
  ".": "src/job-trigger-engine.ts",
  "./layers": "src/Library/Layers.ts",
  "./edge": "src/edge.ts",
  "./fence": "supabase/functions/_shared/syncRun.ts",
  "./testing": "test/support/Testing.ts"
} as const

/** The library's runtime dependencies. The other dependencies in package.json are for the binary. */
export const LIBRARY_NEEDS = ["@supabase/supabase-js", "croner"] as const

const moduleOf = (source: string): string => source.replace(/\.ts$/, "")

/** Returns the `exports` of package.json. `types` comes first, as TypeScript requires. */
export const exportsOf = () => ({
  ...Object.fromEntries(
    Object.entries(ENTRIES).map(([subpath, source]) => [
      subpath,
      {
        types: `./lib/types/${moduleOf(source)}.d.ts`,
        default: `./lib/${moduleOf(source)}.js`
      }
    ])
  ),
  "./package.json": "./package.json"
})

/** Writes the library's JavaScript and types into `<directory>/lib`. Node, Bun and Deno can load the library. */
export const buildLibrary = async (
  directory: string,
  { commit, version }: { readonly commit: string; readonly version: string }
): Promise<void> => {
  const result = await Bun.build({
    entrypoints: Object.values(ENTRIES).map((source) => join(root, source)),
    root,
    outdir: join(directory, "lib"),
    format: "esm",
    target: "browser",
    packages: "external",
    splitting: true,
    sourcemap: "linked",
    define: {
      SYNC_SCHEDULER_VERSION: JSON.stringify(version),
      SYNC_SCHEDULER_COMMIT: JSON.stringify(commit)
    }
  })
  if (!result.success) throw new Error(result.logs.map(String).join("\n"))
  await nameSources(join(directory, "lib"))
  await emitTypes(join(directory, "lib/types"))
}

/** Matches the path before `src/...` in a source map. */
const fromHere = new RegExp(`^(\\.\\./)*(.*${RegExp.escape(root.slice(1))}/)?`)

/** Makes the paths in the source maps relative to the project's root. */
const nameSources = async (directory: string): Promise<void> => {
  for (const entry of await readdir(directory, { recursive: true })) {
    if (!entry.endsWith(".map")) continue
    const path = join(directory, entry)
    const map: { sources: ReadonlyArray<string> } = JSON.parse(await readFile(path, "utf8"))
    const sources = map.sources.map((source) => source.replace(fromHere, ""))
    await writeFile(path, JSON.stringify({ ...map, sourceRoot: "sync-scheduler:///", sources }))
  }
}

export const emitTypes = async (outDir: string): Promise<void> => {
  const config = join(root, `.tsconfig.types-${process.pid}.json`)
  const files = [...Object.values(ENTRIES), "src/assets.d.ts"]
  await mkdir(outDir, { recursive: true })
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rewriteRelativeImportExtensions: true,
    rootDir: root,
    outDir
  }
  await writeFile(
    config,
    JSON.stringify({ extends: "./tsconfig.json", compilerOptions, files, include: [] })
  )
  try {
    const tsc = Bun.spawnSync([join(root, "node_modules/.bin/tsc"), "-p", config], { cwd: root })
    if (!tsc.success)
      throw new Error(`TypeScript did not emit the types:\n${tsc.stdout.toString()}`)
  } finally {
    await rm(config)
  }
  await nameModules(outDir)
}

/** Replaces `.ts` with `.js` in the imports of the type declarations. */
const nameModules = async (directory: string): Promise<void> => {
  for (const entry of await readdir(directory, { recursive: true })) {
    if (!entry.endsWith(".d.ts")) continue
    const path = join(directory, entry)
    const text = await readFile(path, "utf8")
    await writeFile(path, text.replace(/((?:from |import\()"\.{1,2}\/[^"]*)\.ts"/g, '$1.js"'))
  }
}
