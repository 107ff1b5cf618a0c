import { type Clock, Effect } from "effect"

/**
 * One instant on the wall clock and the monotonic clock, in milliseconds. If the process is frozen or the machine is suspended,
 * one clock can stop while the other advances.
 */
export interface Instants {
  readonly wall: number
  readonly monotonic: number
}

export const now: Effect.Effect<Instants> = Effect.map(Effect.clock, (clock: Clock.Clock) => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
}))

/** Returns the milliseconds on the clock that advanced further. */
export const elapsedMs = (from: Instants, to: Instants): number =>
  Math.max(to.wall - from.wall, to.monotonic - from.monotonic)
