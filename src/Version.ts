import manifest from "../package.json" with { type: "json" }

/** Written into the binary by `scripts/build.ts`; not there when the source runs as it is. */
declare const SYNC_SCHEDULER_VERSION: string | undefined
declare const SYNC_SCHEDULER_COMMIT: string | undefined

/**
 * Which Sync Scheduler this is, as semantic versioning writes it: `0.1.0`. The binary carries what it was built
 * with and looks at no file; from source it is the version in `package.json`.
 */
export const VERSION: string =
  typeof SYNC_SCHEDULER_VERSION === "undefined" ? manifest.version : SYNC_SCHEDULER_VERSION

/**
 * The git commit that the binary was built from: 12 hexadecimal digits, and `-dirty` when the tree had changes of
 * its own. `source` when it runs from source, `unknown` when it was built outside a git checkout.
 */
export const COMMIT: string =
  typeof SYNC_SCHEDULER_COMMIT === "undefined" ? "source" : SYNC_SCHEDULER_COMMIT
