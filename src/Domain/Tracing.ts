import { Effect, FiberRef, type Tracer } from "effect"

/**
 * Whether somebody looks at spans. A span costs as much as all else that the engine does for a run, so where there may be
 * thousands a second they are made only then. Set to true by whoever exports them.
 */
export const isTraced: FiberRef.FiberRef<boolean> = FiberRef.unsafeMake(false)

/** The one, and the other instead while somebody looks. */
const whileTraced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  instead: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => (fiber.getFiberRef(isTraced) ? instead() : effect))

/** As `Effect.withSpan`, while somebody looks. */
export const traced =
  (name: string, options: () => Tracer.SpanOptions = () => ({})) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    whileTraced(effect, () =>
      Effect.withSpan(effect, name, { captureStackTrace: false, ...options() })
    )

/** As `Effect.annotateCurrentSpan`, while somebody looks. */
export const annotateTraced = (attributes: () => Record<string, unknown>): Effect.Effect<void> =>
  whileTraced(Effect.void, () => Effect.annotateCurrentSpan(attributes()))

/** Work that another fiber is to do, with the span of who asks for it as its parent, while somebody looks. */
export const underOwnSpan = <A, E, R>(
  work: Effect.Effect<A, E, R>
): Effect.Effect<Effect.Effect<A, E, R>> =>
  Effect.map(tracedSpan, (span) => (span === null ? work : Effect.withParentSpan(work, span)))

/** The current span while somebody looks; null where there is none. */
export const tracedSpan: Effect.Effect<Tracer.Span | null> = whileTraced<
  Tracer.Span | null,
  never,
  never
>(Effect.succeed(null), () => Effect.orElseSucceed(Effect.currentSpan, () => null))
