import manifest from "../package.json" with { type: "json" }

/** The version that `scripts/build.ts` writes into the binary; undefined when the engine runs from source. */
declare const SYNC_SCHEDULER_VERSION: string | undefined
declare const SYNC_SCHEDULER_COMMIT: string | undefined

/** The semantic version of Sync Scheduler: `0.1.0`. Built into the binary; read from `package.json` when running from source. */
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
 * The oldest schema that this version's ticks support. Raise this value when ticks need an object from a newer migration. A test
 * runs ticks on this schema and on every later one.
 */
export const OLDEST_SCHEMA = "20261129001000"
