import { type Clock, Effect } from "effect"

/**
 * One instant as read from the wall clock and the monotonic clock, in milliseconds. During a pause (a frozen process, a suspended
 * machine), one clock may stop while the other advances.
 */
export interface Instants {
  readonly wall: number
  readonly monotonic: number
}

export const now: Effect.Effect<Instants> = Effect.map(Effect.clock, (clock: Clock.Clock) => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
}))

/** Returns the milliseconds from `from` to `to`, as measured by the clock that advanced further. */
export const elapsedMs = (from: Instants, to: Instants): number =>
  Math.max(to.wall - from.wall, to.monotonic - from.monotonic)
