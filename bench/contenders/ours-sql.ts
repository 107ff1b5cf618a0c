import type { Contender } from "../Spec.ts"
import { openBareLedger } from "./BareLedger.ts"
import { invoke, microBatch } from "./Job.ts"

/**
 * The SQL functions of Sync Scheduler, called in whole batches by a bare loop, with a connection for each invocation: a measure of
 * what the run log itself costs. It checks nothing and would lose what is under way.
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
      let cursor: string | null = null
      do {
        const page = await ledger.readDue(cursor)
        const claimed = await ledger.claim(page.integrations)
        await ledger.start(claimed)
        started.push(...claimed)
        cursor = page.cursor
      } while (cursor !== null)
      isOver = true
      await workers
      await Promise.all(settled)
    },
    close: ledger.close
  }
}
