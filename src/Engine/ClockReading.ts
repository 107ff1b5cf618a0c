import { type Clock, Effect } from "effect"

/**
 * One instant on two clocks, in milliseconds. While a process is frozen or a machine is suspended, one of the clocks can stop.
 */
export interface Instants {
  readonly wall: number
  readonly monotonic: number
}

export const now: Effect.Effect<Instants> = Effect.map(Effect.clock, (clock: Clock.Clock) => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
}))

/** Returns the milliseconds from `from` to `to` on the clock that advanced further. */
export const elapsedMs = (from: Instants, to: Instants): number =>
  Math.max(to.wall - from.wall, to.monotonic - from.monotonic)
