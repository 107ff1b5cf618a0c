/**
 * The engine's building blocks for programs that use Effect, published as `sync-scheduler/layers`. They are the tick, the
 * services that it depends on, and the implementations of these services. `runScheduledJobs` combines the same building blocks.
 */
export { defaultEngineSettings, EngineConfig, type EngineSettings } from "../Config.ts"
export { InvokeError, ScheduleError, SchemaMismatch, SupabaseError } from "../Domain/Errors.ts"
export type { Outcome } from "../Domain/Outcome.ts"
export type { Invocation, Run } from "../Domain/Run.ts"
export * as Schedule from "../Domain/Schedule/Schedule.ts"
export { Summary, type SummaryJson } from "../Domain/Summary.ts"
export * as Engine from "../Engine.ts"
export * as InvokerLive from "../Layers/InvokerLive.ts"
export * as LedgerLive from "../Layers/LedgerLive.ts"
export * as LockLive from "../Layers/LockLive.ts"
export * as SupabaseLive from "../Layers/SupabaseLive.ts"
export { Invoker } from "../Services/Invoker.ts"
export { Ledger } from "../Services/Ledger.ts"
export { Lock } from "../Services/Lock.ts"
export { Supabase } from "../Services/Supabase.ts"
