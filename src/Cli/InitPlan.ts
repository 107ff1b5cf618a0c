import { lstat, mkdir, open, readdir, readFile, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Schema } from "effect"
import { migrations } from "../Migrations.ts"
import { readFunctionFiles } from "./FunctionFiles.ts" with { type: "macro" }

/**
 * What becomes of a file.
 *
 * - `created`: it was not there. `unchanged`: it is there, with this very text.
 * - `different`: something else is there. It is left as it is, and somebody has to look.
 * - `kept`: the example, which the project has made its own.
 * - `left_out`: not there, but its folder holds a file that is different; a mixture of two versions helps nobody.
 */
const Status = Schema.Literal("created", "unchanged", "different", "kept", "left_out")
export type Status = typeof Status.Type

/** What became of a file, as JSON shows it. */
export const WrittenFile = Schema.Struct({
  path: Schema.String,
  status: Status,
  why: Schema.NullOr(Schema.String)
})

/** A file of the user's project; `path` is from the project's root, with slashes. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

export interface PlannedFile extends ProjectFile {
  readonly status: Status
  /** Why it is different; null otherwise. */
  readonly why: string | null
}

const MIGRATIONS = "supabase/migrations"
const EXAMPLE = "supabase/functions/integration-sync/"

const functionFiles: Record<string, string> = readFunctionFiles()

/** All that a project needs, in the order in which it is written. */
export const projectFiles: ReadonlyArray<ProjectFile> = [
  ...migrations.map(({ name, sql, version }) => ({
    path: `${MIGRATIONS}/${version}_${name}.sql`,
    text: sql
  })),
  ...Object.entries(functionFiles).map(([path, text]) => ({
    path: `supabase/functions/${path}`,
    text
  }))
]

/** The names of our functions that a project invokes or schedules. */
export const functionNames: ReadonlyArray<string> = [
  ...new Set(Object.keys(functionFiles).map((path) => path.split("/")[0] ?? ""))
].filter((name) => name !== "_shared")

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

/** A file's text; undefined when there is none. Anything else that is there has a reason. */
const look = async (path: string): Promise<{ text?: string; why?: string }> => {
  try {
    return { text: await readFile(path, "utf8") }
  } catch (error) {
    const code = codeOf(error)
    // A link that leads nowhere is there all the same.
    const isThere = await lstat(path).then(
      () => true,
      () => false
    )
    if (code === "ENOENT" && !isThere) return {}
    return { why: `it cannot be read as a file (${code})` }
  }
}

const withoutReturns = (text: string): string => text.replaceAll("\r\n", "\n")

/** The project's own migrations, by version. */
const ownMigrations = async (directory: string): Promise<ReadonlyMap<string, string>> => {
  const names = await readdir(join(directory, MIGRATIONS)).catch(() => [])
  return new Map(
    names.flatMap((name) => {
      const version = /^(\d+)_.*\.sql$/.exec(name)?.[1]
      return version === undefined ? [] : [[version, name] as const]
    })
  )
}

/** Migrations of the project's own that come after one of ours: `supabase db push` then wants `--include-all`. */
export const laterMigrations = async (directory: string): Promise<ReadonlyArray<string>> => {
  const last = migrations.at(-1)?.version ?? ""
  const own = await ownMigrations(directory)
  return [...own].flatMap(([version, name]) => (version > last ? [name] : []))
}

/** What would become of every file. Writes nothing. */
export const plan = async (
  directory: string,
  files: ReadonlyArray<ProjectFile> = projectFiles
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
        : { ...file, status: "different", why: "its text is another" }
    })
  )
  return seen.map((file) => {
    const siblings = seen.filter(({ path }) => dirname(path) === dirname(file.path))
    const isMixed = siblings.some(({ status }) => status === "different")
    if (!isMixed || file.status === "unchanged") return file
    if (file.status === "created") return { ...file, status: "left_out" }
    return file.path.startsWith(EXAMPLE) ? { ...file, status: "kept", why: null } : file
  })
}

/** Writes a file that is not there. *Guarantees*: nothing that is there is overwritten; no half of a file is left. */
const create = async (path: string, text: string): Promise<"created" | "different"> => {
  await mkdir(dirname(path), { recursive: true })
  const handle = await open(path, "wx", 0o644).catch((error: unknown) => {
    if (codeOf(error) === "EEXIST") return undefined
    throw error
  })
  if (handle === undefined) return "different"
  try {
    await handle.writeFile(text)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return "created"
}

/** Writes what is to be created, in order. Gives what became of every file. */
export const carryOut = async (
  directory: string,
  planned: ReadonlyArray<PlannedFile>
): Promise<ReadonlyArray<PlannedFile>> => {
  const done: Array<PlannedFile> = []
  for (const file of planned) {
    const status =
      file.status === "created" ? await create(join(directory, file.path), file.text) : file.status
    const why = status === file.status ? file.why : "somebody else has just made it"
    done.push({ ...file, status, why })
  }
  return done
}
