import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CLOSED, COMPILED } from "../scripts/Compiled.ts"

const directory = mkdtempSync(join(tmpdir(), "sync-scheduler-compiled-"))
process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
const compiled = new Map<string, Promise<string>>()

/**
 * Compiles a program with the options of the binary. The source is written to this folder temporarily, so that relative imports
 * resolve.
 */
export const compile = (name: string, text: string): Promise<string> => {
  const known = compiled.get(name)
  if (known !== undefined) return known
  const path = build(name, text)
  compiled.set(name, path)
  return path
}

const build = async (name: string, text: string): Promise<string> => {
  const source = join(import.meta.dir, `.${name}-${process.pid}.ts`)
  const outfile = join(directory, name)
  writeFileSync(source, `${text}\n`)
  try {
    await Bun.build({
      entrypoints: [source],
      ...COMPILED,
      compile: { outfile, ...CLOSED }
    })
    return outfile
  } finally {
    rmSync(source, { force: true })
  }
}
