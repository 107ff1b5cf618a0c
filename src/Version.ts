import manifest from "../package.json" with { type: "json" }

/** Set by `scripts/build.ts`; undefined when the engine runs from source. */
declare const SYNC_SCHEDULER_VERSION: string | undefined
declare const SYNC_SCHEDULER_COMMIT: string | undefined

/** The semantic version, for example `0.1.0`. */
export const VERSION: string =
  typeof SYNC_SCHEDULER_VERSION === "undefined" ? manifest.version : SYNC_SCHEDULER_VERSION

/**
 * The git commit of the binary: 12 hexadecimal digits, with `-dirty` if the working tree had changes. `source` if the engine runs
 * from source, `unknown` if the binary was built outside a git checkout.
 */
export const COMMIT: string =
  typeof SYNC_SCHEDULER_COMMIT === "undefined" ? "source" : SYNC_SCHEDULER_COMMIT

/** The newest migration in supabase/migrations. A test checks this value. */
export const SCHEMA_VERSION = "20261129001000"

/**
 * The oldest schema that this version's ticks support. Raise this value when ticks need a newer migration. A test runs ticks on
 * this schema and all later ones.
 */
export const OLDEST_SCHEMA = "20261129001000"
