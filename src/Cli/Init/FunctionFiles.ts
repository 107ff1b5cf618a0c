import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dir, "../../../supabase/functions")

/** The folders of supabase/functions that are copied unchanged into a project. */
const FOLDERS = ["integration-sync", "sync-scheduler"]

const FENCE = "_shared/syncRun.ts"

/**
 * Returns the text of each file, keyed by path relative to supabase/functions. Bun calls this macro during the build, so that the
 * binary contains the texts.
 */
export const readFunctionFiles = (): Record<string, string> => {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => FOLDERS.includes(path.split("/")[0] ?? "") && /\.(ts|js|json)$/.test(path))
  return {
    [FENCE]: readFence(),
    ...Object.fromEntries(
      paths.toSorted().map((path) => [path, readFileSync(join(root, path), "utf8")])
    )
  }
}

const IMPORT = /^import (?:type )?\{[^}]*\} from "\.\/(\w+)\.ts"\n/gm
const REEXPORT = /^export (?:type )?\{([^}]*)\} from "\.\/(\w+)\.ts"\n/gm

/** Returns the _shared modules as a single file, without imports and with only the exports of syncRun.ts. */
export const readFence = (): string => {
  const parts: Array<string> = []
  const seen = new Set<string>()
  const add = (name: string): void => {
    if (seen.has(name)) return
    seen.add(name)
    const text = readFileSync(join(root, "_shared", `${name}.ts`), "utf8")
    for (const [, needed = ""] of text.matchAll(IMPORT)) add(needed)
    for (const [, , needed = ""] of text.matchAll(REEXPORT)) add(needed)
    parts.push(text)
  }
  add("syncRun")
  const main = parts.at(-1) ?? ""
  const names = [...main.matchAll(REEXPORT)].flatMap(([, list = ""]) =>
    list.split(",").map((name) => name.trim().replace(/^type /, ""))
  )
  const isPublic = (name: string) => names.includes(name)
  const bodies = parts.map((text) => {
    const body = text.replace(IMPORT, "").replace(REEXPORT, "").trim()
    return text === main ? body : body.replace(EXPORTED, hideUnless(isPublic))
  })
  return `${HEADER}\n\n${bodies.join("\n\n")}\n`
}

const EXPORTED = /^export ((?:const|interface|type|class) (\w+))/gm
const hideUnless =
  (isPublic: (name: string) => boolean) =>
  (all: string, declaration: string, name: string): string =>
    isPublic(name) ? all : declaration

const HEADER = `// The fence of Sync Scheduler (MIT), written by "sync-scheduler init". Import withSyncRun from this
// file, which has no dependencies. The npm package exports the same module as "sync-scheduler/fence".`
