import { Effect, Exit } from "effect"
import type { Summary } from "../Domain/Summary.ts"
import { lineOf, tickAndTell } from "../Engine/Alerting.ts"
import type { TickEvent } from "../Engine/TickContext.ts"
import { skippedBeats } from "../Metrics.ts"
import { Invoker } from "../Services/Invoker.ts"
import type { Job } from "./Job.ts"
import { monotonicMs, type Vitals } from "./Vitals.ts"

/** What the ticks of `serve` depend on besides the engine. */
export interface Ticking {
  readonly vitals: Vitals
  readonly intervalMs: number
  /** What a caller sees of a tick while it goes on, and of its end. */
  readonly observe: (event: TickEvent) => Effect.Effect<void>
  readonly onSummary: (summary: Summary) => Effect.Effect<void>
}

/** The ticks, at every beat of the interval, each with all its telling. Functions are woken by the pre-warming job. */
export const ticking = ({ intervalMs, observe, onSummary, vitals }: Ticking) =>
  ({
    name: "ticks",
    everyMs: intervalMs,
    turn: Effect.gen(function* () {
      vitals.tickBegan(yield* monotonicMs)
      const summary = yield* tickAndTell({
        wakeWithinMs: 0,
        observe: (event) => Effect.zipRight(moved(vitals), observe(event))
      })
      yield* log(summary)
      yield* onSummary(summary)
      return summary
    }).pipe(
      Effect.onExit((exit) =>
        Effect.map(monotonicMs, (now) =>
          vitals.tickEnded(now, Exit.isSuccess(exit) ? exit.value : null)
        )
      ),
      Effect.provideServiceEffect(Invoker, watchedInvoker(vitals)),
      Effect.asVoid
    ),
    onSkipped: (count) => {
      vitals.skippedBeats += count
      skippedBeats.add(count)
      return Effect.logWarning(
        `A tick took longer than the interval: ${count === 1 ? "1 beat was" : `${count} beats were`} skipped. ` +
          "What was due meanwhile is due in the next tick, which begins now."
      )
    }
  }) satisfies Job<unknown>

const moved = (vitals: Vitals): Effect.Effect<void> =>
  Effect.map(monotonicMs, (now) => vitals.moved(now))

/** The invoker, watched: as long as a function may still answer in time, a tick that waits for it is not stuck. */
const watchedInvoker = (vitals: Vitals) =>
  Effect.map(Invoker, ({ invoke, warmUp }) =>
    Invoker.of({
      invoke: (invocation) =>
        Effect.acquireUseRelease(
          Effect.map(monotonicMs, (now) =>
            vitals.invoked(invocation.run.run_id, now + invocation.timeoutMs)
          ),
          () => invoke(invocation),
          () => Effect.map(monotonicMs, (now) => vitals.answered(invocation.run.run_id, now))
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

/** Says once when ticks are stuck, and once when they are not any more. */
export const watching = (vitals: Vitals): Job<never> => {
  let isStuck = false
  return {
    name: "the watch over ticks",
    everyMs: 10_000,
    turn: Effect.gen(function* () {
      const stuckMs = vitals.stuckMs(yield* monotonicMs)
      if (stuckMs > 0 && !isStuck) {
        yield* Effect.logError(
          "Ticks are stuck: nothing has moved for longer than anything may take. /livez says so; restart this process."
        )
      }
      if (stuckMs === 0 && isStuck) yield* Effect.logInfo("Ticks go on.")
      isStuck = stuckMs > 0
    })
  }
}
