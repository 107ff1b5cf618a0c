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
import { accumulate, type Previous, parse } from "../../Metrics/MetricsFileMerge.ts"
import { read, render } from "../../Metrics/PrometheusText.ts"

/** The maximum size of the file. A larger file is replaced: it belongs to another program or has unbounded labels. */
const MAX_BYTES = 1_048_576

/**
 * Adds the counters of this process to a file for node_exporter's textfile collector. *Guarantees*: never fails, but logs a
 * warning if the file cannot be written. Readers see the complete old or the complete new file. The mode is 0644, because the
 * collector runs as another user.
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
          "Give --metrics-file a path in an existing, writable directory."
      )
    )
  )

const previousAt = (path: string): Previous =>
  existsSync(path) && statSync(path).size <= MAX_BYTES
    ? parse(readFileSync(path, "utf8"))
    : new Map()
