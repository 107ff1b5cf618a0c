import { createClient } from "@supabase/supabase-js"
import pLimit from "p-limit"
import type { Contender } from "../Spec.ts"
import { invoke } from "./Job.ts"

/** Imitates a typical first implementation: p-limit limits the concurrency, and each job needs three database requests. */
export const contender: Contender = async (spec) => {
  const client = createClient(spec.gatewayUrl, spec.secretKey, { auth: { persistSession: false } })
  const rpc = async (name: string, args: object) => {
    const { data, error } = await client.rpc(name, args)
    if (error !== null) throw new Error(error.message)
    return data
  }
  await rpc("bench_start", { p_ids: [] })
  const limit = pLimit(spec.concurrency)
  const run = async () => {
    const ids: ReadonlyArray<string> = await rpc("bench_insert", { p_count: 1 })
    await rpc("bench_start", { p_ids: ids })
    for (const id of ids) await invoke(spec.functionUrl, id)
    await rpc("bench_settle", { p_ids: ids })
  }
  return {
    tick: async (): Promise<undefined> => {
      await Promise.all(Array.from({ length: spec.jobs }, () => limit(run)))
    },
    close: async () => {}
  }
}
