import { Schema } from "effect"
import { Segment } from "./History.ts"
import { Instant } from "./Instant.ts"
import { Pulse } from "./Pulse.ts"
import { make, Rows, scope } from "./Rpc.ts"
import { IncidentView, RunEvent, RunView } from "./RunView.ts"
import { Standing } from "./Standing.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const Text = Schema.NullOr(Schema.String)

/** One page of how integrations stand (rows are Domain/Standing's), in the order of their ids, and the pulse. */
export const readStatus = make({
  name: "read_sync_status",
  readOnly: true,
  types: {
    p_limit: "integer",
    p_cursor: "text",
    p_org_id: "uuid",
    p_integration_ids: "uuid[]",
    p_integration_type: "text",
    p_search: "text"
  },
  args: Schema.Struct({
    p_limit: Schema.Int,
    p_cursor: optional(Schema.String),
    p_integration_type: optional(Schema.String),
    /** Part of an organisation's name or of a type, or the beginning of an id. */
    p_search: optional(Schema.String),
    ...scope
  }),
  result: Schema.Struct({
    now: Instant,
    schema_version: Schema.String,
    scheduler: Pulse,
    /** All integrations, whatever the filter. */
    total: Schema.Int,
    integrations: Rows,
    cursor: Text
  })
})

/** What people may write to name an integration; at most 20,000. */
export const readNames = make({
  name: "read_sync_names",
  readOnly: true,
  types: { p_limit: "integer" },
  args: Schema.Struct({ p_limit: optional(Schema.Int) }),
  result: Schema.Struct({
    now: Instant,
    integrations: Schema.Array(
      Schema.Struct({
        integration_id: Schema.String,
        org_id: Schema.String,
        org_name: Text,
        integration_type: Schema.String,
        timezone: Schema.String
      })
    )
  })
})

/** Runs of some slots in short, and ranges passed over, integration by integration. Instants are epoch milliseconds. */
export const readActivity = make({
  name: "read_sync_activity",
  readOnly: true,
  types: {
    p_integration_ids: "uuid[]",
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_runs_each: "integer"
  },
  args: Schema.Struct({
    /** At most 1,000. */
    p_integration_ids: Schema.Array(Schema.UUID),
    /** A day before p_to when left out. */
    p_from: optional(Instant),
    /** Exclusive; now when left out. */
    p_to: optional(Instant),
    /** The newest of each integration, at most 2,000; 100 when left out. */
    p_runs_each: optional(Schema.Int)
  }),
  result: Schema.Struct({
    now: Instant,
    from: Instant,
    to: Instant,
    integrations: Schema.Array(
      Schema.Struct({
        integration_id: Schema.String,
        truncated: Schema.Boolean,
        /** [slot, status, started, finished, attempt, run id], oldest first. */
        runs: Schema.Array(
          Schema.Tuple(
            Schema.Int,
            Schema.String,
            Schema.NullOr(Schema.Int),
            Schema.NullOr(Schema.Int),
            Schema.NullOr(Schema.Int),
            Schema.String
          )
        ),
        /** [from, to, count, reason], both ends inclusive. */
        ranges: Schema.Array(Schema.Tuple(Schema.Int, Schema.Int, Schema.Number, Schema.String))
      })
    )
  })
})

const Span = Schema.NullOr(Schema.Number)

/** How late runs of the last day started, and what the days before were like; of one integration, or of all. */
export const readFigures = make({
  name: "read_sync_figures",
  readOnly: true,
  types: { p_days: "integer", p_integration_id: "uuid" },
  args: Schema.Struct({
    /** At most 400; 90 when left out. */
    p_days: optional(Schema.Int),
    p_integration_id: optional(Schema.UUID)
  }),
  result: Schema.Struct({
    now: Instant,
    /** Of runs by the schedule, caught up ones included. `sampled`: of the newest 100,000 only. */
    lag: Schema.Struct({
      runs: Schema.Int,
      p50_ms: Span,
      p95_ms: Span,
      max_ms: Span,
      sampled: Schema.Boolean
    }),
    /** UTC days, oldest first, by slot. `capped`: of some count there were more than 10,000. */
    days: Schema.Array(
      Schema.Struct({
        day: Schema.String,
        runs: Schema.Int,
        failed: Schema.Int,
        unknown: Schema.Int,
        passed_over: Schema.Int,
        capped: Schema.Boolean
      })
    )
  })
})

/** One page of runs, the newest slot first (rows are Domain/RunView's ListedRun). */
export const readRuns = make({
  name: "read_sync_runs",
  readOnly: true,
  types: {
    p_since: "timestamptz",
    p_until: "timestamptz",
    p_statuses: "jsonb",
    p_late_ms: "bigint",
    p_org_id: "uuid",
    p_integration_ids: "uuid[]",
    p_limit: "integer",
    p_cursor: "text"
  },
  args: Schema.Struct({
    /** Bounds of the slots, p_until exclusive. */
    p_since: optional(Instant),
    p_until: optional(Instant),
    p_statuses: optional(Schema.Array(Schema.String)),
    /** Only runs that started later than that, or are due since longer and have not started. */
    p_late_ms: optional(Schema.Int),
    /** At most 1,000. */
    p_limit: Schema.Int,
    p_cursor: optional(Schema.String),
    ...scope
  }),
  result: Schema.Struct({ now: Instant, runs: Rows, cursor: Text })
})

/** One run with all that happened to it, by its id or the beginning of it. */
export const readRun = make({
  name: "read_sync_run",
  readOnly: true,
  types: { p_run: "text" },
  args: Schema.Struct({ p_run: Schema.String }),
  result: Schema.Struct({
    now: Instant,
    /** Null: there is none, or several (`candidates`, at most ten ids). */
    run: Schema.NullOr(
      Schema.Struct({
        ...RunView.fields,
        idempotency_key: Text,
        warm_up_ms: Span,
        heartbeat_at: Schema.NullOr(Instant),
        fenced: Schema.NullOr(Schema.Boolean),
        response: Schema.Unknown
      })
    ),
    candidates: Schema.Array(Schema.String),
    events: Schema.Array(RunEvent),
    incidents: Schema.Array(IncidentView),
    /** Null: it was deleted. */
    integration: Schema.NullOr(Standing)
  })
})

/** All that explains what one integration did for the slots in [p_from, p_to). */
export const readStory = make({
  name: "read_sync_story",
  readOnly: true,
  types: {
    p_integration_id: "uuid",
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_limit: "integer"
  },
  args: Schema.Struct({
    p_integration_id: Schema.UUID,
    /** At most 62 days before p_to are looked at. */
    p_from: Instant,
    p_to: Instant,
    p_limit: optional(Schema.Int)
  }),
  result: Schema.Struct({
    now: Instant,
    from: Instant,
    to: Instant,
    scheduler: Pulse,
    integration: Schema.NullOr(Standing),
    history: Schema.Array(Segment),
    /** Oldest first. */
    runs: Schema.Array(Schema.Struct({ ...RunView.fields, events: Schema.Array(RunEvent) })),
    /** There are older ones in the window. */
    runs_truncated: Schema.Boolean,
    ranges: Schema.Array(
      Schema.Struct({
        from: Instant,
        to: Instant,
        count: Schema.Number,
        reason: Schema.String,
        recorded_at: Instant,
        recorded_by: Text
      })
    ),
    incidents: Schema.Array(IncidentView),
    /** What people did to the integration as a whole, the newest 50, whenever it was. */
    actions: Schema.Array(
      Schema.Struct({
        at: Instant,
        kind: Schema.String,
        actor: Text,
        reason: Text,
        detail: Schema.Unknown
      })
    ),
    /** Open requests to run past slots. */
    backfills: Schema.Array(
      Schema.Struct({
        backfill_id: Schema.String,
        from: Instant,
        to: Instant,
        cursor: Schema.NullOr(Instant),
        status: Schema.String,
        claimed: Schema.Int,
        requested_by: Schema.String,
        reason: Text,
        created_at: Instant
      })
    ),
    /** When no engine ticked for more than five minutes, from a day before the window to a day after it. */
    silences: Schema.Array(Schema.Struct({ from: Instant, to: Schema.NullOr(Instant) }))
  })
})
export type Story = typeof readStory.result.Type
