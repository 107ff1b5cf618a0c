import type { Ledger } from "./ledger.ts"
import type { Project } from "./project.ts"
import type { Invocation } from "./request.ts"

/** A trial comes from `sync-scheduler invoke`, and has no run in the database. */
export const isTrial = ({ trigger }: Invocation): boolean => trigger === "trial"

/** Only the local stack, which uses http, allows trials: a hosted function must never work without a run. */
export const allowsTrials = ({ url }: Project): boolean => url.startsWith("http:")

export const trialLedger: Ledger = {
  begin: () => Promise.resolve({ kind: "granted" }),
  heartbeat: () => Promise.resolve("owned"),
  complete: () => Promise.resolve(true)
}
