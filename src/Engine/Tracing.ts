import { Effect, type Tracer } from "effect"
import { format } from "../Domain/Instant.ts"
import type { Run } from "../Domain/Run.ts"
import type { RunReport, Summary } from "../Domain/Summary.ts"
import { annotateTraced, traced } from "../Domain/Tracing.ts"
import type { DuePage, Ledger } from "../Services/Ledger.ts"

/** Schedules that are remembered in a tick; the spans of more runs go without. */
const MAX_SCHEDULES = 10_000

/** Puts what becomes of a run under its own span. */
export type RunSpan = (
  run: Run
) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * The spans of a tick's runs. Each is the root of a trace of its own, linked to the tick: a tick with thousands of runs
 * would be one huge trace, and the platform throttles functions by trace.
 * *Source*: https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/
 */
export const runSpans: Effect.Effect<RunSpan> = Effect.map(
  Effect.option(Effect.currentSpan),
  (tick) => {
    const links = tick._tag === "None" ? [] : [linkTo(tick.value)]
    return (run) =>
      traced("Engine.run", () => ({ root: true, links, attributes: attributesOf(run) }))
  }
)

const linkTo = (span: Tracer.Span): Tracer.SpanLink => ({ _tag: "SpanLink", span, attributes: {} })

const attributesOf = (run: Run) => ({
  "faas.trigger": run.trigger === "schedule" || run.trigger === "catch_up" ? "timer" : "other",
  "faas.time": format(run.scheduled_for),
  "sync.run_id": run.run_id,
  "sync.org_id": run.org_id,
  "sync.integration_id": run.integration_id,
  "sync.integration_type": run.integration_type,
  "sync.trigger": run.trigger
})

/** The schedules, by integration, of what a tick reads as due. */
export type Schedules = Map<string, string>

/** The ledger, read along. */
export const remembering =
  (schedules: Schedules) =>
  (ledger: Ledger["Type"]): Ledger["Type"] => {
    const remember = ({ due }: DuePage) =>
      Effect.sync(() => {
        for (const { integration_id, sync_schedule } of due) {
          if (schedules.size < MAX_SCHEDULES) schedules.set(integration_id, sync_schedule)
        }
      })
    return {
      ...ledger,
      openTick: (tickId, scope) => Effect.tap(ledger.openTick(tickId, scope), remember),
      readDue: (...page) => Effect.tap(ledger.readDue(...page), remember)
    }
  }

/** Writes on the span of a run what became of it: codes, never a function's own words, which may quote what is secret. */
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

/** Writes on the span around a tick what it came to. `isBroken`: it could not do its work. */
export const annotateTick = (summary: Summary, isBroken: boolean): Effect.Effect<void> =>
  Effect.annotateCurrentSpan({
    "sync.tick_id": summary.tick_id,
    "sync.engine_id": summary.engine_id,
    "sync.due": summary.due,
    "sync.completed": summary.completed,
    "sync.failed": summary.failed,
    "sync.unresolved": summary.unresolved,
    "sync.skipped": summary.skipped,
    "sync.missed": summary.missed,
    ...(isBroken ? { "error.type": summary.errors.map(({ code }) => code).join(",") } : {})
  })
