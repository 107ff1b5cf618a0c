import { Effect, Layer, Schema } from "effect"
import { Instant } from "../../Domain/Instant.ts"
import { SkippedRange } from "../../Domain/Integration.ts"
import { Trigger } from "../../Domain/Run.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { Summary, TickError } from "../../Domain/Summary.ts"
import type { DryRun } from "../../Engine/DryRun.ts"
import { tickAndNotify } from "../../Engine/Notifications.ts"
import type { TickOptions } from "../../Engine/TickFrame.ts"
import { preview } from "../../Engine.ts"
import type { Cli, ConnectionServices, Main } from "../Command.ts"
import { type CommandError, connectionError, type ExitCode, exitOf } from "../Failure.ts"
import { nameOf, shortTime, timeTitle } from "../Listing.ts"
import { errorLines, type ReportContext, shortener } from "../Report.ts"
import { renderTable } from "../Table.ts"
import { isJson, type Terminal } from "../Terminal.ts"
import { zoneFlag } from "../TimeArgument.ts"
import { probe } from "./IdleRun.ts"
import { namesFor, orgNames, printSummary, watch } from "./TickOutput.ts"
import { readSetup, type TickSetup } from "./TickSetup.ts"

/** `run`: runs one tick. With `--dry-run`, shows what the tick would do. */
export const main: Main = (cli) => Effect.flatMap(readSetup(cli), (setup) => runTick(cli, setup))

/** A tick that ./IdleRun.ts opened and that is not idle. */
export interface OpenedRun extends Pick<TickOptions, "tickId" | "firstAttempt" | "startedPing"> {
  readonly connection: Layer.Layer<ConnectionServices>
}

/** Runs or shows the tick. Continues with `opened` if the tick is already open. */
export const runTick = (
  cli: Cli,
  { isWhole, options, project }: TickSetup,
  opened?: OpenedRun
): Effect.Effect<ExitCode, CommandError> =>
  Effect.gen(function* () {
    const { arguments: given, terminal, layers } = cli
    const { connection, ...early } = opened ?? {}
    const engine = Layer.unwrapEffect(
      Effect.promise(() => layers.engine(project, connection))
    ).pipe(Layer.mapError(connectionError))
    if (given.has("dry-run")) {
      const [plan, names] = yield* preview(options).pipe(
        Effect.flatMap((plan) =>
          Effect.map(
            orgNames(terminal.format === "text" ? plan.due.map((one) => one.integration_id) : []),
            (names) => [plan, names] as const
          )
        ),
        Effect.provide(engine)
      )
      yield* printPlan(plan, { zone: yield* zoneFlag(given), names }, terminal)
      return exitOf(plan.errors, { triggered: 0, failed: 0, runs: [] })
    }
    const file = given.value("metrics-file")
    const ticking = tickAndNotify({ ...options, ...early, observe: watch(terminal) }).pipe(
      Effect.zipLeft(isWhole && project.settings.probes === "true" ? probe(cli) : Effect.void),
      Effect.flatMap((summary) =>
        Effect.map(namesFor(summary, terminal), (names) => ({ summary, names }))
      )
    )
    const { names, summary } = yield* file === undefined
      ? Effect.provide(ticking, engine)
      : Effect.flatMap(Effect.promise(loadMetrics), ({ measureStatus, writeMetricsFile }) =>
          Effect.zipLeft(ticking, measureStatus(project.settings.driftAlert)).pipe(
            Effect.provide(engine),
            Effect.ensuring(writeMetricsFile(file))
          )
        )
    // The zone is determined only when needed, because this takes 7 ms.
    const isListed = summary.runs.length + summary.skips.length > 0 && !isJson(terminal)
    const zone = isListed ? yield* zoneFlag(given) : "UTC"
    yield* printSummary(summary, { zone, names }, terminal)
    return exitOf(summary.errors, summary)
  })

const loadMetrics = async () => ({
  ...(await import("../../Operator/StatusGauges.ts")),
  ...(await import("./MetricsFile.ts"))
})

const PlanJson = Schema.Struct({
  dry_run: Schema.Literal(true),
  now: Instant,
  due: Schema.Array(
    Schema.Struct({
      org_id: Schema.String,
      integration_id: Schema.String,
      integration_type: Schema.String,
      scheduled_for: Instant,
      trigger: Trigger,
      skipped_range: Schema.NullOr(SkippedRange),
      attempt: Schema.NullOr(Schema.Int)
    })
  ),
  errors: Schema.Array(TickError)
})
const encodePlan = Schema.encodeSync(PlanJson)

export const json = Schema.Union(Summary, PlanJson)

const printPlan = (plan: DryRun, context: ReportContext, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const encoded = encodePlan({ dry_run: true, ...plan })
    const { due, ...rest } = encoded
    if (terminal.format === "json") yield* terminal.printJson(encoded)
    else if (terminal.format === "jsonl") {
      for (const one of due) yield* terminal.printJson({ type: "due", ...one })
      yield* terminal.printJson({ type: "plan", count: due.length, ...rest })
    } else {
      yield* terminal.print(planLines(plan, context, terminal).join("\n"))
    }
    for (const line of errorLines(plan.errors, terminal)) terminal.note(line)
  })

const reasons: Record<DryRun["due"][number]["trigger"], string> = {
  schedule: "on schedule",
  catch_up: "missed, catching up",
  manual: "triggered manually",
  backfill: "backfill"
}

/** Integration ids are shown in full, so that they can be copied. */
const planLines = (
  { due, errors, now }: DryRun,
  { names, zone }: ReportContext,
  { style, width }: Terminal
): ReadonlyArray<string> => {
  if (due.length === 0) {
    return [errors.length === 0 ? "Nothing is due." : "Nothing can be triggered."]
  }
  const clock = { zone, now }
  const orgs = shortener(due.map(({ org_id }) => org_id))
  const rows = due.map((one) => [
    { text: shortTime(one.scheduled_for, clock) },
    { text: nameOf(names.get(one.org_id) ?? orgs(one.org_id)) },
    {
      text:
        one.attempt === null
          ? reasons[one.trigger]
          : one.attempt === 0
            ? "waiting to start"
            : `retry after attempt ${one.attempt}`
    },
    { text: String(one.skipped_range?.count ?? 0) },
    { text: `${one.integration_type} ${one.integration_id}` }
  ])
  const columns = [
    { title: timeTitle("DUE", clock) },
    { title: "ORG" },
    { title: "WHY" },
    { title: "SKIPPED", align: "right" },
    { title: "INTEGRATION" }
  ] as const
  const count = due.length === 1 ? "1 sync" : `${due.length} syncs`
  return [
    ...renderTable(columns, rows, style, width),
    "",
    `Would run ${count} at ${describeInstant(now, zone)}. Nothing was invoked or written.`
  ]
}
