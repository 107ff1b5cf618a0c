import { resolve } from "node:path"
import { Effect, Layer, Schema } from "effect"
import { ConfigError, inspect, loadProject } from "../../Config/Load.ts"
import { type Settings, table } from "../../Config.ts"
import { Summary } from "../../Domain/Summary.ts"
import { type Access, makeAccess } from "../../Server/Http/Access.ts"
import type { ListenError } from "../../Server/Http/Listener.ts"
import { serve } from "../../Server/Server.ts"
import type { Cli, Main } from "../Command.ts"
import { type CommandError, configError, connectionError, usageError } from "../Failure.ts"
import { pasteable } from "../Hints.ts"
import { watch } from "../Run/TickOutput.ts"
import { demoProject } from "./ServeDemo.ts"

const encodeSummary = Schema.encodeSync(Summary)

/**
 * `serve`: ticks once per interval and answers HTTP requests until it receives a signal. Exits with 3 if runs were still in
 * progress when the shutdown timeout passed.
 */
export const main: Main = (cli) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { stopping, terminal } = cli
      const demo = cli.arguments.value("demo")
      const { engine, settings } = yield* projectOf(cli)
      const access = yield* accessOf(settings)
      const isLines = terminal.format === "jsonl"
      const isClean = yield* serve({
        settings,
        access,
        pasteable: pasteable(demo === undefined ? undefined : resolve(demo)),
        observe: isLines ? watch(terminal) : () => Effect.void,
        onSummary: (summary) =>
          isLines
            ? terminal.printJson({ type: "summary", ...encodeSummary(summary) })
            : Effect.void,
        stopping
      }).pipe(
        Effect.catchTag("ListenError", (error) => listenError(error)),
        Effect.provide(Layer.mapError(engine, connectionError))
      )
      return isClean ? 0 : 3
    })
  )

const projectOf = ({ arguments: given, sources, layers }: Cli) =>
  Effect.gen(function* () {
    const demo = given.value("demo")
    const isPatient = sources().environment[table.interval.key] !== undefined
    const flags = {
      [table.listen.key]: given.value("listen"),
      // A demo ticks often, so that actions take effect within seconds.
      [table.interval.key]:
        given.value("interval") ?? (demo === undefined || isPatient ? undefined : DEMO_INTERVAL),
      [table.concurrency.key]: given.value("concurrency"),
      [table.allowActions.key]: given.has("allow-actions") ? "true" : undefined
    }
    if (demo !== undefined) {
      const { problems, settings } = inspect(sources(flags))
      if (problems.length > 0) return yield* Effect.fail(configError(new ConfigError({ problems })))
      return { settings, engine: yield* demoProject(demo, settings, layers) }
    }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
    const prober =
      project.settings.probes === "true"
        ? Layer.unwrapEffect(Effect.promise(layers.healthChecks))
        : Layer.empty
    const engine = Layer.unwrapEffect(Effect.promise(() => layers.engine(project)))
    return { settings: project.settings, engine: Layer.merge(engine, prober) }
  })

const DEMO_INTERVAL = "5s"

const accessOf = (given: Settings): Effect.Effect<Access, CommandError> =>
  Effect.gen(function* () {
    const access = makeAccess(given)
    if (access === null) {
      return yield* Effect.fail(
        usageError(
          `serve would listen on ${given.listen}, which other machines can reach, but ${table.adminToken.key} is not set: anyone could see the organisations and their syncs`,
          `Set ${table.adminToken.key} (openssl rand -hex 32), or listen on 127.0.0.1.`
        )
      )
    }
    if (access.allowActions && access.sessions === null) {
      yield* Effect.logWarning(
        `Actions are allowed, but no operator can use them: ${table.adminToken.key} is not set.`
      )
    }
    return access
  })

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program is already listening there",
  EACCES: "this user is not allowed to listen on that port",
  EADDRNOTAVAIL: "this machine does not have that address"
}

const listenError = ({ address, code }: ListenError): Effect.Effect<never, CommandError> =>
  Effect.fail(
    usageError(
      `serve cannot listen on ${address.hostname}:${address.port}: ${WHY[code] ?? code}`,
      `Choose another address with --listen or ${table.listen.key}, for example 127.0.0.1:8788.`
    )
  )
