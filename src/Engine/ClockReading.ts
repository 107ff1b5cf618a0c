import { type Clock, Effect } from "effect"

/**
 * One instant on both clocks, in milliseconds. Either clock may miss a pause (a frozen process, a suspended machine) that the other
 * shows.
 */
export interface Instants {
  readonly wall: number
  readonly monotonic: number
}

export const now: Effect.Effect<Instants> = Effect.map(Effect.clock, (clock: Clock.Clock) => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
}))

/** Returns the milliseconds between two instants, by the clock that advanced further. */
export const elapsedMs = (from: Instants, to: Instants): number =>
  Math.max(to.wall - from.wall, to.monotonic - from.monotonic)
