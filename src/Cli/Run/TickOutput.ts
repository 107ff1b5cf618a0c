import { Effect, Schema } from "effect"
import { RunReport, SkipReport, Summary } from "../../Domain/Summary.ts"
import type { TickEvent } from "../../Engine.ts"
import type { Supabase } from "../../Services/Supabase.ts"
import { errorLines, type ReportContext, reportLines, reportTsv } from "../Report.ts"
import { isJson, type Terminal } from "../Terminal.ts"

/** Shows the progress of a tick: one updated line on a terminal, or one line per event with `-o jsonl`. */
export const watch = (terminal: Terminal): ((event: TickEvent) => Effect.Effect<void>) => {
  const counts = { completed: 0, failed: 0, other: 0 }
  return (event) => {
    if (terminal.format === "jsonl") {
      return terminal.printJson(
        event._tag === "Run"
          ? { type: "run", ...Schema.encodeSync(RunReport)(event.run) }
          : { type: "skip", ...Schema.encodeSync(SkipReport)(event.skip) }
      )
    }
    return Effect.sync(() => {
      const status = event._tag === "Run" ? event.run.status : "skipped"
      counts[status === "completed" || status === "failed" ? status : "other"] += 1
      const { completed, failed, other } = counts
      const rest = other === 0 ? "" : `, ${other} other`
      terminal.progress(`${completed} completed, ${failed} failed${rest} so far ...`)
    })
  }
}

/** The maximum number of integrations to name. The table of a larger tick shows organisation ids. */
const MOST_NAMED = 100

/** Returns the names of the integrations' organisations. Never fails, because names are optional. */
export const orgNames = (
  integrationIds: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, string>, never, Supabase> => {
  const ids = [...new Set(integrationIds)]
  if (ids.length === 0 || ids.length > MOST_NAMED) return Effect.succeed(new Map())
  // Loaded only when needed, because most ticks find nothing due.
  return Effect.promise(() => import("../../Operator/Overview.ts")).pipe(
    Effect.flatMap(({ readOverview }) => readOverview({ integrationIds: ids, driftAlertMs: 0 })),
    Effect.map(
      ({ integrations }) =>
        new Map(
          integrations.flatMap(({ org_id, org_name }) =>
            org_name === null ? [] : [[org_id, org_name] as const]
          )
        )
    ),
    Effect.orElseSucceed(() => new Map())
  )
}

/** Returns no names if the output is JSON. */
export const namesFor = ({ runs, skips }: Summary, { format }: Terminal) =>
  orgNames(
    format === "text" || format === "tsv"
      ? [...runs, ...skips].map(({ integration_id }) => integration_id)
      : []
  )

/** Prints the result of a tick. Errors also go to stderr. */
export const printSummary = (
  summary: Summary,
  context: ReportContext,
  terminal: Terminal
): Effect.Effect<void> =>
  Effect.gen(function* () {
    terminal.progress(null)
    if (isJson(terminal)) {
      const encoded = Schema.encodeSync(Summary)(summary)
      yield* terminal.printJson(
        terminal.format === "jsonl" ? { type: "summary", ...encoded } : encoded
      )
    } else {
      const lines =
        terminal.format === "tsv"
          ? reportTsv(summary, context)
          : reportLines(summary, context, terminal)
      yield* terminal.print(lines.join("\n"))
    }
    for (const line of errorLines(summary.errors, terminal)) terminal.note(line)
  })
