import { existsSync } from "node:fs"
import { join } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import initdb from "@electric-sql/pglite/initdb.wasm" with { type: "file" }
import files from "@electric-sql/pglite/pglite.data" with { type: "file" }
import postgres from "@electric-sql/pglite/pglite.wasm" with { type: "file" }
import { schemaHash } from "./EmbeddedSchema.ts"

const SEED_NAME = "embedded-seed"

/**
 * Returns the path of the seed for an engine that runs from source. The seed is a gzipped tar of a PGlite data directory with all
 * migrations applied. It reduces the time to start a new database from 6 s to 1 s. Each version of PGlite needs its own seed.
 */
export const seedPath = async (): Promise<string> => {
  const program = Bun.hash(await Bun.file(postgres).arrayBuffer()).toString(16)
  const version = `${program}-${schemaHash()}`
  return join(
    import.meta.dir,
    `../../node_modules/.cache/sync-scheduler/${SEED_NAME}-${version}.tar.gz`
  )
}

/** Starts PGlite from the files in the binary or in node_modules. Without a seed, creating a database takes about 4 s. */
export const startPglite = async (dataDir: string | undefined, isNew: boolean): Promise<PGlite> => {
  const [pgliteWasmModule, initdbWasmModule, data, seed] = await Promise.all([
    compile(postgres),
    compile(initdb),
    Bun.file(files).arrayBuffer(),
    isNew ? findSeed() : undefined
  ])
  return PGlite.create({
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(seed === undefined ? {} : { loadDataDir: seed }),
    pgliteWasmModule,
    initdbWasmModule,
    fsBundle: new Blob([data])
  })
}

const compile = async (path: string): Promise<WebAssembly.Module> =>
  WebAssembly.compile(await Bun.file(path).arrayBuffer())

const findSeed = async (): Promise<Blob | undefined> => {
  if (!Bun.isStandaloneExecutable) {
    const path = await seedPath()
    return existsSync(path) ? Bun.file(path) : undefined
  }
  const embedded = Bun.embeddedFiles.find(
    (file) => "name" in file && String(file.name).includes(SEED_NAME)
  )
  return embedded === undefined ? undefined : new Blob([await embedded.arrayBuffer()])
}
