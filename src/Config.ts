import { Context } from "effect"
import { settingsTable } from "./Config/SettingsTable.ts"

export { settingsTable as table, subjects } from "./Config/SettingsTable.ts"

/** The engine's settings, with durations in milliseconds. Config/SettingsTable describes each setting. */
export interface EngineSettings {
  /** This engine's name in `claimed_by`, `sync_tick` and events, unique per process. */
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
  /** How long a tick waits at its start for an unresponsive database, in milliseconds; see databaseWait. */
  readonly databaseWaitMs: number
}

/** The engine's settings as a service, so that tests and commands can override them. */
export class EngineConfig extends Context.Tag("@sync-scheduler/EngineConfig")<
  EngineConfig,
  EngineSettings
>() {}

/** The maximum wait, in milliseconds. `serve` reports a tick that waits longer as stalled. */
const MAX_DATABASE_WAIT_MS = 90_000

/**
 * Computes how long a tick waits for an unresponsive database: three quarters of the interval, so that the wait ends before the
 * next tick begins. With the default interval of 60 s, the wait is 45 s, more than the 32 s that PostgREST may need to reconnect
 * once the database is available again.
 */
const databaseWait = (intervalMs: number): number =>
  Math.min(intervalMs * 0.75, MAX_DATABASE_WAIT_MS)

/** Defaults from the settings table. */
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

/** The value of every setting, keyed by its name in the settings table. */
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
