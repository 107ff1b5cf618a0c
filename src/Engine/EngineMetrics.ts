import { Cause, Effect, Exit } from "effect"
import { outcomeName } from "../Database/Rpc.ts"
import { ofError } from "../Domain/Outcome.ts"
import type { RunReport, SkipReport, Summary } from "../Domain/Summary.ts"
import { tick } from "../Engine.ts"
import * as Metrics from "../Metrics.ts"
import { Invoker } from "../Services/Invoker.ts"
import { Ledger } from "../Services/Ledger.ts"
import type { Ping } from "../Services/Ping.ts"
import { annotateRun, annotateTick, remembering, type Schedules } from "./RunSpans.ts"
import type { TickEvent, TickOptions } from "./TickFrame.ts"

/** Skip reasons for a slot or run that another engine claimed first. */
const CONFLICTS: ReadonlySet<string> = new Set(["locked", "lost_race", "claimed_by_another"])
/** If a run with one of these triggers starts late, the scheduler is late. */
const ON_SCHEDULE: ReadonlySet<string> = new Set(["schedule", "catch_up"])

/** Runs a tick, updates its metrics (src/Metrics.ts), and records each run's outcome on its span. */
export const measuredTick = (options: TickOptions) => {
  const schedules: Schedules = new Map()
  return tick({
    ...options,
    observe: (event) => {
      count(event)
      const recorded = event._tag === "Run" ? annotateRun(event.run, schedules) : Effect.void
      return options.observe === undefined
        ? recorded
        : Effect.zipRight(recorded, options.observe(event))
    }
  }).pipe(
    Effect.updateService(Invoker, measured),
    Effect.updateService(Ledger, remembering(schedules)),
    Effect.tap((summary) => annotateTick(summary)),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) countTick(exit.value)
        else Metrics.ticks.add(1, Cause.isInterrupted(exit.cause) ? "interrupted" : "error")
      })
    )
  )
}

/** Counts a message as sent or failed. A null `channel` disables counting. */
export const withCallMetrics =
  (channel: string | null) =>
  <A, E, R>(sending: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    channel === null
      ? sending
      : Effect.onExit(sending, (exit) =>
          Effect.sync(() =>
            Metrics.notifications.add(1, channel, Exit.isSuccess(exit) ? "sent" : "failed")
          )
        )

export const measuredPing = (service: Ping["Type"]): Ping["Type"] => ({
  ...service,
  send: (...ping) => withCallMetrics(service.isConfigured ? "ping" : null)(service.send(...ping))
})

const measured = (invoker: Invoker["Type"]): Invoker["Type"] => ({
  ...invoker,
  invoke: (invocation) =>
    Effect.flatMap(Effect.clock, (clock) => {
      const from = clock.unsafeCurrentTimeNanos()
      Metrics.inFlight.add(1)
      return Effect.onExit(invoker.invoke(invocation), (exit) =>
        Effect.sync(() => {
          const seconds = Number(clock.unsafeCurrentTimeNanos() - from) / 1e9
          const outcome = Exit.match(exit, {
            onFailure: (cause) => (Cause.isFailType(cause) ? ofError(cause.error)._tag : "Unknown"),
            onSuccess: ({ _tag }) => _tag
          })
          const name = invocation.functionName ?? "default"
          Metrics.inFlight.add(-1)
          Metrics.invokeDuration.record(seconds, name, outcomeName[outcome])
        })
      )
    })
})

const count = (event: TickEvent): void => {
  if (event._tag === "Run") countRun(event.run)
  else countSkip(event.skip)
}

const countSkip = ({ reason }: SkipReport): void => {
  Metrics.skips.add(1, reason)
  if (CONFLICTS.has(reason)) Metrics.claimConflicts.add(1)
}

const countRun = (run: RunReport): void => {
  const { attempt, drift_ms, duration_ms, integration_type, status, trigger } = run
  Metrics.runs.add(1, integration_type, status, trigger)
  if (attempt > 1) Metrics.retries.add(1)
  if (run.cold_start) Metrics.coldStarts.add(1)
  if (duration_ms !== null) {
    Metrics.runDuration.record(duration_ms / 1_000, integration_type, status)
  }
  if (drift_ms === null || !ON_SCHEDULE.has(trigger)) return
  const lagMs = Math.max(drift_ms, 0)
  if (attempt === 1) Metrics.startLag.record(lagMs / 1_000, integration_type)
  if (status === "completed") {
    Metrics.completionLag.record((lagMs + (duration_ms ?? 0)) / 1_000, integration_type)
  }
}

const countTick = (summary: Summary): void => {
  const { duration_ms, errors, finished_at, missed, rescued } = summary
  Metrics.ticks.add(1, resultOf(summary))
  Metrics.tickDuration.record(duration_ms / 1_000)
  Metrics.rescued.add(rescued)
  Metrics.missed.add(missed)
  for (const { code } of errors) Metrics.tickErrors.add(1, code)
  if (summary.ok) Metrics.lastTick.set(finished_at / 1_000)
}

/** Applies the same rule as the exit code of `run`: an accepted or retried run is not a failure. */
const resultOf = (summary: Summary): "ok" | "partial" | "error" => {
  if (!summary.ok) return "error"
  const isUnknown = summary.runs.some(({ status }) => status === "unknown")
  return summary.failed > 0 || isUnknown || summary.errors.length > 0 ? "partial" : "ok"
}
