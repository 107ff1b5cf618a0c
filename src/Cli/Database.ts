import { Effect, Layer } from "effect"
import { inspect, loadDatabase } from "../Config/Load.ts"
import type { Settings } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { tickError } from "../Domain/Tally.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Cli } from "./Command.ts"
import { demoDirectory } from "./DemoDirectory.ts"
import { CommandError, configError, connectionError } from "./Failure.ts"

/**
 * The database that the settings name, or `--demo`, for a command that invokes nothing. *Fails with* what is wrong with
 * them.
 */
export const connect = ({
  arguments: given,
  sources,
  wiring
}: Cli): Effect.Effect<Layer.Layer<Supabase, SupabaseError>, CommandError> =>
  Effect.gen(function* () {
    const demo = given.value("demo")
    if (demo !== undefined) {
      const directory = yield* demoDirectory(demo)
      return Layer.unwrapEffect(Effect.promise(() => wiring.embedded(directory)))
    }
    const { database, warnings } = yield* Effect.mapError(loadDatabase(sources()), configError)
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
    return Layer.unwrapEffect(Effect.promise(() => wiring.database(database)))
  })

/** Does something with the database, given the settings. */
export const withDatabase = <A>(
  cli: Cli,
  body: (context: { readonly settings: Settings }) => Effect.Effect<A, CommandError, Supabase>
): Effect.Effect<A, CommandError> =>
  Effect.flatMap(connect(cli), (database) =>
    body({ settings: inspect(cli.sources()).settings }).pipe(
      Effect.provide(Layer.mapError(database, databaseError))
    )
  )

/** Connecting or a call failed: exit 2, 4 or 5, as after a tick; a call that the database refused is a bug. */
export const databaseError = (error: SupabaseError): CommandError =>
  error.reason === "Rejected" && error.operation !== "connect"
    ? new CommandError({ exit: 1, errors: [tickError(error)] })
    : connectionError(error)
