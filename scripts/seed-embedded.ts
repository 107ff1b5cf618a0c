/**
 * Writes the embedded database's seed: a PGlite data directory with all migrations applied, as a gzipped tar of about 5 MB.
 * Usage: `bun scripts/seed-embedded.ts`. Only an engine that runs from source needs this file: the binary contains the seed.
 */
import { mkdir, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { seedPath, startPglite } from "../src/Layers/EmbeddedAssets.ts"
import { applyMigrations } from "../src/Layers/EmbeddedSchema.ts"

/** Returns the path of the seed for the installed PGlite and the current migrations. Creates a missing seed in about 5 s. */
export const makeSeed = async (): Promise<string> => {
  const path = await seedPath()
  if (await Bun.file(path).exists()) return path
  const pglite = await startPglite(undefined, true)
  await applyMigrations(pglite)
  // Without a checkpoint, every database made from the seed would begin with a recovery.
  await pglite.exec("checkpoint")
  const seed = await pglite.dumpDataDir("gzip")
  await pglite.close()
  await mkdir(dirname(path), { recursive: true })
  // Writes a temporary file and renames it, because another process may read the seed at any time.
  const part = `${path}.${process.pid}`
  await Bun.write(part, seed)
  await rename(part, path)
  return path
}

if (import.meta.main) console.error(`seed: ${await makeSeed()}`)
