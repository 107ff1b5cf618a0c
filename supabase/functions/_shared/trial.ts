import type { Ledger } from "./ledger.ts"
import type { Project } from "./project.ts"
import type { Invocation } from "./request.ts"

/**
 * Whether `sync-scheduler invoke` sent the request, to try a function on a developer's machine. A trial has no run in the database.
 */
export const isTrial = ({ trigger }: Invocation): boolean => trigger === "trial"

/** Whether the project allows trials. Only the local stack uses http; a hosted function never works without a run. */
export const allowsTrials = ({ url }: Project): boolean => url.startsWith("http:")

/** A ledger that grants every request and records nothing. */
export const trialLedger: Ledger = {
  begin: () => Promise.resolve({ kind: "granted" }),
  heartbeat: () => Promise.resolve("owned"),
  complete: () => Promise.resolve(true)
}
