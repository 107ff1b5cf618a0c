import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { IncidentView, RunEvent, RunView } from "../Domain/RunView.ts"
import { Standing } from "../Domain/Standing.ts"

/**
 * One run: Operator's RunDetail of a run that there is, without the function's answer: that is the project's own data,
 * and nobody needs it to see what became of a run. The command line shows it.
 */
export const RunAnswer = Schema.Struct({
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
  /** Null: it was deleted. */
  integration: Schema.NullOr(Standing)
})
