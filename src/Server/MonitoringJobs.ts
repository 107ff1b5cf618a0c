import { Effect, FiberRef } from "effect"
import { EngineConfig } from "../Config.ts"
import { isTraced } from "../Domain/Tracing.ts"
import { probeQuietly } from "../Engine/HealthChecks.ts"
import { measureStatus } from "../Operator/StatusGauges.ts"
import type { RecurringJob } from "./RecurringJob.ts"

const EVERY_MS = 60_000

/** Probes the accounting APIs that have been idle, if a Prober is provided. Each iteration costs one database read. */
export const healthCheckJob = () =>
  ({ name: "probing", everyMs: EVERY_MS, iterate: probeQuietly }) satisfies RecurringJob<unknown>

/** Reads the status for metrics that are pushed to a collector. `/metrics` reads the status itself. */
export const metricsJob = {
  name: "measuring",
  everyMs: EVERY_MS,
  iterate: Effect.flatMap(FiberRef.get(isTraced), (isSent) =>
    isSent
      ? Effect.flatMap(EngineConfig, ({ driftAlertMs }) => measureStatus(driftAlertMs))
      : Effect.void
  )
} satisfies RecurringJob<unknown>
