import type { Load } from "./Trial.ts"

export interface Scenario extends Load {
  readonly name: string
  readonly title: string
}

/** The contenders, in display order. */
export const contenders: Readonly<Record<string, string>> = {
  http: "the invocations alone",
  "http-own": "invocations, one connection each",
  "raw-sql-bulk": "raw SQL in bulk",
  "ours-sql": "Sync Scheduler's SQL, bare",
  "ours-effect": "Sync Scheduler's SQL, bare Effect",
  "ours-direct": "Sync Scheduler, direct",
  "pg-boss-seq": "pg-boss, 10 per worker",
  "pg-boss-wave": "pg-boss, in waves",
  graphile: "graphile-worker, no run log",
  "graphile-history": "graphile-worker, run log",
  dbos: "DBOS Transact",
  "rest-bulk": "bulk RPC over supabase-js",
  "ours-api": "Sync Scheduler, supabase-js",
  script: "supabase-js + p-limit"
}

/** The contenders in the published table. The other contenders measure the cost of a single component. */
export const published: ReadonlyArray<string> = [
  "http-own",
  "ours-direct",
  "ours-api",
  "pg-boss-seq",
  "pg-boss-wave",
  "graphile-history",
  "dbos",
  "rest-bulk"
]

export const scenarios = (isQuick: boolean): ReadonlyArray<Scenario> => {
  const part = isQuick ? 0.05 : 1
  const scenario = (jobs: number, latencyMs: number, concurrency: number): Scenario => {
    const count = Math.ceil(jobs * part)
    const kind = latencyMs === 0 ? "empty" : `${latencyMs} ms`
    return {
      name: `${jobs}x${latencyMs}@${concurrency}`,
      title: `${count.toLocaleString("en")} jobs, ${kind}, concurrency ${concurrency}`,
      jobs: count,
      latencyMs,
      concurrency
    }
  }
  return [
    scenario(250, 100, 5),
    scenario(1_000, 100, 5),
    scenario(2_000, 10, 5),
    scenario(5_000, 0, 5),
    scenario(5_000, 0, 50)
  ]
}

/** Returns the time that the invocations alone take, in ms. */
export const idealMs = ({ jobs, latencyMs, concurrency }: Load): number =>
  Math.ceil(jobs / concurrency) * latencyMs
