import { Schema } from "effect"
import { HealthSignal } from "../Domain/Health/HealthSignal.ts"
import { Instant } from "../Domain/Instant.ts"
import { make } from "./Rpc.ts"

const Time = Schema.NullOr(Instant)

/** The health of an accounting API: a row of `integration_health`. *Source*: `sync_scheduler.health_json`. */
export const ApiHealth = Schema.Struct({
  provider: Schema.String,
  host: Schema.String,
  status: Schema.Literal("unknown", "healthy", "unhealthy", "throttled"),
  /** `passive`: the API is not probed until `passive_until`. */
  mode: Schema.Literal("active", "passive"),
  since: Time,
  last_sync_at: Time,
  last_probe_at: Time,
  next_probe_at: Time,
  throttled_until: Time,
  passive_until: Time,
  /** The number of organisations that the vendor throttles. */
  held_organisations: Schema.Int,
  consecutive_failures: Schema.Int,
  latency_ms: Schema.NullOr(Schema.Number),
  http_status: Schema.NullOr(Schema.Int),
  error_code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  quota: Schema.Unknown,
  probes: Schema.Number
})
export type ApiHealth = typeof ApiHealth.Type

const Api = { provider: Schema.String, host: Schema.String }

/** Reads the types of enabled integrations, and the health of the APIs. */
export const readApis = make({
  name: "read_sync_apis",
  readOnly: true,
  types: {},
  args: () => Schema.Struct({}),
  result: () =>
    Schema.Struct({
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

/** Claims the APIs that this engine can probe now. `types` and `urls` identify an API's integrations. */
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
  args: () =>
    Schema.Struct({
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
  result: () =>
    Schema.Struct({
      now: Instant,
      probes: Schema.Array(Schema.Struct(Api)),
      waiting: Schema.Array(Schema.Struct({ ...Api, reason: Schema.String, until: Time }))
    })
})

/** `accepted` is false if the result was too late or already recorded. */
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
  args: () =>
    Schema.Struct({
      p_engine_id: Schema.String,
      p_token: Schema.UUID,
      p_provider: Schema.String,
      p_host: Schema.String,
      p_result: Schema.Struct({
        ...HealthSignal.fields,
        /** The time until the response headers arrived, in milliseconds; null without a response. */
        latency_ms: Schema.NullOr(Schema.Number),
        /** The interval between probes of a healthy API, in milliseconds. The minimum is 15 minutes. */
        every_ms: Schema.Number
      }),
      p_jitter: Schema.Number
    }),
  result: () => Schema.Struct({ accepted: Schema.Boolean, health: Schema.NullOr(ApiHealth) })
})
