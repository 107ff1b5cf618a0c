import { readdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import { migrations } from "../../Database/Migrations.ts"
import { look, type PlannedFile, type ProjectFile } from "./FileWriting.ts"
import { readFunctionFiles } from "./FunctionFiles.ts" with { type: "macro" }

const MIGRATIONS = "supabase/migrations"
const FUNCTIONS = "supabase/functions"

/** The function that the example integration invokes. */
export const EXAMPLE = "integration-sync"
/** The Edge Function that contains the engine. */
export const EDGE = "sync-scheduler"

const functionFiles: Record<string, string> = readFunctionFiles()

/** The name of the sync function, and whether the engine runs as an Edge Function. */
export interface Choice {
  readonly syncFunction: string
  readonly edge: boolean
}

/** Returns the names of the supplied Edge Functions in this choice. Each of these functions needs a section in config.toml. */
export const chosenFunctions = ({ edge, syncFunction }: Choice): ReadonlyArray<string> => [
  ...(syncFunction === EXAMPLE ? [EXAMPLE] : []),
  ...(edge ? [EDGE] : [])
]

/** Returns all files that a project needs, in the order in which they are written. */
export const projectFiles = (choice: Choice): ReadonlyArray<ProjectFile> => {
  const folders = ["_shared", ...chosenFunctions(choice)]
  return [
    ...migrations.map(({ name, sql, version }) => ({
      path: `${MIGRATIONS}/${version}_${name}.sql`,
      text: sql
    })),
    ...Object.entries(functionFiles)
      .filter(([path]) => folders.includes(path.split("/")[0] ?? ""))
      .map(([path, text]) => ({ path: `${FUNCTIONS}/${path}`, text }))
  ]
}

export const ownFunctions = async (directory: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(join(directory, FUNCTIONS), { withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isDirectory() && /^[A-Za-z0-9][\w-]*$/.test(entry.name))
    .map(({ name }) => name)
    .toSorted()
}

const withoutReturns = (text: string): string => text.replaceAll("\r\n", "\n")

const ownMigrations = async (directory: string): Promise<ReadonlyMap<string, string>> => {
  const names = await readdir(join(directory, MIGRATIONS)).catch(() => [])
  return new Map(
    names.flatMap((name) => {
      const version = /^(\d+)_.*\.sql$/.exec(name)?.[1]
      return version === undefined ? [] : [[version, name] as const]
    })
  )
}

/** Returns the project's migrations that are newer than the scheduler's. `supabase db push` then needs `--include-all`. */
export const laterMigrations = async (directory: string): Promise<ReadonlyArray<string>> => {
  const last = migrations.at(-1)?.version ?? ""
  const own = await ownMigrations(directory)
  return [...own].flatMap(([version, name]) => (version > last ? [name] : []))
}

export const plan = async (
  directory: string,
  files: ReadonlyArray<ProjectFile>
): Promise<ReadonlyArray<PlannedFile>> => {
  const own = await ownMigrations(directory)
  const seen = await Promise.all(
    files.map(async (file): Promise<PlannedFile> => {
      const { text, why } = await look(join(directory, file.path))
      const name = file.path.slice(MIGRATIONS.length + 1)
      const twin = file.path.startsWith(MIGRATIONS) ? own.get(name.slice(0, 14)) : undefined
      if (twin !== undefined && twin !== name) {
        return { ...file, status: "different", why: `${twin} has the same version` }
      }
      if (why !== undefined) return { ...file, status: "different", why }
      if (text === undefined) return { ...file, status: "created", why: null }
      const isSame = withoutReturns(text) === withoutReturns(file.text)
      return isSame
        ? { ...file, status: "unchanged", why: null }
        : { ...file, status: "different", why: "its text differs" }
    })
  )
  return seen.map((file) => {
    const siblings = seen.filter(({ path }) => dirname(path) === dirname(file.path))
    const isMixed = siblings.some(({ status }) => status === "different")
    if (!isMixed || file.status === "unchanged") return file
    if (file.status === "created") return { ...file, status: "left_out" }
    return file.path.startsWith(`${FUNCTIONS}/${EXAMPLE}/`)
      ? { ...file, status: "kept", why: null }
      : file
  })
}
