export interface Iteration {
  /** The time until the next iteration, in milliseconds; 0 if the last iteration overran its interval. */
  readonly waitMs: number
  /** The start of the next interval, in epoch milliseconds; the current time if the last iteration overran its interval. */
  readonly scheduledAt: number
  /** The number of missed intervals. An interval that begins late is not missed. */
  readonly skipped: number
}

/**
 * Returns the next iteration, which follows immediately if the last iteration overran its interval. Intervals are aligned to the
 * Unix epoch, so that all replicas share them.
 *
 * `scheduledAt` is the start of the last interval or of the last iteration, whichever is later. `now` can be earlier than
 * `scheduledAt`, because a timer can fire early.
 */
export const nextIteration = (scheduledAt: number, now: number, everyMs: number): Iteration => {
  const next = after(scheduledAt, everyMs)
  if (now > next)
    return { waitMs: 0, scheduledAt: now, skipped: Math.floor((now - next) / everyMs) }
  // If the clock was set back, `next` can be hours away.
  const near = now < scheduledAt - everyMs ? after(now, everyMs) : next
  return { waitMs: near - now, scheduledAt: near, skipped: 0 }
}

const after = (instant: number, everyMs: number): number =>
  (Math.floor(instant / everyMs) + 1) * everyMs
