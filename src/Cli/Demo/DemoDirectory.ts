import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Option, Schema } from "effect"
import { quoted } from "../Arguments.ts"
import { type CommandError, usageError } from "../Failure.ts"

const MARKER = "SYNC_SCHEDULER_DEMO.txt"

/** The kind of a demo directory. `demo --keep` creates a `tick` directory, and `serve --demo` creates a `story` directory. */
export type DemoKind = "tick" | "story"

const COMMANDS: Record<DemoKind, string> = { tick: "demo --keep", story: "serve --demo" }

const markerText = (kind: DemoKind): string =>
  `The database of "sync-scheduler ${COMMANDS[kind]}", created by PGlite. Use it with --demo <this directory>:
  sync-scheduler status --demo .
The tables sync_run_log, sync_run_event and sync_tick record its runs and ticks. Delete the directory when you are done.
`

/** The file that a running `serve --demo` writes for commands with `--demo`. */
const SERVING = "SYNC_SCHEDULER_SERVING.json"
const Serving = Schema.parseJson(Schema.Struct({ url: Schema.String, key: Schema.String }))
const decodeServing = Schema.decodeOption(Serving)

export const servingFile = (directory: string): string => join(directory, SERVING)

/** Returns the URL and key of the `serve --demo` process that is serving this directory, or null if none responds. */
export const runningDemo = async (directory: string): Promise<typeof Serving.Type | null> => {
  const path = servingFile(directory)
  if (!existsSync(path)) return null
  const found = Option.getOrNull(decodeServing(readFileSync(path, "utf8")))
  if (found === null) return null
  const isAlive = await fetch(found.url, { signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false
  )
  return isAlive ? found : null
}

const namesIn = (directory: string): Effect.Effect<ReadonlyArray<string>, CommandError> =>
  Effect.try({
    try: () => (existsSync(directory) ? readdirSync(directory) : []),
    catch: () => usageError(`${directory} is not a readable directory`, "Name a new directory.")
  })

/** Returns the directory for a demo's data. The directory must be new, empty, or from an earlier demo of the same kind. */
export const keptDirectory = (
  wanted: string | undefined,
  kind: DemoKind
): Effect.Effect<string | undefined, CommandError> =>
  Effect.gen(function* () {
    if (wanted === undefined) return undefined
    const directory = resolve(wanted)
    const names = yield* namesIn(directory)
    if (names.length > 0 && !names.includes(MARKER)) {
      return yield* Effect.fail(
        usageError(
          `${directory} is not empty, and was not created by a demo`,
          "Name a new or an empty directory."
        )
      )
    }
    if (kind === "tick" && isStory(directory)) {
      return yield* Effect.fail(
        usageError(
          `${directory} contains the made-up organisations of serve --demo`,
          `See their status: sync-scheduler status --demo ${quoted(wanted)}. Or choose another directory.`
        )
      )
    }
    if ((yield* Effect.promise(() => runningDemo(directory))) !== null) {
      return yield* Effect.fail(
        usageError(
          `serve --demo is already using ${directory}`,
          `See its status: sync-scheduler status --demo ${quoted(wanted)}. Or choose another directory.`
        )
      )
    }
    return directory
  })

const isStory = (directory: string): boolean => {
  const path = join(directory, MARKER)
  return existsSync(path) && readFileSync(path, "utf8").includes(COMMANDS.story)
}

/** Returns the full path of `given`. *Fails with* a usage error if the directory contains no demo database. */
export const demoDirectory = (given: string): Effect.Effect<string, CommandError> => {
  const directory = resolve(given)
  return namesIn(directory).pipe(
    Effect.filterOrFail(
      (names) => names.includes(MARKER),
      () =>
        usageError(
          `--demo is "${given}": this directory contains no demo database`,
          "Create one first: sync-scheduler demo --keep <dir>"
        )
    ),
    Effect.as(directory)
  )
}

export const markDirectory = (directory: string, kind: DemoKind): Effect.Effect<void> =>
  Effect.sync(() => writeFileSync(join(directory, MARKER), markerText(kind)))
