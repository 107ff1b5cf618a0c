import { Effect, Exit } from "effect"
import type { Summary } from "../Domain/Summary.ts"
import { tickAndNotify } from "../Engine/Notifications.ts"
import { lineOf } from "../Engine/Pings.ts"
import type { TickEvent } from "../Engine/TickFrame.ts"
import { missedIntervals } from "../Metrics.ts"
import { Invoker } from "../Services/Invoker.ts"
import type { RecurringJob } from "./RecurringJob.ts"
import { monotonicMs, type Watchdog } from "./Watchdog.ts"

export interface TickJobOptions {
  readonly watchdog: Watchdog
  readonly intervalMs: number
  readonly observe: (event: TickEvent) => Effect.Effect<void>
  readonly onSummary: (summary: Summary) => Effect.Effect<void>
}

/** Ticks and sends notifications. The pre-warm job warms up functions, so these ticks do not. */
export const tickJob = ({ intervalMs, observe, onSummary, watchdog }: TickJobOptions) =>
  ({
    name: "ticks",
    everyMs: intervalMs,
    iterate: Effect.gen(function* () {
      watchdog.tickStarted(yield* monotonicMs)
      const summary = yield* tickAndNotify({
        wakeWithinMs: 0,
        observe: (event) => Effect.zipRight(recordProgress(watchdog), observe(event))
      })
      yield* log(summary)
      yield* onSummary(summary)
      return summary
    }).pipe(
      Effect.onExit((exit) =>
        Effect.map(monotonicMs, (now) =>
          watchdog.tickEnded(now, Exit.isSuccess(exit) ? exit.value : null)
        )
      ),
      Effect.provideServiceEffect(Invoker, watchedInvoker(watchdog)),
      Effect.asVoid
    ),
    onSkipped: (count) => {
      watchdog.missedIntervals += count
      missedIntervals.add(count)
      return Effect.logWarning(
        `A tick took longer than the interval: ${count === 1 ? "1 interval was" : `${count} intervals were`} missed. ` +
          "The next tick begins now and runs the slots that became due in the meantime."
      )
    }
  }) satisfies RecurringJob<unknown>

const recordProgress = (watchdog: Watchdog): Effect.Effect<void> =>
  Effect.map(monotonicMs, (now) => watchdog.recordProgress(now))

/** Reports invocations to the watchdog. A tick that waits for a function is not stalled. */
const watchedInvoker = (watchdog: Watchdog) =>
  Effect.map(Invoker, ({ invoke, warmUp }) =>
    Invoker.of({
      invoke: (invocation) =>
        Effect.acquireUseRelease(
          Effect.map(monotonicMs, (now) =>
            watchdog.invoked(invocation.run.run_id, now + invocation.timeoutMs)
          ),
          () => invoke(invocation),
          () => Effect.map(monotonicMs, (now) => watchdog.answered(invocation.run.run_id, now))
        ),
      warmUp
    })
  )

const log = (summary: Summary): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const { code, hint, message } of summary.errors) {
      yield* Effect.logWarning(`${message}${hint === "" ? "" : ` Fix: ${hint}`}`).pipe(
        Effect.annotateLogs({ code })
      )
    }
    const isIdle = summary.due === 0 && summary.missed === 0
    const line = Effect.annotateLogs({ tick_id: summary.tick_id })(
      (isIdle ? Effect.logDebug : Effect.logInfo)(lineOf(summary))
    )
    yield* line
  })

/** Logs when ticks stall and when they continue. */
export const watchdogJob = (watchdog: Watchdog): RecurringJob<never> => {
  let isStuck = false
  return {
    name: "tick watchdog",
    everyMs: 10_000,
    iterate: Effect.gen(function* () {
      const stalledForMs = watchdog.stalledForMs(yield* monotonicMs)
      if (stalledForMs > 0 && !isStuck) {
        yield* Effect.logError(
          "Ticks have stalled: they have made no progress for longer than any step can take. /livez reports this; restart this process."
        )
      }
      if (stalledForMs === 0 && isStuck) yield* Effect.logInfo("Ticks continue.")
      isStuck = stalledForMs > 0
    })
  }
}
