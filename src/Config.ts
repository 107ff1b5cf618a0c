import { Context } from "effect"
import { settingsTable } from "./Config/SettingsTable.ts"

export { settingsTable as table, subjects } from "./Config/SettingsTable.ts"

/** The engine's settings (Config/SettingsTable). Durations are in milliseconds. */
export interface EngineSettings {
  /** The engine's name in `claimed_by`, `sync_tick` and events. Each process has a different name. */
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
  /** The maximum wait for an unresponsive database when a tick starts. */
  readonly databaseWaitMs: number
}

export class EngineConfig extends Context.Tag("@sync-scheduler/EngineConfig")<
  EngineConfig,
  EngineSettings
>() {}

/** The maximum wait for an unresponsive database, in milliseconds. `serve` reports a longer wait as a stalled tick. */
const MAX_DATABASE_WAIT_MS = 90_000

/**
 * Returns three quarters of the interval, so that the wait ends before the next tick. With the default interval of 60 s, the wait
 * is 45 s. PostgREST needs up to 32 s to reconnect.
 */
const databaseWait = (intervalMs: number): number =>
  Math.min(intervalMs * 0.75, MAX_DATABASE_WAIT_MS)

export const defaultEngineSettings: Omit<EngineSettings, "engineId"> = {
  concurrency: settingsTable.concurrency.fallback,
  invokeTimeoutMs: settingsTable.invokeTimeout.fallback,
  leaseMarginMs: settingsTable.leaseMargin.fallback,
  runningGuardMs: settingsTable.runningGuard.fallback,
  quiescenceMs: settingsTable.quiescence.fallback,
  adoptAfterMs: settingsTable.adoptAfter.fallback,
  retryBaseMs: settingsTable.retryBase.fallback,
  retryCapMs: settingsTable.retryCap.fallback,
  driftAlertMs: settingsTable.driftAlert.fallback,
  catchUpWindowMs: settingsTable.catchUpWindow.fallback,
  databaseWaitMs: databaseWait(settingsTable.interval.fallback)
}

export type Settings = {
  readonly [K in keyof typeof settingsTable]: (typeof settingsTable)[K]["fallback"]
}

export const engineSettings = (settings: Settings, engineId: string): EngineSettings => ({
  engineId,
  concurrency: settings.concurrency,
  invokeTimeoutMs: settings.invokeTimeout,
  leaseMarginMs: settings.leaseMargin,
  runningGuardMs: settings.runningGuard,
  quiescenceMs: settings.quiescence,
  adoptAfterMs: settings.adoptAfter,
  retryBaseMs: settings.retryBase,
  retryCapMs: settings.retryCap,
  driftAlertMs: settings.driftAlert,
  catchUpWindowMs: settings.catchUpWindow,
  databaseWaitMs: databaseWait(settings.interval)
})
