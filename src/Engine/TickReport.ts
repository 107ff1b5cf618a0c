import { Context, Effect, Ref } from "effect"
import { EngineConfig } from "../Config.ts"
import type { RunReport, SkipReport, Summary, TickError } from "../Domain/Summary.ts"
import * as SummaryBuilder from "./SummaryBuilder.ts"
import type { TickOptions } from "./TickFrame.ts"

export class TickReport extends Context.Tag("@sync-scheduler/TickReport")<
  TickReport,
  {
    /** Reports a started run. `rescued` is true if the run was taken over from another engine or an earlier tick. */
    readonly run: (report: RunReport, rescued: boolean) => Effect.Effect<void>
    readonly skip: (report: SkipReport) => Effect.Effect<void>
    /** Reports slots that were skipped and recorded as a range. */
    readonly skippedSlots: (count: number) => Effect.Effect<void>
    readonly error: (error: TickError) => Effect.Effect<void>
    readonly summary: (frame: SummaryBuilder.TickFacts) => Effect.Effect<Summary>
  }
>() {}

export const make = (observe: NonNullable<TickOptions["observe"]>) =>
  Effect.gen(function* () {
    const { driftAlertMs } = yield* EngineConfig
    const builder = yield* Ref.make(SummaryBuilder.empty(driftAlertMs))
    return TickReport.of({
      run: (run, rescued) =>
        Effect.zipRight(
          Ref.update(builder, (now) => SummaryBuilder.addRun(now, run, rescued)),
          observe({ _tag: "Run", run })
        ),
      skip: (skip) =>
        Effect.zipRight(
          Ref.update(builder, (now) => SummaryBuilder.addSkip(now, skip)),
          observe({ _tag: "Skip", skip })
        ),
      skippedSlots: (count) =>
        Ref.update(builder, (now) => SummaryBuilder.addSkippedSlots(now, count)),
      error: (error) => Ref.update(builder, (now) => SummaryBuilder.addError(now, error)),
      summary: (frame) =>
        Effect.map(Ref.get(builder), (now) => SummaryBuilder.toSummary(now, frame))
    })
  })
