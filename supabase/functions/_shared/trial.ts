import type { Ledger } from "./ledger.ts"
import type { Project } from "./project.ts"
import type { Invocation } from "./request.ts"

/**
 * Returns whether `sync-scheduler invoke` sent the request as a trial on a developer's machine. A trial has no run in the
 * database.
 */
export const isTrial = ({ trigger }: Invocation): boolean => trigger === "trial"

/**
 * Returns whether the project allows trials. Only the local stack, which uses http, allows trials, because a hosted function must
 * never do work without a run.
 */
export const allowsTrials = ({ url }: Project): boolean => url.startsWith("http:")

/** A ledger that grants every request and records nothing. */
export const trialLedger: Ledger = {
  begin: () => Promise.resolve({ kind: "granted" }),
  heartbeat: () => Promise.resolve("owned"),
  complete: () => Promise.resolve(true)
}
