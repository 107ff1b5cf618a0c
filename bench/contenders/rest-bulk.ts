import { createClient } from "@supabase/supabase-js"
import type { Contender } from "../Spec.ts"
import { invoke, microBatch, pool } from "./Job.ts"

/** Records many starts or many outcomes in one RPC, over supabase-js. */
export const contender: Contender = async (spec) => {
  const client = createClient(spec.gatewayUrl, spec.secretKey, { auth: { persistSession: false } })
  const rpc = async (name: string, args: object) => {
    const { data, error } = await client.rpc(name, args)
    if (error !== null) throw new Error(error.message)
    return data
  }
  await rpc("bench_start", { p_ids: [] })
  const start = microBatch((ids) => rpc("bench_start", { p_ids: ids }))
  const settle = microBatch((ids) => rpc("bench_settle", { p_ids: ids }))
  return {
    tick: async (): Promise<undefined> => {
      const ids: ReadonlyArray<string> = await rpc("bench_insert", { p_count: spec.jobs })
      const settled: Array<Promise<void>> = []
      await pool(ids, spec.concurrency, async (id) => {
        await start(id)
        await invoke(spec.functionUrl, id)
        settled.push(settle(id))
      })
      await Promise.all(settled)
    },
    close: async () => {}
  }
}
