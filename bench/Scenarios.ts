import type { Load } from "./Trial.ts"

/** The same work for every contender. `idealMs`: what the invocations alone take at this concurrency. */
export interface Scenario extends Load {
  readonly name: string
  readonly title: string
}

/** Contenders in the order in which they are shown; `Peers` are the ones that the targets speak of. */
export const contenders: Readonly<Record<string, string>> = {
  http: "the invocations alone",
  "http-own": "the same, a connection each",
  "raw-sql-bulk": "raw SQL in bulk",
  "ours-sql": "Sync Scheduler's SQL, bare",
  "ours-effect": "the same from bare Effect",
  "ours-direct": "Sync Scheduler, direct",
  "pg-boss-seq": "pg-boss, 10 per worker",
  "pg-boss-wave": "pg-boss, in waves",
  graphile: "graphile-worker, no run log",
  "graphile-history": "graphile-worker, run log",
  "rest-bulk": "bulk RPC over supabase-js",
  "ours-api": "Sync Scheduler, supabase-js",
  script: "supabase-js + p-limit"
}

/** Without the measures of what parts cost: what a quick run has time for. */
export const quickContenders: ReadonlyArray<string> = [
  "http-own",
  "ours-direct",
  "pg-boss-seq",
  "graphile-history",
  "rest-bulk",
  "ours-api",
  "script"
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
    scenario(1_000, 100, 5),
    scenario(2_000, 10, 5),
    scenario(5_000, 0, 5),
    scenario(5_000, 0, 50)
  ]
}

/** Wall time of the invocations alone, were everything else free. */
export const idealMs = ({ jobs, latencyMs, concurrency }: Load): number =>
  Math.ceil(jobs / concurrency) * latencyMs
