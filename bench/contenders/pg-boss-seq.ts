import { pgBoss } from "./PgBossQueue.ts"

/** Each worker fetches ten jobs and runs them sequentially. This is the fastest variant at low concurrency. */
export const contender = pgBoss((concurrency) => ({
  localConcurrency: concurrency,
  batchSize: 10,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
