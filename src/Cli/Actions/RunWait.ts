import { Clock, Effect, Layer, Redacted, Schema, type Scope } from "effect"
import { inspect, loadProject } from "../../Config/Load.ts"
import * as Duration from "../../Domain/Duration.ts"
import { reasonOf } from "../../Domain/RunReason.ts"
import type { RunView } from "../../Domain/RunView.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import { tick } from "../../Engine.ts"
import type { DoneAction } from "../../Operator/Actions.ts"
import { displayName } from "../../Operator/NameResolver.ts"
import { RUN_APPEARANCE } from "../../Operator/Runs.ts"
import type { Cli, EngineServices } from "../Command.ts"
import { demoDirectory } from "../Demo/DemoDirectory.ts"
import { serveDemoFunction } from "../Demo/DemoFunction.ts"
import { CommandError, configError, connectionError, type ExitCode, exitOf } from "../Failure.ts"
import { lead, PAINT } from "../Listing.ts"
import { safe } from "../Style.ts"
import { runNamed } from "../Target.ts"
import { WaitedReport } from "./WaitedReport.ts"

/** The target of an action. */
export interface Subject {
  readonly id: string
  readonly integrationId: string
  readonly label: string
}

const LOOK_EVERY_MS = 500
/** The minimum interval between ticks while the run cannot start yet. */
const TICK_EVERY_MS = 2_000

/** Provides an engine for the project that the settings or `--demo` select. *Fails with* the problems in the settings. */
export const engine = ({
  arguments: given,
  sources,
  layers
}: Cli): Effect.Effect<Layer.Layer<EngineServices, CommandError>, CommandError, Scope.Scope> =>
  Effect.gen(function* () {
    const demo = given.value("demo")
    if (demo === undefined) {
      const project = yield* Effect.mapError(loadProject(sources()), configError)
      yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
      const made = Layer.unwrapEffect(Effect.promise(() => layers.engine(project)))
      return Layer.mapError(made, connectionError)
    }
    const directory = yield* demoDirectory(demo)
    const url = yield* serveDemoFunction(directory)
    const { settings } = inspect(sources())
    const functions = { url, key: Redacted.make("sb_secret_demo") }
    const made = Layer.unwrapEffect(
      Effect.promise(() => layers.demo({ directory, settings, functions }))
    )
    return Layer.mapError(made, connectionError)
  })

/** Runs ticks until the run ends, and prints the result. The exit code is 0 if the run completed, otherwise 3. */
export const waitForRun = (
  report: DoneAction,
  subject: Subject,
  { terminal }: Cli
): Effect.Effect<ExitCode, CommandError, EngineServices> =>
  Effect.gen(function* () {
    const runId = report.run_id ?? subject.id
    const { integrationId, label } = subject
    terminal.progress(`Starting ${safe(label)} ...`)
    const { integration, run } = yield* follow(runId, integrationId, terminal.progress)
    terminal.progress(null)
    if (terminal.format === "text") {
      const { severity, symbol } = RUN_APPEARANCE[run.status]
      const name = integration === null ? run.integration_id.slice(0, 8) : displayName(integration)
      const due = describeInstant(run.scheduled_for, integration?.timezone ?? "UTC")
      yield* terminal.print(
        [
          ...lead(symbol, PAINT[severity], safe(`${endOf(run)} ${name}, due ${due}`), terminal),
          `→ see it: sync-scheduler runs show ${run.run_id}`
        ].join("\n")
      )
    } else {
      const { action } = report
      const waited = {
        done: true,
        action,
        run_id: runId,
        integration_id: integrationId,
        run
      } as const
      yield* terminal.printJson(Schema.encodeSync(WaitedReport)(waited))
    }
    return run.status === "completed" ? 0 : 3
  })

/** Runs ticks for this integration only, until the run ends. *Fails with* the errors of a tick that triggered nothing. */
const follow = (runId: string, integrationId: string, progress: (line: string | null) => void) =>
  Effect.gen(function* () {
    let tickedAt = Number.NEGATIVE_INFINITY
    for (;;) {
      const detail = yield* runNamed(runId)
      const { now, run } = detail
      if (isOver(run)) return detail
      const at = yield* Clock.currentTimeMillis
      if (canTick(run, now) && at - tickedAt >= TICK_EVERY_MS) {
        tickedAt = at
        const { errors, ...counts } = yield* tick({ scope: { integrationIds: [integrationId] } })
        const [first, ...rest] = errors
        const exit = exitOf(errors, { ...counts, failed: 0, runs: [] })
        if (first !== undefined && counts.triggered === 0 && exit !== 0) {
          return yield* Effect.fail(new CommandError({ exit, errors: [first, ...rest] }))
        }
        continue
      }
      progress(`${stageOf(run, now)} ...`)
      yield* Effect.sleep(LOOK_EVERY_MS)
    }
  })

const isOver = ({ status }: RunView): boolean => status !== "pending" && status !== "running"

/** Whether a tick can advance the run: the run can start, or its lease has expired. */
const canTick = ({ lease_until, not_before, status }: RunView, now: number): boolean =>
  status === "pending" ? (not_before ?? 0) <= now : lease_until !== null && lease_until < now

const stageOf = (run: RunView, now: number): string => {
  if (run.status === "running") {
    const since = run.attempt_started_at ?? run.started_at ?? now
    return `Attempt ${run.attempt} is in progress, ${Duration.rough(now - since)} so far`
  }
  const wait = (run.not_before ?? now) - now
  const reason = reasonOf(run)
  const why = run.attempt === 0 || reason === "" ? "" : ` after ${reason}`
  return wait > 0
    ? `Attempt ${run.attempt + 1} starts in ${Duration.rough(wait)}${why}`
    : `Waiting for attempt ${run.attempt + 1} to start`
}

const endOf = (run: RunView): string => {
  const reason = reasonOf(run)
  const because = reason === "" ? "." : `: ${reason}.`
  const took = run.duration_ms === null ? "" : ` in ${Duration.format(run.duration_ms)}`
  switch (run.status) {
    case "completed":
      return `Completed on attempt ${run.attempt}${took}.`
    case "failed":
      return `Failed on attempt ${run.attempt}${because}`
    case "skipped":
      return `Skipped: ${run.skip_reason ?? "no reason given"}.`
    default:
      return `Unknown: it may have run${because}`
  }
}
