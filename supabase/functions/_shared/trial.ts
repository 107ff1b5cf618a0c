import type { Ledger } from "./ledger.ts"
import type { Project } from "./project.ts"
import type { Invocation } from "./request.ts"

/** Trials are sent by `sync-scheduler invoke`. They have no run in the database. */
export const isTrial = ({ trigger }: Invocation): boolean => trigger === "trial"

/** Only the local stack, which uses http, allows trials. A hosted function must never do work for which there is no run. */
export const allowsTrials = ({ url }: Project): boolean => url.startsWith("http:")

export const trialLedger: Ledger = {
  begin: () => Promise.resolve({ kind: "granted" }),
  heartbeat: () => Promise.resolve("owned"),
  complete: () => Promise.resolve(true)
}
