/**
 * The engine's doubles, published as `sync-scheduler/testing`: a World in memory with a database that mirrors the SQL
 * functions, Edge Functions that behave as told, and the Layers of any number of engines over it. Needs no test runner.
 */
export { type IntegrationRow, MemoryDatabase, type RunRow } from "./MemoryDatabase.ts"
export { type Carrier, memorySupabase } from "./MemorySupabase.ts"
export { completed, makeWorld, startOfTime, uuid, World } from "./World.ts"
