import { Effect, FiberRef, type Tracer } from "effect"

/**
 * Whether somebody looks at spans. A span costs as much as all else that the engine does for a run, so where there may be
 * thousands a second they are made only then. Set to true by whoever exports them.
 */
export const isTraced: FiberRef.FiberRef<boolean> = FiberRef.unsafeMake(false)

/** As `Effect.withSpan`, while somebody looks. */
export const traced =
  (name: string, options: () => Tracer.SpanOptions = () => ({})) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(FiberRef.get(isTraced), (isOn) =>
      isOn ? Effect.withSpan(effect, name, { captureStackTrace: false, ...options() }) : effect
    )

/** As `Effect.annotateCurrentSpan`, while somebody looks. */
export const annotateTraced = (attributes: () => Record<string, unknown>): Effect.Effect<void> =>
  Effect.flatMap(FiberRef.get(isTraced), (isOn) =>
    isOn ? Effect.annotateCurrentSpan(attributes()) : Effect.void
  )
