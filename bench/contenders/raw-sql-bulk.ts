import { SQL } from "bun"
import type { Contender } from "../Spec.ts"
import { invoke, microBatch, pool } from "./Job.ts"

/** Inserts all rows in one statement. Records starts and outcomes in micro-batches. Uses no locks, leases or history. */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl, jobs }) => {
  const sql = new SQL(databaseUrl, { max: 4 })
  await Promise.all(Array.from({ length: 4 }, () => sql`select 1`))
  const start = microBatch(async (ids) => {
    await sql`update bench.run set status = 'running', started_at = now() where id = any (${sql.array([...ids], "uuid")})`
  })
  const settle = microBatch(async (ids) => {
    await sql`update bench.run set status = 'completed', finished_at = now() where id = any (${sql.array([...ids], "uuid")})`
  })
  return {
    tick: async (): Promise<undefined> => {
      const rows: ReadonlyArray<{ id: string }> =
        await sql`insert into bench.run (integration) select n from generate_series(1, ${jobs}) n returning id`
      const settled: Array<Promise<void>> = []
      await pool(rows, concurrency, async ({ id }) => {
        await start(id)
        await invoke(functionUrl, id)
        settled.push(settle(id))
      })
      await Promise.all(settled)
    },
    close: () => sql.close()
  }
}
