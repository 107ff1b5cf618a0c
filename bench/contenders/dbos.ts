import { DBOS } from "@dbos-inc/dbos-sdk"
import { enqueueWorkflows, prepareEnqueuedWorkflow } from "@dbos-inc/dbos-sdk/eventreceiver"
import { SQL } from "bun"
import type { Contender } from "../Spec.ts"
import { invoke } from "./Job.ts"

// DBOS's database driver triggers deprecation warnings.
process.noDeprecation = true

/**
 * Runs DBOS Transact in its fastest configuration: one call enqueues all jobs, and each job is a workflow with one step. DBOS
 * starts jobs only when it polls, so this contender polls every millisecond.
 */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
  let left = jobs
  let done: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const sync = DBOS.registerWorkflow(
    async (integration: number): Promise<void> => {
      await DBOS.runStep(() => invoke(functionUrl, DBOS.workflowID ?? String(integration)), {
        name: "invoke"
      })
      left -= 1
      if (left === 0) done()
    },
    { name: "sync" }
  )
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: Math.max(10, concurrency + 2),
    applicationVersion: "1",
    logLevel: "error"
  })
  await DBOS.launch()
  await DBOS.registerQueue("sync", {
    workerConcurrency: concurrency,
    minPollingIntervalMs: 1
  })
  const sql = new SQL(databaseUrl, { max: 1 })
  return {
    tick: async (): Promise<undefined> => {
      const workflows = Array.from({ length: jobs }, (_, n) =>
        prepareEnqueuedWorkflow(sync, [n], {
          queueName: "sync",
          workflowID: crypto.randomUUID()
        })
      )
      await enqueueWorkflows(await Promise.all(workflows))
      await finished
      // The workflow has returned, but DBOS may still be recording the outcome.
      for (;;) {
        const [queue] =
          await sql`select count(*)::int as n from dbos.workflow_status where status <> 'SUCCESS'`
        if (queue.n === 0) return undefined
      }
    },
    close: async () => {
      await DBOS.shutdown()
      await sql.close()
    }
  }
}
