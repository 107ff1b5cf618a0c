/**
 * How a tick fits the life of an Edge Function. The platform ends an isolate after its wall clock (150 s on the free plan,
 * 400 s on paid ones), whatever it is at.
 * *Source*: https://supabase.com/docs/guides/functions/limits.
 */
export interface EdgeBudget {
  /** How long the tick goes on claiming and sending, in milliseconds. */
  readonly budgetMs: number
  /** How long one invocation may take, in milliseconds: the setting, or what the wall clock leaves. */
  readonly invokeTimeoutMs: number
}

/** For the isolate's boot, for recording the last outcomes and for telling of them. */
const RESERVE_MS = 15_000
/** What is left for sending even where invocations may take very long. */
const LEAST_BUDGET_MS = 25_000

/**
 * Divides the wall clock. *Guarantees*: reserve, budget and the timeout of an invocation that was sent in its last moment
 * fit into it. With 150 s and the default timeout that is 25 s of sending and 110 s for an invocation; with 400 s it is
 * 230 s and 155 s.
 */
export const divide = (wallClockMs: number, invokeTimeoutMs: number): EdgeBudget => {
  const usableMs = wallClockMs - RESERVE_MS
  const leastMs = Math.min(LEAST_BUDGET_MS, usableMs / 2)
  const timeoutMs = Math.min(invokeTimeoutMs, usableMs - leastMs)
  return { budgetMs: usableMs - timeoutMs, invokeTimeoutMs: timeoutMs }
}
