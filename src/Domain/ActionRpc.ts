import { Schema } from "effect"
import { Instant } from "./Instant.ts"
import { make } from "./Rpc.ts"

const acting = { p_actor: Schema.String, p_reason: Schema.String }
const Refused = Schema.Struct({
  done: Schema.Literal(false),
  reason: Schema.String,
  status: Schema.optional(Schema.NullOr(Schema.String))
})
const runTypes = { p_run_id: "uuid", p_actor: "text", p_reason: "text" } as const
const integrationTypes = { p_integration_id: "uuid", p_actor: "text", p_reason: "text" } as const
const runArgs = Schema.Struct({ p_run_id: Schema.UUID, ...acting })
const integrationArgs = Schema.Struct({ p_integration_id: Schema.UUID, ...acting })

/**
 * failed, skipped or unknown -> pending, with one more attempt. `not_before`: until then the function of the attempt before may
 * be at work, and no tick starts it; null: nothing to wait for.
 */
export const retryRun = make({
  name: "retry_sync_run",
  readOnly: false,
  types: runTypes,
  args: runArgs,
  result: Schema.Union(
    Schema.Struct({
      done: Schema.Literal(true),
      run_id: Schema.String,
      from: Schema.String,
      not_before: Schema.optional(Schema.NullOr(Instant))
    }),
    Refused
  )
})

/** An unknown run that holds later slots lets them run; it stays unknown. */
export const releaseRun = make({
  name: "release_sync_run",
  readOnly: false,
  types: runTypes,
  args: runArgs,
  result: Schema.Union(
    Schema.Struct({ done: Schema.Literal(true), run_id: Schema.String }),
    Refused
  )
})

/** A run right now, outside the schedule; the next tick starts it. */
export const triggerRun = make({
  name: "trigger_sync_run",
  readOnly: false,
  types: integrationTypes,
  args: integrationArgs,
  result: Schema.Union(
    Schema.Struct({
      done: Schema.Literal(true),
      run_id: Schema.String,
      scheduled_for: Instant
    }),
    Refused
  )
})

const changed = Schema.Union(
  Schema.Struct({ done: Schema.Literal(true), integration_id: Schema.String }),
  Refused
)

/** Its slots are passed over, on record, until it is resumed. */
export const pauseIntegration = make({
  name: "pause_integration",
  readOnly: false,
  types: integrationTypes,
  args: integrationArgs,
  result: changed
})

/** Enables it and closes its breaker; no slot that passed meanwhile is fired. */
export const resumeIntegration = make({
  name: "resume_integration",
  readOnly: false,
  types: integrationTypes,
  args: integrationArgs,
  result: changed
})
