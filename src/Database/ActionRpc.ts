import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
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
 * Sets a failed, skipped or unknown run to pending and allows one more attempt. No tick starts the run before `not_before`,
 * because the previous attempt's function might still be running. Null means immediately.
 */
export const retryRun = make({
  name: "retry_sync_run",
  readOnly: false,
  types: runTypes,
  args: () => runArgs,
  result: () =>
    Schema.Union(
      Schema.Struct({
        done: Schema.Literal(true),
        run_id: Schema.String,
        from: Schema.String,
        not_before: Schema.optional(Schema.NullOr(Instant))
      }),
      Refused
    )
})

/** Releases an unknown run, so that later slots can run; the run stays unknown. */
export const releaseRun = make({
  name: "release_sync_run",
  readOnly: false,
  types: runTypes,
  args: () => runArgs,
  result: () =>
    Schema.Union(Schema.Struct({ done: Schema.Literal(true), run_id: Schema.String }), Refused)
})

/** Creates a run outside the schedule. The next tick starts it. */
export const triggerRun = make({
  name: "trigger_sync_run",
  readOnly: false,
  types: integrationTypes,
  args: () => integrationArgs,
  result: () =>
    Schema.Union(
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

/** Pauses an integration. Its slots are recorded as skipped. */
export const pauseIntegration = make({
  name: "pause_integration",
  readOnly: false,
  types: integrationTypes,
  args: () => integrationArgs,
  result: () => changed
})

/** Enables an integration and closes its breaker. Earlier slots are not run. */
export const resumeIntegration = make({
  name: "resume_integration",
  readOnly: false,
  types: integrationTypes,
  args: () => integrationArgs,
  result: () => changed
})
