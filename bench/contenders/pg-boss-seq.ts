import { pgBoss } from "./PgBossQueue.ts"

/** Workers that take ten jobs each and do them one after the other: the fastest with few in flight. */
export const contender = pgBoss((concurrency) => ({
  localConcurrency: concurrency,
  batchSize: 10,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
