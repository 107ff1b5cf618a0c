import { pgBoss } from "./PgBossQueue.ts"

/**
 * Runs one batch at a time, all of its jobs concurrently: the fastest variant at high concurrency. A batch ends with its
 * slowest job.
 */
export const contender = pgBoss((concurrency) => ({
  batchSize: concurrency,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
