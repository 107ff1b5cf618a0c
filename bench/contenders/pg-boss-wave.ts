import { pgBoss } from "./PgBossQueue.ts"

/** Runs one batch at a time, with all jobs of the batch in parallel: the fastest variant at high concurrency. */
export const contender = pgBoss((concurrency) => ({
  batchSize: concurrency,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
