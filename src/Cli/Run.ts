import { Effect, Layer, Schema } from "effect"
import { loadProject } from "../Config/Load.ts"
import { table as settings } from "../Config.ts"
import { Instant } from "../Domain/Instant.ts"
import { PassedOver } from "../Domain/Integration.ts"
import { Trigger } from "../Domain/Run.ts"
import { Summary, TickError } from "../Domain/Summary.ts"
import { tickAndTell } from "../Engine/Alerting.ts"
import type { Plan } from "../Engine/Preview.ts"
import { preview } from "../Engine.ts"
import type { Cli, Main } from "./Command.ts"
import { configError, connectionError, exitOf, usageError } from "./Failure.ts"
import { errorLines, shortener, showInstant } from "./Report.ts"
import { table } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"
import { printSummary, watch } from "./TickOutput.ts"
import { integerFlag, uuidFlags } from "./Values.ts"

/** `run`: one tick over the project that the settings name, or with `--dry-run` what it would do. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const { arguments: given, sources, terminal, wiring } = cli
    const options = yield* readOptions(cli)
    const flags = { [settings.concurrency.key]: given.value("concurrency") }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
    const engine = Layer.unwrapEffect(Effect.promise(() => wiring.engine(project))).pipe(
      Layer.mapError(connectionError)
    )
    if (given.has("dry-run")) {
      const plan = yield* Effect.provide(preview(options), engine)
      yield* printPlan(plan, terminal)
      return exitOf(plan.errors, { triggered: 0, failed: 0, runs: [] })
    }
    const file = given.value("metrics-file")
    const ticking = Effect.zipLeft(
      tickAndTell({ ...options, observe: watch(terminal) }),
      isWhole(options) && project.settings.probes === "true" ? probe(cli) : Effect.void
    )
    const summary = yield* file === undefined
      ? Effect.provide(ticking, engine)
      : Effect.flatMap(Effect.promise(loadMetrics), ({ measureStatus, writeMetricsFile }) =>
          Effect.zipLeft(ticking, measureStatus(project.settings.driftAlert)).pipe(
            Effect.provide(engine),
            Effect.ensuring(writeMetricsFile(file))
          )
        )
    yield* printSummary(summary, terminal)
    return exitOf(summary.errors, summary)
  })

// Loaded only where they are wanted: most ticks find nothing due, and start-up is most of their time.

const loadMetrics = async () => ({
  ...(await import("../Operator/StatusGauges.ts")),
  ...(await import("./MetricsFile.ts"))
})

const probe = ({ wiring }: Cli) =>
  Effect.flatMap(
    Effect.promise(() => Promise.all([import("../Engine/Probing.ts"), wiring.probing()])),
    ([{ probeQuietly }, prober]) => Effect.provide(probeQuietly, prober)
  )

/** A tick for a part of the project looks at nothing else. */
const isWhole = ({ limit, scope }: Effect.Effect.Success<ReturnType<typeof readOptions>>) =>
  limit === undefined && scope.orgId === undefined && scope.integrationIds === undefined

const readOptions = ({ arguments: given }: Cli) =>
  Effect.gen(function* () {
    const limit = yield* integerFlag(given, "limit", 1, 1_000_000)
    yield* integerFlag(given, "concurrency", 1, 1000)
    const [orgId] = yield* uuidFlags(given, "org")
    const ids = yield* uuidFlags(given, "integration")
    if (ids.length > 100) {
      return yield* Effect.fail(
        usageError("--integration is given more than 100 times", "Use --org, or leave it out.")
      )
    }
    return { limit, scope: { orgId, integrationIds: ids.length === 0 ? undefined : ids } }
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
      passed_over: Schema.NullOr(PassedOver),
      attempt: Schema.NullOr(Schema.Int)
    })
  ),
  errors: Schema.Array(TickError)
})
const encodePlan = Schema.encodeSync(PlanJson)

/** A tick's summary; with `--dry-run` what it would do. */
export const json = Schema.Union(Summary, PlanJson)

const printPlan = (plan: Plan, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    const encoded = encodePlan({ dry_run: true, ...plan })
    const { due, ...rest } = encoded
    if (terminal.format === "json") yield* terminal.printJson(encoded)
    else if (terminal.format === "jsonl") {
      for (const one of due) yield* terminal.printJson({ type: "due", ...one })
      yield* terminal.printJson({ type: "plan", count: due.length, ...rest })
    } else {
      yield* terminal.print(planLines(plan, terminal).join("\n"))
    }
    for (const line of errorLines(plan.errors)) terminal.note(line)
  })

const reasons: Record<Plan["due"][number]["trigger"], string> = {
  schedule: "on schedule",
  catch_up: "missed, catching up",
  manual: "asked for",
  backfill: "slot of the past"
}

/** On a terminal short, and the id of the integration, to be copied, below where it does not fit; in full else. */
const planLines = (
  { due, errors, now }: Plan,
  { style, width }: Terminal
): ReadonlyArray<string> => {
  if (due.length === 0) {
    return [errors.length === 0 ? "Nothing is due." : "Nothing can be triggered."]
  }
  const orgs = width === null ? (id: string) => id : shortener(due.map(({ org_id }) => org_id))
  const rows = due.map((one) => [
    { text: showInstant(one.scheduled_for, width === null ? undefined : now) },
    { text: orgs(one.org_id) },
    {
      text:
        one.attempt === null
          ? reasons[one.trigger]
          : one.attempt === 0
            ? "waits to be started"
            : `retry after attempt ${one.attempt}`
    },
    { text: String(one.passed_over?.count ?? 0) },
    { text: `${one.integration_type} ${one.integration_id}` }
  ])
  const columns = [
    { title: "DUE" },
    { title: "ORG" },
    { title: "WHY" },
    { title: "PASSED OVER", align: "right" },
    { title: "INTEGRATION" }
  ] as const
  const count = due.length === 1 ? "1 sync" : `${due.length} syncs`
  return [
    ...table(columns, rows, style, width),
    "",
    `Would trigger ${count} at ${showInstant(now)}. Nothing was invoked or written.`
  ]
}
