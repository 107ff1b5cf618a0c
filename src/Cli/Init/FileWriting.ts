import {
  constants,
  copyFile,
  link,
  lstat,
  mkdir,
  readFile,
  rename,
  rm,
  writeFile
} from "node:fs/promises"
import { dirname, join } from "node:path"
import { Schema } from "effect"

/**
 * The result for a file.
 *
 * - `created`: the file did not exist. `unchanged`: the file exists with the same text.
 * - `changed`: an existing project file to which lines were added, for example a section of config.toml.
 * - `different`: the file exists with different text. The file was not changed, and needs attention.
 * - `kept`: the example, which the project has modified.
 * - `left_out`: the file does not exist, and was not written because another file in its folder is `different`. A mixture of two
 * versions would not work.
 */
const Status = Schema.Literal("created", "changed", "unchanged", "different", "kept", "left_out")
export type Status = typeof Status.Type

export const WrittenFile = Schema.Struct({
  path: Schema.String,
  status: Status,
  why: Schema.NullOr(Schema.String)
})

/** `path` is relative to the project's root, with forward slashes. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

export interface PlannedFile extends ProjectFile {
  readonly status: Status
  /** The previous text of a `changed` file. */
  readonly before?: string
  /** Why the file is `different`; null if it is not. */
  readonly why: string | null
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

/** `text` is undefined if the file does not exist. `why` explains why the path cannot be read as a file. */
export const look = async (path: string): Promise<{ text?: string; why?: string }> => {
  try {
    return { text: await readFile(path, "utf8") }
  } catch (error) {
    const code = codeOf(error)
    // A dangling link is treated as an existing file.
    const isThere = await lstat(path).then(
      () => true,
      () => false
    )
    if (code === "ENOENT" && !isThere) return {}
    return { why: `it cannot be read as a file (${code})` }
  }
}

/** Writes a temporary file next to the target, so that an interruption never leaves a partial file. */
const prepare = async (path: string, text: string): Promise<string> => {
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.part`
  await writeFile(part, text, { mode: 0o644 }).catch(async (error: unknown) => {
    await rm(part, { force: true })
    throw error
  })
  return part
}

const UNSUPPORTED = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])

/** Creates a file. *Guarantees*: never overwrites an existing file; leaves no partial file. */
const create = async (path: string, text: string): Promise<Status> => {
  const part = await prepare(path, text)
  try {
    await link(part, path).catch((error: unknown) =>
      // The file system does not support hard links.
      UNSUPPORTED.has(codeOf(error))
        ? copyFile(part, path, constants.COPYFILE_EXCL)
        : Promise.reject(error)
    )
    return "created"
  } catch (error) {
    if (codeOf(error) === "EEXIST") return "different"
    throw error
  } finally {
    await rm(part, { force: true })
  }
}

/** Replaces a file, unless its text has changed since the change was planned. */
const change = async (path: string, before: string, text: string): Promise<Status> => {
  if ((await look(path)).text !== before) return "different"
  await rename(await prepare(path, text), path)
  return "changed"
}

const writeOne = (directory: string, { before, path, status, text }: PlannedFile) => {
  if (status === "created") return create(join(directory, path), text)
  if (status === "changed") return change(join(directory, path), before ?? "", text)
  return status
}

export const carryOut = async (
  directory: string,
  planned: ReadonlyArray<PlannedFile>
): Promise<ReadonlyArray<PlannedFile>> => {
  const done: Array<PlannedFile> = []
  for (const file of planned) {
    const status = await writeOne(directory, file)
    const why = status === file.status ? file.why : "it has just been changed by another program"
    done.push({ ...file, status, why })
  }
  return done
}
