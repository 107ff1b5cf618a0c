/** When a job that just ended has its next turn, and how many turns it slept through. */
export interface Turn {
  /** How long to wait, in milliseconds; 0 when a beat came while the job was still at it. */
  readonly waitMs: number
  /** The beat that the next turn is for, epoch milliseconds. */
  readonly beat: number
  /** Beats that came while the job was at it, beyond the one that it now has its turn for. */
  readonly skipped: number
}

/**
 * Beats are the whole multiples of the interval since 1970 UTC, so that every replica has the same ones and 60 s are whole
 * minutes. A job that was at work when beats came has its turn at once, once for all of them.
 *
 * `beat`: what the turn that ended was for, or when it began where that was later (a timer may fire early).
 */
export const nextTurn = (beat: number, now: number, everyMs: number): Turn => {
  const next = after(beat, everyMs)
  if (now > next) return { waitMs: 0, beat: now, skipped: Math.floor((now - next) / everyMs) }
  // The clock was set back: what was the next beat may be hours away.
  const near = now < beat - everyMs ? after(now, everyMs) : next
  return { waitMs: near - now, beat: near, skipped: 0 }
}

const after = (instant: number, everyMs: number): number =>
  (Math.floor(instant / everyMs) + 1) * everyMs
