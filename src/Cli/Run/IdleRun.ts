import { type Context, Effect, Fiber, Layer } from "effect"
import type { Settings } from "../../Config.ts"
import { IdGenerator } from "../../Domain/IdGenerator.ts"
import type { Summary } from "../../Domain/Summary.ts"
import { openFirst } from "../../Engine/IdleTick.ts"
import type { Cli, ConnectionServices, Main } from "../Command.ts"
import { type CommandError, connectionError, type ExitCode } from "../Failure.ts"
import type { Terminal } from "../Terminal.ts"
import { readSetup, type TickSetup } from "./TickSetup.ts"

/**
 * `run`: runs one tick, and loads the engine only if the tick is not idle. A timer's ticks usually end here, after one
 * database call (ADR 26).
 */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const setup = yield* readSetup(cli)
    if (!mayEndEarly(cli, setup)) {
      const { runTick } = yield* Effect.promise(() => import("./RunTick.ts"))
      return yield* runTick(cli, setup)
    }
    const { project } = setup
    return yield* Effect.promise(() => cli.layers.connection(project)).pipe(
      Effect.flatMap(Layer.build),
      Effect.mapError(connectionError),
      Effect.flatMap((connection) => openRun(cli, setup, connection)),
      Effect.scoped
    )
  })

const openRun = (
  cli: Cli,
  setup: TickSetup,
  connection: Context.Context<ConnectionServices>
): Effect.Effect<ExitCode, CommandError> =>
  Effect.gen(function* () {
    const { isWhole, options, project } = setup
    const tickId = (yield* IdGenerator).next()
    const pings = yield* startPings(cli, project.settings, tickId)
    const running = Effect.gen(function* () {
      const opening = yield* openFirst({
        ...options,
        tickId,
        alerts: project.settings.alertWebhookUrl !== null,
        probes: isWhole && project.settings.probes === "true"
      }).pipe(Effect.provide(connection))
      if (opening._tag === "Busy") {
        const { runTick } = yield* Effect.promise(() => import("./RunTick.ts"))
        return yield* runTick(cli, setup, {
          tickId,
          firstAttempt: opening.attempt,
          connection: Layer.succeedContext(connection),
          ...(pings === null ? {} : { startedPing: pings.started })
        })
      }
      if (pings !== null) yield* pings.end(opening.summary)
      if (opening.areProbesDue) yield* Effect.provide(probe(cli), connection)
      yield* printIdle(opening.summary, cli.terminal)
      return 0 as const
    })
    return yield* pings === null
      ? running
      : Effect.ensuring(running, Fiber.interruptFork(pings.started))
  })

/** Sends the start ping if a dead man's switch is configured. The returned `end` sends the result ping. */
const startPings = ({ layers }: Cli, settings: Settings, tickId: string) =>
  Effect.gen(function* () {
    if (settings.pingUrl === null) return null
    const [{ pingEnd, pingStart, withinLimit }, ping] = yield* Effect.promise(() =>
      Promise.all([import("../../Engine/Pings.ts"), layers.ping(settings)])
    )
    const started = yield* Effect.provide(pingStart(tickId), ping)
    return {
      started,
      end: (summary: Summary) => Effect.provide(withinLimit(pingEnd(started, summary)), ping)
    }
  })

/** Whether an idle tick can end without the engine. */
const mayEndEarly = ({ arguments: given, terminal }: Cli, { project }: TickSetup): boolean => {
  return (
    !given.has("dry-run") &&
    given.value("metrics-file") === undefined &&
    project.settings.otelEndpoint === null &&
    terminal.format !== "tsv"
  )
}

export const probe = ({ layers }: Cli) =>
  Effect.flatMap(
    Effect.promise(() =>
      Promise.all([import("../../Engine/HealthChecks.ts"), layers.healthChecks()])
    ),
    ([{ probeQuietly }, prober]) => Effect.provide(probeQuietly, prober)
  )

/** Prints the same as ./TickOutput.ts, without loading the modules that format runs. */
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
