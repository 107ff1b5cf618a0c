/** The start of a job's next iteration, and the number of intervals it missed. */
export interface Iteration {
  /** The time to wait, in milliseconds; 0 when an interval began during the iteration. */
  readonly waitMs: number
  /** The start of the interval that the next iteration belongs to, in epoch milliseconds. */
  readonly scheduledAt: number
  /** The number of intervals that began during the iteration, except the one that the next iteration belongs to. */
  readonly skipped: number
}

/**
 * Returns the next iteration. Intervals begin at whole multiples of their length since 1970 UTC. They are therefore the same on
 * every replica, and an interval of 60 s begins on the minute. A job that overruns one or more intervals runs again immediately,
 * once.
 *
 * `scheduledAt` is the start of the last iteration's interval, or of the iteration itself if that is later (a timer may fire
 * early).
 */
export const nextIteration = (scheduledAt: number, now: number, everyMs: number): Iteration => {
  const next = after(scheduledAt, everyMs)
  if (now > next)
    return { waitMs: 0, scheduledAt: now, skipped: Math.floor((now - next) / everyMs) }
  // After the clock was set back, the computed interval may be hours away.
  const near = now < scheduledAt - everyMs ? after(now, everyMs) : next
  return { waitMs: near - now, scheduledAt: near, skipped: 0 }
}

const after = (instant: number, everyMs: number): number =>
  (Math.floor(instant / everyMs) + 1) * everyMs
