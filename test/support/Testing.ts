/**
 * Test support, published as `sync-scheduler/testing`. `testSyncRun` tests a project's own function without Effect. To test the
 * engine, use a World and its Layers. A World simulates the database and configurable Edge Functions in memory. No particular
 * test runner is required.
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
