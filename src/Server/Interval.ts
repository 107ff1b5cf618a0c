/** The start of a job's next iteration, and the number of intervals that the job missed. */
export interface Iteration {
  /** The time until the next iteration, in milliseconds; 0 if an interval began during the last iteration. */
  readonly waitMs: number
  /** The start of the interval that the next iteration belongs to, in epoch milliseconds. */
  readonly scheduledAt: number
  /** The number of intervals that began during the last iteration, excluding the next iteration's interval. */
  readonly skipped: number
}

/**
 * Returns the next iteration of a job. Intervals are aligned to the Unix epoch, so that all replicas have the same intervals and a
 * 60-second interval begins on the minute. If an iteration overruns one or more intervals, one iteration follows immediately.
 *
 * `scheduledAt` is the start of the last iteration's interval, or the start of the last iteration if that was later. (Because a
 * timer may fire early, the last iteration may have started before its interval.)
 */
export const nextIteration = (scheduledAt: number, now: number, everyMs: number): Iteration => {
  const next = after(scheduledAt, everyMs)
  if (now > next)
    return { waitMs: 0, scheduledAt: now, skipped: Math.floor((now - next) / everyMs) }
  // If the clock was set back, `next` may be hours away.
  const near = now < scheduledAt - everyMs ? after(now, everyMs) : next
  return { waitMs: near - now, scheduledAt: near, skipped: 0 }
}

const after = (instant: number, everyMs: number): number =>
  (Math.floor(instant / everyMs) + 1) * everyMs
