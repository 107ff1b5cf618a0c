import { SQL } from "bun"

interface Due {
  readonly integration_id: string
  readonly org_id: string
  readonly schedule_version: number
  readonly next_run_at: string
}
interface Run {
  readonly run_id: string
}
interface Work {
  readonly integrations: ReadonlyArray<Due>
}
interface Claims {
  readonly claimed: ReadonlyArray<Run>
}

/** The maximum number of items per call. */
export const PAGE = 100
const HOUR_MS = 3_600_000

/** Calls Sync Scheduler's SQL functions directly, without checks, retries or timeouts. */
export const openBareLedger = async (databaseUrl: string) => {
  const sql = new SQL(databaseUrl, { max: 4 })
  await Promise.all(Array.from({ length: 4 }, () => sql`select 1`))
  const tokens = new Map<string, string>()
  return {
    /** Reserves due integrations. Returns an empty array when none are left. */
    fetch: async (): Promise<ReadonlyArray<Due>> => {
      const options = { adopt_after_seconds: 10, drift_alert_seconds: 300 }
      const [{ answer }] = await sql<[{ answer: Work }]>`
        select public.fetch_sync_work('bench', ${crypto.randomUUID()}::uuid, ${PAGE}, ${options}::jsonb) as answer`
      return answer.integrations
    },
    claim: async (due: ReadonlyArray<Due>): Promise<ReadonlyArray<string>> => {
      const slots = due.map((one) => ({
        ...one,
        expected_next_run_at: one.next_run_at,
        scheduled_for: one.next_run_at,
        trigger: "schedule",
        next_run_at: new Date(Date.parse(one.next_run_at) + HOUR_MS).toISOString()
      }))
      const [{ answer }] = await sql<[{ answer: Claims }]>`
        select public.claim_sync_runs('bench', ${crypto.randomUUID()}::uuid, ${slots}::jsonb) as answer`
      return answer.claimed.map(({ run_id }) => run_id)
    },
    start: async (runIds: ReadonlyArray<string>): Promise<void> => {
      const starts = runIds.map((run_id) => {
        const lease_token = crypto.randomUUID()
        tokens.set(run_id, lease_token)
        return { run_id, lease_token, lease_seconds: 215 }
      })
      await sql`select public.start_sync_runs('bench', ${starts}::jsonb)`
    },
    settle: async (runIds: ReadonlyArray<string>): Promise<void> => {
      for (let at = 0; at < runIds.length; at += PAGE) {
        const settlements = runIds
          .slice(at, at + PAGE)
          .map((run_id) => ({ run_id, lease_token: tokens.get(run_id), outcome: "completed" }))
        await sql`select public.settle_sync_runs('bench', ${settlements}::jsonb)`
      }
    },
    close: () => sql.close()
  }
}
