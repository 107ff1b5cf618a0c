import { Context, Effect, FiberRef, Tracer } from "effect"

/** Whether spans are exported. A span costs as much as the engine's other work for a run, so hot paths check this flag. */
export const isTraced: FiberRef.FiberRef<boolean> = FiberRef.unsafeMake(false)

/** Runs `instead` if spans are exported, otherwise `effect`. */
export const whileTraced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  instead: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => (fiber.getFiberRef(isTraced) ? instead() : effect))

/** Applies `Effect.withSpan` if spans are exported. */
export const traced =
  (name: string, options: () => Tracer.SpanOptions = () => ({})) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    whileTraced(effect, () =>
      Effect.withSpan(effect, name, { captureStackTrace: false, ...options() })
    )

export const annotateTraced = (attributes: () => Record<string, unknown>): Effect.Effect<void> =>
  whileTraced(Effect.void, () => Effect.annotateCurrentSpan(attributes()))

export const underSpan = <A, E, R>(
  span: Tracer.Span,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    Effect.locally(
      effect,
      FiberRef.currentContext,
      Context.add(fiber.getFiberRef(FiberRef.currentContext), Tracer.ParentSpan, span)
    )
  )

/** The current span, or null if spans are not exported. */
export const tracedSpan: Effect.Effect<Tracer.Span | null> = whileTraced<
  Tracer.Span | null,
  never,
  never
>(Effect.succeed(null), () => Effect.orElseSucceed(Effect.currentSpan, () => null))
