import manifest from "../package.json" with { type: "json" }

/** The version that `scripts/build.ts` writes into the binary; undefined when the engine runs from source. */
declare const SYNC_SCHEDULER_VERSION: string | undefined
declare const SYNC_SCHEDULER_COMMIT: string | undefined

/**
 * The semantic version of Sync Scheduler: `0.1.0`. The binary contains its version; from source, the version comes from
 * `package.json`.
 */
export const VERSION: string =
  typeof SYNC_SCHEDULER_VERSION === "undefined" ? manifest.version : SYNC_SCHEDULER_VERSION

/**
 * The git commit that the binary was built from: 12 hexadecimal digits, with `-dirty` when the working tree had changes. `source`
 * if the engine runs from source, `unknown` if the binary was built outside a git checkout.
 */
export const COMMIT: string =
  typeof SYNC_SCHEDULER_COMMIT === "undefined" ? "source" : SYNC_SCHEDULER_COMMIT

/** The newest migration in supabase/migrations, which is the schema that this version creates. A test checks this value. */
export const SCHEMA_VERSION = "20261129001000"

/**
 * The oldest schema in which a tick of this version works. Raise this version when ticks begin to need an object of a newer
 * migration. A test runs ticks in this schema and in every later schema.
 */
export const OLDEST_SCHEMA = "20261129001000"
