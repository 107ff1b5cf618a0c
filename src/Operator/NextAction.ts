import { Either, Schema } from "effect"
import type { TimelineData } from "../Database/OperatorRpc.ts"
import { format } from "../Domain/Instant.ts"
import * as Schedule from "../Domain/Schedule/Schedule.ts"
import type { ExplainVerdict } from "./ExplainAnswer.ts"

/** A suggested command, and its effect in a few words, such as `run it now`. */
export const NextAction = Schema.Struct({ what: Schema.String, command: Schema.String })
export type NextAction = typeof NextAction.Type

const shortId = (id: string): string => id.slice(0, 8)

/** Returns the suggested commands, most useful first; none if nothing needs attention. */
export const actionsOf = (
  { answer, last, since }: ExplainVerdict,
  { integration, scheduler }: TimelineData
): ReadonlyArray<NextAction> => {
  if (integration === null) return []
  const id = integration.integration_id
  if (!integration.enabled)
    return [{ what: "resume it", command: `sync-scheduler schedules resume ${id}` }]
  const live = integration.live_run
  if (live?.status === "unknown") {
    const run = shortId(live.run_id)
    return [
      { what: "it did not run", command: `sync-scheduler runs retry ${run} --wait` },
      { what: "it did run", command: `sync-scheduler runs release ${run}` }
    ]
  }
  if (answer === "yes" || since !== undefined) return []
  const { schedule, schedule_error, timezone } = integration
  if (schedule_error !== null) {
    if (schedule === null || Either.isRight(Schedule.parse(schedule, timezone))) return []
    const command = `sync-scheduler schedules validate '${schedule}' --tz ${timezone}`
    return [{ what: "check a schedule before you set it", command }]
  }
  if ((integration.rejection ?? null) !== null)
    return [{ what: "find the cause", command: "sync-scheduler doctor" }]
  const run = last?.run ?? null
  if (live !== null)
    return [{ what: "see it", command: `sync-scheduler runs show ${shortId(live.run_id)}` }]
  if (last?.outcome === "skipped_range" || last?.outcome === "missing") {
    const command = `sync-scheduler backfill ${id} --from ${format(last.slot)}`
    return [{ what: "run the skipped slots", command }]
  }
  if (last === undefined || run === null) {
    return last?.outcome === "due" || scheduler.verdict !== "ticking"
      ? [{ what: "run it now", command: `sync-scheduler run --integration ${id}` }]
      : [{ what: "run it now", command: `sync-scheduler trigger ${id} --wait` }]
  }
  const what = last.outcome === "unknown" ? "it did not run" : "run it now"
  return [{ what, command: `sync-scheduler runs retry ${shortId(run.run_id)} --wait` }]
}
