import manifest from "../package.json" with { type: "json" }

/** `scripts/build.ts` writes it into the binary; undefined when the engine runs from source. */
declare const SYNC_SCHEDULER_VERSION: string | undefined
declare const SYNC_SCHEDULER_COMMIT: string | undefined

/**
 * The version of Sync Scheduler as semantic versioning writes it: `0.1.0`. The binary contains its version and
 * reads no file; from source it is the version in `package.json`.
 */
export const VERSION: string =
  typeof SYNC_SCHEDULER_VERSION === "undefined" ? manifest.version : SYNC_SCHEDULER_VERSION

/**
 * The git commit that the binary was built from: 12 hexadecimal digits, with `-dirty` when the working tree had
 * changes. `source` when it runs from source, `unknown` when it was built outside a git checkout.
 */
export const COMMIT: string =
  typeof SYNC_SCHEDULER_COMMIT === "undefined" ? "source" : SYNC_SCHEDULER_COMMIT

/** The newest of supabase/migrations: the schema that this version creates. A test checks it. */
export const SCHEMA_VERSION = "20261129001000"

/**
 * The oldest schema in which a tick of this version works. Raise it when a tick begins to need an object of a newer migration; a
 * test runs ticks in this schema and in every later one.
 */
export const OLDEST_SCHEMA = "20261129001000"
