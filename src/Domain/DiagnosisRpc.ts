import { Schema } from "effect"
import { Catalog } from "./Catalog.ts"
import { Instant } from "./Instant.ts"
import { make, type Rpc } from "./Rpc.ts"

const Ids = Schema.Array(Schema.String)

/** All that `doctor` asks of a database at once. A part is null where it cannot be read: the catalog says why. */
export const Diagnosis = Schema.Struct({
  now: Instant,
  role: Schema.String,
  server_version: Schema.String,
  /** A replica, or a database whose disk is full. */
  read_only: Schema.Boolean,
  catalog: Catalog,
  status: Schema.NullOr(
    Schema.Struct({
      verdict: Schema.Literal("ok", "late", "stopped", "never"),
      seconds_since_last_tick: Schema.NullOr(Schema.Number),
      stopped_after_seconds: Schema.NullOr(Schema.Number),
      overdue: Schema.optionalWith(Schema.Number, { nullable: true })
    })
  ),
  integrations: Schema.optionalWith(
    Schema.Struct({ enabled: Schema.Int, disabled: Schema.Int, unscheduled: Schema.Int }),
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
  /** Of the last day's runs, at most the last thousand. */
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
  /** Null: there is no pg_cron. Its jobs are null when the caller may not see them. */
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

/** Everything that the database can say of itself and of the work in it. */
export const readDiagnosis = make({
  name: "read_sync_diagnosis",
  readOnly: true,
  types: { p_names: "text[]" },
  args: Names,
  result: Diagnosis
})

/**
 * The catalog of a database in which nothing of ours may be installed: the function's body is sent in place of its call,
 * which only a direct connection can carry.
 */
export const readCatalog = (body: string) =>
  make({
    name: "catalog",
    readOnly: true,
    types: { p_names: "text[]" },
    args: Names,
    result: Catalog,
    body
  })

/**
 * Whether a function is there, asked of the Data API without calling it: with one argument too many it never runs, and
 * the answer names the function that may have been meant.
 */
export const probe = (
  name: string
): Rpc<Readonly<Record<string, string>>, Readonly<Record<string, string>>, unknown, unknown> => ({
  name,
  readOnly: true,
  types: {},
  args: Schema.Record({ key: Schema.String, value: Schema.String }),
  result: Schema.Unknown
})
