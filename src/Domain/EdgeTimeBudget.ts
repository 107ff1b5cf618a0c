/**
 * The time limits that keep a tick within the lifetime of an Edge Function. The platform ends an isolate at its wall clock limit
 * (150 s on the free plan, 400 s on paid plans), even during work.
 * *Source*: https://supabase.com/docs/guides/functions/limits.
 */
export interface EdgeBudget {
  /** How long the tick may claim and send runs, in milliseconds. */
  readonly budgetMs: number
  /** The time limit of one invocation, in milliseconds: the setting, or the remaining wall clock time. */
  readonly invokeTimeoutMs: number
}

/** The time reserved for the isolate's boot, for recording the last outcomes and for sending their notifications. */
const RESERVE_MS = 15_000
/** The minimum time for sending, even with a long invocation timeout. */
const LEAST_BUDGET_MS = 25_000

/**
 * Divides the wall clock limit. *Guarantees*: the reserve, the budget and the timeout of an invocation sent in the budget's last
 * moment fit into the limit. With the default timeout, a limit of 150 s allows 25 s of sending and 110 s for an invocation; 400 s
 * allows 230 s and 155 s.
 */
export const divide = (wallClockMs: number, invokeTimeoutMs: number): EdgeBudget => {
  const usableMs = wallClockMs - RESERVE_MS
  const leastMs = Math.min(LEAST_BUDGET_MS, usableMs / 2)
  const timeoutMs = Math.min(invokeTimeoutMs, usableMs - leastMs)
  return { budgetMs: usableMs - timeoutMs, invokeTimeoutMs: timeoutMs }
}
