import { Effect, Layer, Schema } from "effect"
import { loadProject, type Project } from "../Config/Load.ts"
import { table as settings } from "../Config.ts"
import { Summary } from "../Domain/Summary.ts"
import { type Access, makeAccess } from "../Serve/Access.ts"
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
      [settings.concurrency.key]: given.value("concurrency"),
      [settings.allowActions.key]: given.has("allow-actions") ? "true" : undefined
    }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
    const access = yield* accessOf(project)
    const prober =
      project.settings.probes === "true"
        ? Layer.unwrapEffect(Effect.promise(wiring.probing))
        : Layer.empty
    const engine = Layer.unwrapEffect(Effect.promise(() => wiring.engine(project))).pipe(
      Layer.mapError(connectionError),
      Layer.merge(prober)
    )
    const isLines = terminal.format === "jsonl"
    const isClean = yield* serving({
      settings: project.settings,
      access,
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

const accessOf = ({ settings: given }: Project): Effect.Effect<Access, CommandError> =>
  Effect.gen(function* () {
    const access = makeAccess(given)
    if (access === null) {
      return yield* Effect.fail(
        usageError(
          `serve would listen on ${given.listen}, which others than this machine reach, and there is no ${settings.adminToken.key}: anybody there could see which organisations sync what`,
          `Set ${settings.adminToken.key} (openssl rand -hex 32), or listen on 127.0.0.1.`
        )
      )
    }
    if (access.allowActions && access.sessions === null) {
      yield* Effect.logWarning(
        `Actions are allowed, but nobody can act: there is no ${settings.adminToken.key}.`
      )
    }
    return access
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
