import { pgBoss } from "./PgBossQueue.ts"

/** Workers that run ten jobs each sequentially: the fastest variant at low concurrency. */
export const contender = pgBoss((concurrency) => ({
  localConcurrency: concurrency,
  batchSize: 10,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
