import { pgBoss } from "./PgBossQueue.ts"

/**
 * Runs one batch at a time, with all of the batch's jobs in parallel: the fastest variant at high concurrency. A batch takes
 * as long as its slowest job.
 */
export const contender = pgBoss((concurrency) => ({
  batchSize: concurrency,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
