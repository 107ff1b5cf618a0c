import { Schema } from "effect"
import { HealthSign } from "./HealthSign.ts"
import { Instant } from "./Instant.ts"
import { make } from "./Rpc.ts"

const Time = Schema.NullOr(Instant)

/** What is known of one accounting API: a row of `integration_health`. *Source*: `sync_scheduler.health_json`. */
export const ApiHealth = Schema.Struct({
  provider: Schema.String,
  host: Schema.String,
  status: Schema.Literal("unknown", "healthy", "unhealthy", "throttled"),
  /** passive: it is not probed until `passive_until`. */
  mode: Schema.Literal("active", "passive"),
  since: Time,
  last_sync_at: Time,
  last_probe_at: Time,
  next_probe_at: Time,
  throttled_until: Time,
  passive_until: Time,
  /** How many of its runs may go at once; null: as many as the engine's setting allows. */
  start_limit: Schema.NullOr(Schema.Int),
  consecutive_failures: Schema.Int,
  latency_ms: Schema.NullOr(Schema.Number),
  http_status: Schema.NullOr(Schema.Int),
  error_code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  quota: Schema.Unknown,
  /** How many probes were sent so far. */
  probes: Schema.Number
})
export type ApiHealth = typeof ApiHealth.Type

const Api = { provider: Schema.String, host: Schema.String }

/** Every kind of integration that is enabled, and what is known of the APIs. Reads only. */
export const readApis = make({
  name: "read_sync_apis",
  readOnly: true,
  types: {},
  args: Schema.Struct({}),
  result: Schema.Struct({
    now: Instant,
    sources: Schema.Array(
      Schema.Struct({
        integration_type: Schema.String,
        health_url: Schema.NullOr(Schema.String),
        health_method: Schema.Literal("HEAD", "GET", "OPTIONS")
      })
    ),
    health: Schema.Array(ApiHealth)
  })
})

/** Which of these APIs this engine may probe now. `types` and `urls`: what integrations of it look like. */
export const claimProbes = make({
  name: "claim_sync_probes",
  readOnly: false,
  types: {
    p_engine_id: "text",
    p_token: "uuid",
    p_apis: "jsonb",
    p_asked: "boolean",
    p_dry_run: "boolean"
  },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_token: Schema.UUID,
    p_apis: Schema.Array(
      Schema.Struct({
        ...Api,
        types: Schema.Array(Schema.String),
        urls: Schema.Array(Schema.String)
      })
    ),
    p_asked: Schema.Boolean,
    p_dry_run: Schema.Boolean
  }),
  result: Schema.Struct({
    now: Instant,
    probes: Schema.Array(Schema.Struct(Api)),
    waiting: Schema.Array(Schema.Struct({ ...Api, reason: Schema.String, until: Time }))
  })
})

/** What a probe found; `accepted` false: it came too late, or twice. */
export const recordProbe = make({
  name: "record_sync_probe",
  readOnly: false,
  types: {
    p_engine_id: "text",
    p_token: "uuid",
    p_provider: "text",
    p_host: "text",
    p_result: "jsonb",
    p_jitter: "numeric"
  },
  args: Schema.Struct({
    p_engine_id: Schema.String,
    p_token: Schema.UUID,
    p_provider: Schema.String,
    p_host: Schema.String,
    p_result: Schema.Struct({
      ...HealthSign.fields,
      /** Until the answer's head; null: there was no answer. */
      latency_ms: Schema.NullOr(Schema.Number),
      /** Until the next probe, while all is well; the database makes it 15 minutes at least. */
      every_ms: Schema.Number
    }),
    p_jitter: Schema.Number
  }),
  result: Schema.Struct({ accepted: Schema.Boolean, health: Schema.NullOr(ApiHealth) })
})
