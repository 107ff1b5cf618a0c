import { Context } from "effect"

/** What the engine goes by. Spans in milliseconds; the settings' names and meaning are in DESIGN.md section 7. */
export interface EngineSettings {
  /** Who this engine is in `claimed_by`, `sync_tick` and events: unique per process. */
  readonly engineId: string
  readonly concurrency: number
  readonly invokeTimeoutMs: number
  readonly leaseMarginMs: number
  readonly runningGuardMs: number
  readonly quiescenceMs: number
  readonly adoptAfterMs: number
  readonly retryBaseMs: number
  readonly retryCapMs: number
  readonly driftAlertMs: number
  readonly catchUpWindowMs: number
}

/** The defaults of DESIGN.md section 7. */
export const defaultEngineSettings: Omit<EngineSettings, "engineId"> = {
  concurrency: 5,
  invokeTimeoutMs: 155_000,
  leaseMarginMs: 60_000,
  runningGuardMs: 1_800_000,
  quiescenceMs: 430_000,
  adoptAfterMs: 10_000,
  retryBaseMs: 5_000,
  retryCapMs: 900_000,
  driftAlertMs: 300_000,
  catchUpWindowMs: 86_400_000
}

/** The engine's settings as a service, so that tests and commands can vary them. */
export class EngineConfig extends Context.Tag("@sync-scheduler/EngineConfig")<
  EngineConfig,
  EngineSettings
>() {}
