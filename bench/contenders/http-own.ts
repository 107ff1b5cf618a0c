import type { Contender } from "../Spec.ts"
import { invoke, pool } from "./Job.ts"

/** The invocations alone, each over a connection of its own, as the engine makes them: a kept one that breaks leaves an outcome unknown. */
export const contender: Contender = async ({ concurrency, functionUrl, jobs }) => ({
  tick: async (): Promise<undefined> => {
    const ids = Array.from({ length: jobs }, (_, n) => String(n))
    await pool(ids, concurrency, (id) => invoke(functionUrl, id, false))
  },
  close: async () => {}
})
