import { Effect, Schema } from "effect"
import { RunReport, SkipReport, Summary } from "../Domain/Summary.ts"
import type { TickEvent } from "../Engine.ts"
import { errorLines, reportLines } from "./Report.ts"
import type { Terminal } from "./Terminal.ts"

const encodeRun = Schema.encodeSync(RunReport)
const encodeSkip = Schema.encodeSync(SkipReport)
const encodeSummary = Schema.encodeSync(Summary)

/** Shows a tick while it goes on: jsonl lines as they happen, else a progress line on a terminal. */
export const watch = (terminal: Terminal): ((event: TickEvent) => Effect.Effect<void>) => {
  const counts = { completed: 0, failed: 0, other: 0 }
  return (event) => {
    if (terminal.format === "jsonl") {
      return terminal.printJson(
        event._tag === "Run"
          ? { type: "run", ...encodeRun(event.run) }
          : { type: "skip", ...encodeSkip(event.skip) }
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

/** Prints what a tick did, in the format that was asked for. What stopped part of it also goes to stderr. */
export const printSummary = (summary: Summary, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    terminal.progress(null)
    if (terminal.format === "json") yield* terminal.printJson(encodeSummary(summary))
    else if (terminal.format === "jsonl") {
      yield* terminal.printJson({ type: "summary", ...encodeSummary(summary) })
    } else {
      yield* terminal.print(reportLines(summary, terminal.style, terminal.width).join("\n"))
    }
    for (const line of errorLines(summary.errors)) terminal.note(line)
  })
