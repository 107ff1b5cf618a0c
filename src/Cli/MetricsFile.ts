import {
  chmodSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { Effect } from "effect"
import { accumulate, type Previous, parse } from "../Metrics/Accumulation.ts"
import { read, render } from "../Metrics/Exposition.ts"

/** A larger file is not one of ours, or one whose names have no end; it is begun anew. */
const MAX_BYTES = 1_048_576

/**
 * Writes what this process counted into a file for node_exporter's textfile collector, on top of what is there already.
 *
 * *Guarantees*: never fails, a file that cannot be written is a warning; whoever reads it sees the old one or the new one,
 * whole; it is readable for everybody (0644), because somebody else reads it.
 */
export const writeMetricsFile = (path: string): Effect.Effect<void> =>
  Effect.try({
    try: () => {
      const part = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
      try {
        writeFileSync(part, render(accumulate(read(), previousAt(path))))
        chmodSync(part, 0o644)
        renameSync(part, path)
      } finally {
        rmSync(part, { force: true })
      }
    },
    catch: (error) => (error instanceof Error ? error.message : String(error))
  }).pipe(
    Effect.catchAll((why) =>
      Effect.logWarning(
        `The metrics could not be written to ${path}: ${why}. The tick is not affected. ` +
          "Give --metrics-file a path in a directory that exists and may be written to."
      )
    )
  )

const previousAt = (path: string): Previous =>
  existsSync(path) && statSync(path).size <= MAX_BYTES
    ? parse(readFileSync(path, "utf8"))
    : new Map()
