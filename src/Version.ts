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

/** The newest of supabase/migrations: the schema that this version brings. A test keeps it true. */
export const SCHEMA_VERSION = "20261125001000"

/**
 * The oldest schema in which a tick of this version works. Raise it when a tick begins to need what a newer migration
 * brings; a test runs ticks in every schema from here on.
 */
export const OLDEST_SCHEMA = "20261125000500"
