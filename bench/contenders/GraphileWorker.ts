import { SQL } from "bun"
import { Logger, makeWorkerUtils, run } from "graphile-worker"
import type { Contender } from "../Spec.ts"
import { invoke } from "./Job.ts"

/**
 * Runs graphile-worker in its fastest configuration: a local queue of 100 jobs. graphile-worker deletes finished jobs. `history`
 * therefore records each job's start and outcome in a table.
 */
export const graphile =
  (history: boolean): Contender =>
  async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
    const sql = new SQL(databaseUrl, { max: Math.max(4, Math.min(concurrency, 10)) })
    const logger = new Logger(() => () => {})
    const utils = await makeWorkerUtils({ connectionString: databaseUrl, logger })
    await utils.migrate()
    let left = jobs
    let done: () => void = () => {}
    const finished = new Promise<void>((resolve) => {
      done = resolve
    })
    const runner = await run({
      connectionString: databaseUrl,
      concurrency,
      maxPoolSize: Math.max(10, concurrency + 2),
      noHandleSignals: true,
      logger,
      preset: {
        worker: { localQueue: { size: 100 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
      },
      taskList: {
        sync: async (payload) => {
          const id = idOf(payload)
          if (history) {
            await sql`update bench.run set status = 'running', started_at = now() where id = ${id}`
          }
          await invoke(functionUrl, id)
          if (history) {
            await sql`update bench.run set status = 'completed', finished_at = now() where id = ${id}`
          }
          left -= 1
          if (left === 0) done()
        }
      }
    })
    return {
      tick: async (): Promise<undefined> => {
        const rows: ReadonlyArray<{ id: string }> = history
          ? await sql`insert into bench.run (integration) select n from generate_series(1, ${jobs}) n returning id`
          : Array.from({ length: jobs }, () => ({ id: crypto.randomUUID() }))
        await utils.addJobs(rows.map(({ id }) => ({ identifier: "sync", payload: { id } })))
        await finished
        for (;;) {
          const [queue] = await sql`select count(*)::int as n from graphile_worker.jobs`
          if (queue.n === 0) return undefined
        }
      },
      close: async () => {
        await runner.stop()
        await utils.release()
        await sql.close()
      }
    }
  }

const idOf = (payload: unknown): string =>
  typeof payload === "object" && payload !== null && "id" in payload ? String(payload.id) : ""
