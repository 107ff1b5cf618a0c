import { Effect, FiberRef } from "effect"
import { EngineConfig } from "../Config.ts"
import { isTraced } from "../Domain/Tracing.ts"
import { measureStatus } from "../Operator/StatusGauges.ts"
import type { Job } from "./Job.ts"

/** As often as metrics are sent. */
const EVERY_MS = 60_000

/** Reads the status for the metrics that are sent to a collector; where they are scraped, the scrape has it read. */
export const measuring = {
  name: "measuring",
  everyMs: EVERY_MS,
  turn: Effect.flatMap(FiberRef.get(isTraced), (isSent) =>
    isSent
      ? Effect.flatMap(EngineConfig, ({ driftAlertMs }) => measureStatus(driftAlertMs))
      : Effect.void
  )
} satisfies Job<unknown>
