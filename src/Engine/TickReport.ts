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
    const add = (event: SummaryBuilder.Event) =>
      Ref.update(builder, (before) => SummaryBuilder.add(before, event))
    return TickReport.of({
      run: (run, rescued) =>
        Effect.zipRight(add({ _tag: "Run", run, rescued }), observe({ _tag: "Run", run })),
      skip: (skip) => Effect.zipRight(add({ _tag: "Skip", skip }), observe({ _tag: "Skip", skip })),
      skippedSlots: (count) => (count === 0 ? Effect.void : add({ _tag: "SkippedSlots", count })),
      error: (error) => add({ _tag: "Error", error }),
      summary: (frame) =>
        Effect.map(Ref.get(builder), (now) => SummaryBuilder.toSummary(now, frame))
    })
  })
