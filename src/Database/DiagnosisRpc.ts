import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { make } from "./Rpc.ts"
import { SchemaCatalog } from "./SchemaCatalog.ts"

const Ids = Schema.Array(Schema.String)

/** Everything that `doctor` reads from a database. A field that cannot be read is null. `catalog` shows the cause. */
export const Diagnosis = Schema.Struct({
  now: Instant,
  role: Schema.String,
  server_version: Schema.String,
  /** Whether the database is a replica, which accepts no writes. */
  in_recovery: Schema.Boolean,
  /** Whether new transactions are read-only by default. The Data API overrides this default; a direct connection does not. */
  read_only: Schema.Boolean,
  catalog: SchemaCatalog,
  status: Schema.NullOr(
    Schema.Struct({
      verdict: Schema.Literal("ticking", "late", "stopped", "never"),
      seconds_since_last_tick: Schema.NullOr(Schema.Number),
      stopped_after_seconds: Schema.NullOr(Schema.Number),
      overdue: Schema.optionalWith(Schema.Number, { nullable: true })
    })
  ),
  integrations: Schema.optionalWith(
    Schema.Struct({
      enabled: Schema.Int,
      disabled: Schema.Int,
      unscheduled: Schema.Int,
      /** The number of integrations whose `enabled` is null, which is possible only in an adopted table. */
      undecided: Schema.optionalWith(Schema.Int, { default: () => 0 }),
      /** The number of enabled integrations without a `timezone`. */
      zoneless: Schema.optionalWith(Schema.Int, { default: () => 0 })
    }),
    { nullable: true }
  ),
  schedules: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        schedule: Schema.String,
        timezone: Schema.String,
        count: Schema.Int,
        ids: Ids
      })
    ),
    { nullable: true }
  ),
  /** Properties of an adopted table that can cause runs to be lost. `fix` is the SQL that corrects the property. */
  adoption_risks: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        kind: Schema.Literal("trigger", "cascade_from", "cascade_onto"),
        name: Schema.String,
        fix: Schema.String
      })
    ),
    { nullable: true }
  ),
  /**
   * The time zones in use. `offsets` lists [instant in milliseconds, new UTC offset in seconds], according to the database's time
   * zone data.
   */
  zones: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        timezone: Schema.String,
        count: Schema.Int,
        offsets: Schema.NullOr(Schema.Array(Schema.Tuple(Schema.Number, Schema.Number)))
      })
    ),
    { nullable: true }
  ),
  policies: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        function_name: Schema.NullOr(Schema.String),
        invoke_timeout_ms: Schema.NullOr(Schema.Number),
        on_unknown: Schema.NullOr(Schema.String),
        fenced: Schema.NullOr(Schema.Boolean),
        warm_up: Schema.NullOr(Schema.Boolean),
        count: Schema.Int,
        ids: Ids
      })
    ),
    { nullable: true }
  ),
  refused: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        id: Schema.String,
        schedule: Schema.NullOr(Schema.String),
        timezone: Schema.String,
        why: Schema.String
      })
    ),
    { nullable: true }
  ),
  /** Error counts of the last day's runs, limited to the newest 1,000 runs. */
  errors: Schema.optionalWith(
    Schema.Array(Schema.Struct({ code: Schema.String, count: Schema.Int, last_at: Instant })),
    { nullable: true }
  ),
  engines: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        host: Schema.String,
        version: Schema.NullOr(Schema.String),
        last_at: Instant
      })
    ),
    { nullable: true }
  ),
  history: Schema.optionalWith(
    Schema.Struct({
      oldest_run_days: Schema.optionalWith(Schema.Number, { nullable: true }),
      oldest_tick_days: Schema.optionalWith(Schema.Number, { nullable: true })
    }),
    { nullable: true }
  ),
  alerts: Schema.optionalWith(
    Schema.Struct({
      unsent: Schema.Int,
      gave_up: Schema.Int,
      last_error: Schema.NullOr(Schema.String)
    }),
    { nullable: true }
  ),
  /** `cron` is null if pg_cron is not installed. `jobs` is null if the caller lacks permission to read the jobs. */
  cron: Schema.NullOr(
    Schema.Struct({
      jobs: Schema.NullOr(
        Schema.Array(
          Schema.Struct({
            id: Schema.Number,
            name: Schema.NullOr(Schema.String),
            schedule: Schema.String,
            active: Schema.Boolean,
            database: Schema.NullOr(Schema.String)
          })
        )
      ),
      kept_details: Schema.optionalWith(Schema.Number, { nullable: true })
    })
  )
})
export type Diagnosis = typeof Diagnosis.Type

const Names = Schema.Struct({ p_names: Schema.Array(Schema.String) })

export const readDiagnosis = make({
  name: "read_sync_diagnosis",
  readOnly: true,
  types: { p_names: "text[]" },
  args: () => Names,
  result: () => Diagnosis
})

/** Sends the catalog function's body to a database that lacks the function. Requires a direct connection. */
export const readCatalog = (body: string) =>
  make({
    name: "catalog",
    readOnly: true,
    types: { p_names: "text[]" },
    args: () => Names,
    result: () => SchemaCatalog,
    body
  })

/** Calls `begin_sync_run` for a run that does not exist, to check that the Data API knows the function. Changes nothing. */
export const askFence = make({
  name: "begin_sync_run",
  readOnly: true,
  types: { p_run_id: "uuid", p_lease_token: "uuid" },
  args: () => Schema.Struct({ p_run_id: Schema.UUID, p_lease_token: Schema.UUID }),
  result: () => Schema.Struct({ granted: Schema.Boolean })
})
