import { SQL } from "bun"
import type { Contender } from "../Spec.ts"
import { invoke, microBatch } from "./Job.ts"

interface Due {
  readonly integration_id: string
  readonly org_id: string
  readonly schedule_version: number
  readonly next_run_at: string
}
interface Run {
  readonly run_id: string
}
interface Answer {
  readonly integrations: ReadonlyArray<Due>
  readonly cursor: string | null
  readonly claimed: ReadonlyArray<Run>
}

const PAGE = 100
const HOUR_MS = 3_600_000

/**
 * The SQL functions of Sync Scheduler, called in whole batches by a bare loop, with a connection for each invocation: a measure of
 * what the run log itself costs. It checks nothing and would lose what is under way.
 */
export const contender: Contender = async ({ concurrency, databaseUrl, functionUrl }) => {
  const sql = new SQL(databaseUrl, { max: 4 })
  await Promise.all(Array.from({ length: 4 }, () => sql`select 1`))
  const tokens = new Map<string, string>()
  const settle = microBatch(async (ids) => {
    for (let at = 0; at < ids.length; at += PAGE) {
      const settlements = ids
        .slice(at, at + PAGE)
        .map((id) => ({ run_id: id, lease_token: tokens.get(id), outcome: "completed" }))
      await sql`select public.settle_sync_runs('bench', ${settlements}::jsonb)`
    }
  })
  /** Claims and starts a page of what is due. */
  const take = async (due: ReadonlyArray<Due>): Promise<ReadonlyArray<Run>> => {
    const slots = due.map((one) => ({
      ...one,
      expected_next_run_at: one.next_run_at,
      scheduled_for: one.next_run_at,
      trigger: "schedule",
      next_run_at: new Date(Date.parse(one.next_run_at) + HOUR_MS).toISOString()
    }))
    const [{ answer }] = await sql<[{ answer: Answer }]>`
      select public.claim_sync_runs('bench', ${crypto.randomUUID()}::uuid, ${slots}::jsonb) as answer`
    const starts = answer.claimed.map(({ run_id }) => {
      const token = crypto.randomUUID()
      tokens.set(run_id, token)
      return { run_id, lease_token: token, lease_seconds: 215 }
    })
    await sql`select public.start_sync_runs('bench', ${starts}::jsonb)`
    return answer.claimed
  }
  return {
    tick: async (): Promise<undefined> => {
      const started: Array<Run> = []
      const settled: Array<Promise<void>> = []
      let isOver = false
      const worker = async () => {
        while (!isOver || started.length > 0) {
          const run = started.shift()
          if (run === undefined) {
            await Bun.sleep(1)
            continue
          }
          await invoke(functionUrl, run.run_id, false)
          settled.push(settle(run.run_id))
        }
      }
      const workers = Promise.all(Array.from({ length: concurrency }, worker))
      let cursor: string | null = null
      do {
        const [{ answer }]: [{ answer: Answer }] =
          await sql`select public.read_due_integrations(${PAGE}, ${cursor}) as answer`
        started.push(...(await take(answer.integrations)))
        cursor = answer.cursor
      } while (cursor !== null)
      isOver = true
      await workers
      await Promise.all(settled)
    },
    close: () => sql.close()
  }
}
