import { Clock, Effect, Exit, Option } from "effect"
import { format } from "../Domain/Instant.ts"
import type { Run } from "../Domain/Run.ts"
import type { RunReport, Summary } from "../Domain/Summary.ts"
import { annotateTraced, underSpan, whileTraced } from "../Domain/Tracing.ts"
import type { Ledger, Work } from "../Services/Ledger.ts"

/** The maximum number of stored schedules. A run whose schedule is not stored has a span without a schedule. */
const MAX_SCHEDULES = 10_000

export interface RunSpan {
  /** Makes this span the parent of the effect's spans. */
  readonly inside: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly end: Effect.Effect<void>
}

const untraced: RunSpan = { inside: (effect) => effect, end: Effect.void }

/**
 * Starts a run's span as the root of its own trace, linked to the tick. One trace for all runs of a tick could be huge, and the
 * platform throttles functions by trace.
 * *Source*: https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/
 */
export const runSpan = (run: Run): Effect.Effect<RunSpan> =>
  whileTraced(Effect.succeed(untraced), () =>
    Effect.gen(function* () {
      const tick = yield* Effect.option(Effect.currentSpan)
      const span = yield* Effect.makeSpan("Engine.run", {
        root: true,
        links: Option.toArray(tick).map((span) => ({ _tag: "SpanLink", span, attributes: {} })),
        attributes: attributesOf(run),
        captureStackTrace: false
      })
      return {
        inside: (effect) => underSpan(span, effect),
        end: Effect.map(Clock.currentTimeNanos, (at) => span.end(at, Exit.void))
      }
    })
  )

const attributesOf = (run: Run) => ({
  "faas.trigger": run.trigger === "schedule" || run.trigger === "catch_up" ? "timer" : "other",
  "faas.time": format(run.scheduled_for),
  "sync.run_id": run.run_id,
  "sync.org_id": run.org_id,
  "sync.integration_id": run.integration_id,
  "sync.integration_type": run.integration_type,
  "sync.trigger": run.trigger
})

/** Cron schedules by integration id. */
export type Schedules = Map<string, string>

/** Wraps a ledger so that every schedule read from the ledger is stored in `schedules`. */
export const remembering =
  (schedules: Schedules) =>
  (ledger: Ledger["Type"]): Ledger["Type"] => {
    const remember = ({ due }: Work) =>
      Effect.sync(() => {
        for (const { integration_id, sync_schedule } of due) {
          if (schedules.size < MAX_SCHEDULES) schedules.set(integration_id, sync_schedule)
        }
      })
    return {
      ...ledger,
      openTick: (...asked) => Effect.tap(ledger.openTick(...asked), remember),
      fetch: (request) => Effect.tap(ledger.fetch(request), remember)
    }
  }

/** Records only codes, because the function's own text might contain secrets. */
export const annotateRun = (run: RunReport, schedules: Schedules): Effect.Effect<void> => {
  const schedule = schedules.get(run.integration_id)
  return annotateTraced(() => ({
    "sync.attempt": run.attempt,
    "sync.status": run.status,
    "sync.drift_ms": run.drift_ms,
    ...(schedule === undefined ? {} : { "faas.cron": schedule }),
    ...(run.error === undefined ? {} : { "error.type": run.error.code })
  }))
}

export const annotateTick = (summary: Summary): Effect.Effect<void> =>
  Effect.annotateCurrentSpan({
    "sync.tick_id": summary.tick_id,
    "sync.engine_id": summary.engine_id,
    "sync.due": summary.due,
    "sync.completed": summary.completed,
    "sync.failed": summary.failed,
    "sync.unresolved": summary.unresolved,
    "sync.skipped": summary.skipped,
    "sync.missed": summary.missed,
    ...(!summary.ok ? { "error.type": summary.errors.map(({ code }) => code).join(",") } : {})
  })
