import { PgBoss, type WorkOptions } from "pg-boss"
import type { Contender } from "../Spec.ts"
import { invoke } from "./Job.ts"

/** Inserts all jobs into pg-boss in one call, and processes them until every job is completed. pg-boss keeps finished jobs. */
export const pgBoss =
  (options: (concurrency: number) => WorkOptions): Contender =>
  async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
    const boss = new PgBoss({
      connectionString: databaseUrl,
      max: Math.max(10, concurrency + 2),
      schedule: false
    })
    boss.on("error", (error) => console.error(error))
    await boss.start()
    await boss.createQueue("sync")
    let left = jobs
    let done: () => void = () => {}
    const finished = new Promise<void>((resolve) => {
      done = resolve
    })
    return {
      tick: async (): Promise<undefined> => {
        await boss.insert(
          "sync",
          Array.from({ length: jobs }, (_, n) => ({ data: { integration: n } }))
        )
        const chosen = options(concurrency)
        const isWave = chosen.localConcurrency === undefined
        await boss.work("sync", chosen, async (batch) => {
          if (isWave) await Promise.all(batch.map(({ id }) => invoke(functionUrl, id)))
          else for (const { id } of batch) await invoke(functionUrl, id)
          left -= batch.length
          if (left === 0) done()
        })
        await finished
        // The handler has returned, but pg-boss may still be recording the outcome.
        for (;;) {
          const [queue] = await boss
            .getDb()
            .executeSql(
              "select count(*)::int as n from pgboss.job where state <> 'completed' and name = 'sync'",
              []
            )
            .then(({ rows }) => rows)
          if (queue?.n === 0) return undefined
        }
      },
      close: () => boss.stop({ graceful: false })
    }
  }
