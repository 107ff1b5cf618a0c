import { pgBoss } from "./PgBossQueue.ts"

/** A batch at a time, all of it at once: the fastest with many in flight. A batch ends with its slowest job. */
export const contender = pgBoss((concurrency) => ({
  batchSize: concurrency,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5
}))
