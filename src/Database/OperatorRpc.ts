import { Schema } from "effect"
import { Segment } from "../Domain/History.ts"
import { Instant } from "../Domain/Instant.ts"
import { IntegrationStatus } from "../Domain/IntegrationStatus.ts"
import { Run } from "../Domain/Run.ts"
import { IncidentView, RunEvent, RunView } from "../Domain/RunView.ts"
import { SchedulerHealth } from "../Domain/SchedulerHealth.ts"
import { make, Rows, scopeArgument } from "./Rpc.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const Text = Schema.NullOr(Schema.String)

/** Reads the scheduler's health and a page of integrations (Domain/IntegrationStatus), ordered by id. */
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
  args: () =>
    Schema.Struct({
      p_limit: Schema.Int,
      p_cursor: optional(Schema.String),
      p_integration_type: optional(Schema.String),
      /** A part of an organisation's name or of an integration's type, or the beginning of an id. */
      p_search: optional(Schema.String),
      ...scopeArgument
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      schema_version: Schema.String,
      scheduler: SchedulerHealth,
      /** The number of all integrations, regardless of the filter. */
      total: Schema.Int,
      integrations: Rows,
      cursor: Text
    })
})

/** Reads what a run would send to its function now. `run` is null if the integration does not exist. */
export const readInvocation = make({
  name: "read_sync_invocation",
  readOnly: true,
  types: { p_integration_id: "uuid" },
  args: () => Schema.Struct({ p_integration_id: Schema.String }),
  result: () =>
    Schema.Struct({
      now: Instant,
      on_unknown: Schema.Literal("retry", "hold"),
      fenced: Schema.Boolean,
      run: Schema.NullOr(Run)
    })
})

/** Reads the names of at most 20,000 integrations. */
export const readNames = make({
  name: "read_sync_names",
  readOnly: true,
  types: { p_limit: "integer" },
  args: () => Schema.Struct({ p_limit: optional(Schema.Int) }),
  result: () =>
    Schema.Struct({
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

/** Reads a period's skipped ranges, and its runs in short form. Instants are epoch milliseconds. */
export const readActivity = make({
  name: "read_sync_activity",
  readOnly: true,
  types: {
    p_integration_ids: "uuid[]",
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_runs_each: "integer"
  },
  args: () =>
    Schema.Struct({
      /** At most 1,000 integrations. */
      p_integration_ids: Schema.Array(Schema.UUID),
      /** The start of the period; by default a day before p_to. */
      p_from: optional(Instant),
      /** The exclusive end of the period; by default the current time. */
      p_to: optional(Instant),
      /** The maximum number of runs per integration, newest first; at most 2,000, by default 100. */
      p_runs_each: optional(Schema.Int)
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      from: Instant,
      to: Instant,
      integrations: Schema.Array(
        Schema.Struct({
          integration_id: Schema.String,
          truncated: Schema.Boolean,
          /** The runs as [slot, status, started, finished, attempt, run id], oldest first. */
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
          /** The skipped ranges as [from, to, count, reason], both ends inclusive. */
          ranges: Schema.Array(Schema.Tuple(Schema.Int, Schema.Int, Schema.Number, Schema.String))
        })
      )
    })
})

const Span = Schema.NullOr(Schema.Number)

/** Reads the start delays of the last day, and statistics for `p_days` days (90 by default, at most 400). */
export const readFigures = make({
  name: "read_sync_figures",
  readOnly: true,
  types: { p_days: "integer", p_integration_id: "uuid" },
  args: () =>
    Schema.Struct({ p_days: optional(Schema.Int), p_integration_id: optional(Schema.UUID) }),
  result: () =>
    Schema.Struct({
      now: Instant,
      /** The start delays of scheduled runs, including catch-up. `sampled`: only the newest 100,000 runs were counted. */
      lag: Schema.Struct({
        runs: Schema.Int,
        p50_ms: Span,
        p95_ms: Span,
        max_ms: Span,
        sampled: Schema.Boolean
      }),
      /** Counts by the UTC day of the slot, oldest first. `capped`: a count was limited to 10,000. */
      days: Schema.Array(
        Schema.Struct({
          day: Schema.String,
          runs: Schema.Int,
          completed: Schema.Int,
          failed: Schema.Int,
          unknown: Schema.Int,
          skipped: Schema.Int,
          /** Runs that will be retried because an attempt did not complete. */
          retrying: Schema.Int,
          /** Runs whose first attempt is in progress or has not started. */
          in_progress: Schema.Int,
          /** Skipped slots of integrations that were not paused. */
          skipped_slots: Schema.Int,
          capped: Schema.Boolean
        })
      )
    })
})

/** Reads a page of runs, newest slot first, as rows of type ListedRun (Domain/RunView). */
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
  args: () =>
    Schema.Struct({
      /** Returns only runs with slots in [p_since, p_until). */
      p_since: optional(Instant),
      p_until: optional(Instant),
      p_statuses: optional(Schema.Array(Schema.String)),
      /** Returns only runs whose start is late by more than this many milliseconds. Includes runs that have not started yet. */
      p_late_ms: optional(Schema.Int),
      /** At most 1,000 runs. */
      p_limit: Schema.Int,
      p_cursor: optional(Schema.String),
      ...scopeArgument
    }),
  result: () => Schema.Struct({ now: Instant, runs: Rows, cursor: Text })
})

/** Reads a run with its history, by its id or a prefix of its id. */
export const readRun = make({
  name: "read_sync_run",
  readOnly: true,
  types: { p_run: "text" },
  args: () => Schema.Struct({ p_run: Schema.String }),
  result: () =>
    Schema.Struct({
      now: Instant,
      /** Null unless exactly one run matches. `candidates` contains the ids of at most ten matching runs. */
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
      /** Null if the integration no longer exists. */
      integration: Schema.NullOr(IntegrationStatus)
    })
})

/** Reads all records that explain an integration's slots in [p_from, p_to). */
export const readTimeline = make({
  name: "read_sync_story",
  readOnly: true,
  types: {
    p_integration_id: "uuid",
    p_from: "timestamptz",
    p_to: "timestamptz",
    p_limit: "integer"
  },
  args: () =>
    Schema.Struct({
      p_integration_id: Schema.UUID,
      /** The start of the window, at most 62 days before p_to. */
      p_from: Instant,
      p_to: Instant,
      p_limit: optional(Schema.Int)
    }),
  result: () =>
    Schema.Struct({
      now: Instant,
      from: Instant,
      to: Instant,
      scheduler: SchedulerHealth,
      integration: Schema.NullOr(IntegrationStatus),
      history: Schema.Array(Segment),
      /** The runs in the window, oldest first. */
      runs: Schema.Array(Schema.Struct({ ...RunView.fields, events: Schema.Array(RunEvent) })),
      /** Whether older runs in the window are missing. */
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
      /** The newest 50 operator actions on the integration, regardless of the window. */
      actions: Schema.Array(
        Schema.Struct({
          at: Instant,
          kind: Schema.String,
          actor: Text,
          reason: Text,
          detail: Schema.Unknown
        })
      ),
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
      /** Periods of more than five minutes without a tick, from a day before the window to a day after it. */
      silences: Schema.Array(Schema.Struct({ from: Instant, to: Schema.NullOr(Instant) }))
    })
})
export type TimelineData = typeof readTimeline.result.Type
