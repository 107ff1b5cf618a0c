import { Effect, Layer, Schema } from "effect"
import { loadProject } from "../Config/Load.ts"
import { table as settings } from "../Config.ts"
import { Summary } from "../Domain/Summary.ts"
import type { ListenError } from "../Serve/Listener.ts"
import { serving } from "../Serve/Serving.ts"
import type { Main } from "./Command.ts"
import { type CommandError, configError, connectionError, usageError } from "./Failure.ts"
import { watch } from "./TickOutput.ts"

const encodeSummary = Schema.encodeSync(Summary)

/** `serve`: ticks by itself and answers HTTP until it is told to stop; exit 3 when what was in flight had to be left. */
export const main: Main = ({ arguments: given, sources, stopping, terminal, wiring }) =>
  Effect.gen(function* () {
    const flags = {
      [settings.listen.key]: given.value("listen"),
      [settings.interval.key]: given.value("interval"),
      [settings.concurrency.key]: given.value("concurrency")
    }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
    const engine = Layer.unwrapEffect(Effect.promise(() => wiring.engine(project))).pipe(
      Layer.mapError(connectionError)
    )
    const isLines = terminal.format === "jsonl"
    const isClean = yield* serving({
      settings: project.settings,
      observe: isLines ? watch(terminal) : () => Effect.void,
      onSummary: (summary) =>
        isLines ? terminal.printJson({ type: "summary", ...encodeSummary(summary) }) : Effect.void,
      stopping
    }).pipe(
      Effect.catchTag("ListenError", (error) => listenError(error)),
      Effect.provide(engine)
    )
    return isClean ? 0 : 3
  })

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there already",
  EACCES: "this user may not listen on that port",
  EADDRNOTAVAIL: "this machine does not have that address"
}

const listenError = ({ address, code }: ListenError): Effect.Effect<never, CommandError> =>
  Effect.fail(
    usageError(
      `serve cannot listen on ${address.hostname}:${address.port}: ${WHY[code] ?? code}`,
      `Choose another with --listen or ${settings.listen.key}, for example 127.0.0.1:8788.`
    )
  )
