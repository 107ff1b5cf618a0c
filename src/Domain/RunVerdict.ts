import type { Outcome } from "./Outcome.ts"
import type { RunStatus } from "./Run.ts"

/** The facts that, together with the response, determine a run's status. */
export interface RunFacts {
  /** Whether the fence allowed the function to begin. If so, the outcome cannot be "not executed". */
  readonly began: boolean
  /** The result that the function reported with its lease token, or null. */
  readonly reported: "completed" | "failed" | null
  readonly onUnknown: "retry" | "hold"
  readonly attempt: number
  readonly maxAttempts: number
}

export interface RunVerdict {
  readonly status: Extract<RunStatus, "completed" | "failed" | "unknown" | "pending" | "running">
  readonly isRetried: boolean
  /** The status and the next step, in one sentence. */
  readonly sentence: string
}

/** Determines a run's status after one attempt. Pure and total. */
export const runVerdictOf = (outcome: Outcome, facts: RunFacts): RunVerdict => {
  const status = facts.reported ?? statusOf(outcome, facts)
  const isLeft = facts.attempt < facts.maxAttempts
  switch (status) {
    case "completed":
      return verdict(status, false, "The run is completed.")
    case "failed":
      return verdict(status, false, "The run has failed. Failures are not retried automatically.")
    case "running":
      return verdict(
        status,
        false,
        "The run is in progress until the function reports its result or the lease ends."
      )
    case "pending":
      return isLeft
        ? verdict(status, true, "The function did nothing, so the run is retried after a backoff.")
        : verdict(
            "failed",
            false,
            "The function did nothing and no attempts are left, so the run has failed."
          )
    case "unknown":
      return facts.onUnknown === "retry" && isLeft
        ? verdict(
            status,
            true,
            `${MAY_HAVE} The run is retried with the same idempotency key after the quiescence period.`
          )
        : verdict(
            status,
            false,
            `${MAY_HAVE} An operator must decide: runs retry, or runs release.`
          )
  }
}

const MAY_HAVE = "The outcome is unknown: the sync may have taken effect."

const verdict = (
  status: RunVerdict["status"],
  isRetried: boolean,
  sentence: string
): RunVerdict => ({ status, isRetried, sentence })

const statusOf = (outcome: Outcome, { began }: RunFacts): RunVerdict["status"] => {
  switch (outcome._tag) {
    case "Completed":
      return "completed"
    case "Failed":
      return "failed"
    case "Accepted":
      return "running"
    case "NotExecuted":
      return began ? "unknown" : "pending"
    case "Unknown":
      return "unknown"
  }
}
