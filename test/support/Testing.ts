/**
 * Test support, published as `sync-scheduler/testing`. `testSyncRun` tests a project's own function without Effect. To test the
 * engine, use an in-memory World (a database that mirrors the SQL functions, and configurable Edge Functions) and its Layers. No
 * particular test runner is required.
 */
export { type IntegrationRow, MemoryDatabase, type RunRow } from "./MemoryDatabase.ts"
export { type Carrier, memorySupabase } from "./MemorySupabase.ts"
export {
  type RunningSyncRun,
  type SyncRunResult,
  type SyncRunTest,
  testSyncRun
} from "./testSyncRun.ts"
export { completed, makeWorld, startOfTime, uuid, World } from "./World.ts"
