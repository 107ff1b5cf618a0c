import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect } from "effect"
import { type CommandError, usageError } from "./Failure.ts"

const MARKER = "SYNC_SCHEDULER_DEMO.txt"
const MARKER_TEXT = `The database of "sync-scheduler demo --keep", made by PGlite. Look at it with --demo <this directory>:
  sync-scheduler status --demo .
What happened is in the tables sync_run_log, sync_run_event and sync_tick. Delete the directory when you are done.
`

const namesIn = (directory: string): Effect.Effect<ReadonlyArray<string>, CommandError> =>
  Effect.try({
    try: () => (existsSync(directory) ? readdirSync(directory) : []),
    catch: () =>
      usageError(`${directory} is not a directory that can be read`, "Name a new directory.")
  })

/** The directory to keep a demo's data in: a new one, an empty one, or one that an earlier demo made. */
export const keptDirectory = (
  wanted: string | undefined
): Effect.Effect<string | undefined, CommandError> => {
  if (wanted === undefined) return Effect.succeed(undefined)
  const directory = resolve(wanted)
  return namesIn(directory).pipe(
    Effect.filterOrFail(
      (names) => names.length === 0 || names.includes(MARKER),
      () =>
        usageError(
          `${directory} is not empty and not from an earlier demo`,
          "Name a new or an empty directory."
        )
    ),
    Effect.as(directory)
  )
}

/** The directory that a demo left its database in. */
export const demoDirectory = (given: string): Effect.Effect<string, CommandError> => {
  const directory = resolve(given)
  return namesIn(directory).pipe(
    Effect.filterOrFail(
      (names) => names.includes(MARKER),
      () =>
        usageError(
          `--demo is "${given}": no demo has left its database there`,
          "Make one first: sync-scheduler demo --keep <dir>"
        )
    ),
    Effect.as(directory)
  )
}

/** Says what the directory is, for people and for later runs. */
export const markDirectory = (directory: string): Effect.Effect<void> =>
  Effect.sync(() => writeFileSync(join(directory, MARKER), MARKER_TEXT))
