import type { Contender } from "../Spec.ts"
import { openBareLedger } from "./BareLedger.ts"
import { invoke, microBatch } from "./Job.ts"

/**
 * Calls the SQL functions in whole batches from a bare loop, with a new connection for each invocation. Measures the cost of the
 * run log alone: the loop would lose the runs in progress if it crashed.
 */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl }) => {
  const ledger = await openBareLedger(databaseUrl)
  const settle = microBatch(ledger.settle)
  return {
    tick: async (): Promise<undefined> => {
      const started: Array<string> = []
      const settled: Array<Promise<void>> = []
      let isOver = false
      const worker = async () => {
        while (!isOver || started.length > 0) {
          const run = started.shift()
          if (run === undefined) {
            await Bun.sleep(1)
            continue
          }
          await invoke(functionUrl, run, false)
          settled.push(settle(run))
        }
      }
      const workers = Promise.all(Array.from({ length: concurrency }, worker))
      for (let due = await ledger.fetch(); due.length > 0; due = await ledger.fetch()) {
        const claimed = await ledger.claim(due)
        await ledger.start(claimed)
        started.push(...claimed)
      }
      isOver = true
      await workers
      await Promise.all(settled)
    },
    close: ledger.close
  }
}
