import type { Contender } from "../Spec.ts"
import { invoke, pool } from "./Job.ts"

/** Performs only the invocations. `keepalive` reuses connections; otherwise, each invocation opens a connection. */
export const invocations =
  (keepalive: boolean): Contender =>
  async ({ concurrency, functionUrl, jobs }) => ({
    tick: async (): Promise<undefined> => {
      const ids = Array.from({ length: jobs }, (_, n) => String(n))
      await pool(ids, concurrency, (id) => invoke(functionUrl, id, keepalive))
    },
    close: async () => {}
  })
