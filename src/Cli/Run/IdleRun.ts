import { Effect, Layer } from "effect"
import { IdGenerator } from "../../Domain/IdGenerator.ts"
import type { Summary } from "../../Domain/Summary.ts"
import { openFirst } from "../../Engine/IdleTick.ts"
import type { Cli, Main } from "../Command.ts"
import { connectionError } from "../Failure.ts"
import type { Terminal } from "../Terminal.ts"
import { readSetup, type TickSetup } from "./TickSetup.ts"

/**
 * `run` in a process that may find nothing due: opens the tick, and loads the engine only if the tick is not idle. Most processes
 * that a timer starts end here, after one database call (ADR 26).
 */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const setup = yield* readSetup(cli)
    const { isWhole, options, project } = setup
    const whole = Effect.promise(() => import("./RunTick.ts"))
    if (!mayEndEarly(cli, setup)) {
      return yield* Effect.flatMap(whole, ({ runTick }) => runTick(cli, setup))
    }
    const connecting = Effect.promise(() => cli.layers.connection(project)).pipe(
      Effect.flatMap(Layer.build),
      Effect.mapError(connectionError)
    )
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* connecting
        const tickId = (yield* IdGenerator).next()
        const opening = yield* openFirst({
          ...options,
          tickId,
          alerts: project.settings.alertWebhookUrl !== null,
          probes: isWhole && project.settings.probes === "true"
        }).pipe(Effect.provide(connection))
        if (opening._tag === "Busy") {
          const { runTick } = yield* whole
          const opened = { tickId, firstAttempt: opening.attempt }
          return yield* runTick(cli, setup, {
            ...opened,
            connection: Layer.succeedContext(connection)
          })
        }
        if (opening.areProbesDue) yield* Effect.provide(probe(cli), connection)
        yield* printIdle(opening.summary, cli.terminal)
        return 0
      })
    )
  })

/**
 * Whether an idle tick can end without the engine: the tick is no dry run, exports no metrics, sends no ping and prints no TSV.
 */
const mayEndEarly = ({ arguments: given, terminal }: Cli, { project }: TickSetup): boolean => {
  const { otelEndpoint, pingUrl } = project.settings
  return (
    !given.has("dry-run") &&
    given.value("metrics-file") === undefined &&
    otelEndpoint === null &&
    pingUrl === null &&
    terminal.format !== "tsv"
  )
}

/** Runs a round of probes after the tick. */
export const probe = ({ layers }: Cli) =>
  Effect.flatMap(
    Effect.promise(() =>
      Promise.all([import("../../Engine/HealthChecks.ts"), layers.healthChecks()])
    ),
    ([{ probeQuietly }, prober]) => Effect.provide(probeQuietly, prober)
  )

/** Prints the summary of an idle tick like ./TickOutput.ts, but without the modules that format runs. */
const printIdle = (summary: Summary, terminal: Terminal): Effect.Effect<void> => {
  if (terminal.format === "text") {
    return terminal.print(`${terminal.style.green("✓")} Nothing is due.`)
  }
  const { finished_at, started_at } = summary
  const encoded = {
    ...summary,
    started_at: new Date(started_at).toISOString(),
    finished_at: new Date(finished_at).toISOString()
  }
  return terminal.printJson(terminal.format === "jsonl" ? { type: "summary", ...encoded } : encoded)
}
