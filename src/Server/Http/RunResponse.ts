import { Schema } from "effect"
import { Instant } from "../../Domain/Instant.ts"
import { IntegrationStatus } from "../../Domain/IntegrationStatus.ts"
import { IncidentView, RunEvent, RunView } from "../../Domain/RunView.ts"

/** A run. The function's response is omitted, because it contains the project's own data. */
export const RunResponse = Schema.Struct({
  now: Instant,
  run: Schema.Struct({
    ...RunView.fields,
    idempotency_key: Schema.NullOr(Schema.String),
    warm_up_ms: Schema.NullOr(Schema.Number),
    heartbeat_at: Schema.NullOr(Instant),
    fenced: Schema.NullOr(Schema.Boolean)
  }),
  events: Schema.Array(RunEvent),
  incidents: Schema.Array(IncidentView),
  /** The integration; null if it was deleted. */
  integration: Schema.NullOr(IntegrationStatus)
})
