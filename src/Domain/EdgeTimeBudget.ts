/**
 * The platform terminates an isolate at its wall clock limit: 150 s on the free plan, 400 s on paid plans.
 * *Source*: https://supabase.com/docs/guides/functions/limits.
 */
export interface EdgeBudget {
  /** How long the tick may claim and send runs, in milliseconds. */
  readonly budgetMs: number
  /** The time limit for one invocation, in milliseconds: the setting or, if shorter, the remaining wall clock time. */
  readonly invokeTimeoutMs: number
}

/** The time reserved for booting the isolate, recording the last outcomes, and sending notifications. */
const RESERVE_MS = 15_000
/** The minimum time for claiming and sending runs, even if the invocation timeout is long. */
const LEAST_BUDGET_MS = 25_000

/**
 * Divides the wall clock limit into a budget, an invocation timeout and a reserve. With the default timeout, a limit of 150 s
 * gives a budget of 25 s and a timeout of 110 s; a limit of 400 s gives 230 s and 155 s.
 * *Guarantees*: the sum stays within the limit, so that an invocation sent at the end of the budget can finish.
 */
export const divide = (wallClockMs: number, invokeTimeoutMs: number): EdgeBudget => {
  const usableMs = wallClockMs - RESERVE_MS
  const leastMs = Math.min(LEAST_BUDGET_MS, usableMs / 2)
  const timeoutMs = Math.min(invokeTimeoutMs, usableMs - leastMs)
  return { budgetMs: usableMs - timeoutMs, invokeTimeoutMs: timeoutMs }
}
