import { Effect, Layer } from "effect"
import { inspect, loadDatabase } from "../Config/Load.ts"
import type { Settings } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { tickError } from "../Engine/SummaryBuilder.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Cli } from "./Command.ts"
import { demoDirectory } from "./Demo/DemoDirectory.ts"
import { CommandError, configError, connectionError } from "./Failure.ts"

/** Connects to the configured database, or to the database that `--demo` selects. *Fails with* the problems in the settings. */
export const connect = ({
  arguments: given,
  sources,
  layers
}: Cli): Effect.Effect<Layer.Layer<Supabase, SupabaseError>, CommandError> =>
  Effect.gen(function* () {
    const demo = given.value("demo")
    if (demo !== undefined) {
      const directory = yield* demoDirectory(demo)
      return Layer.unwrapEffect(Effect.promise(() => layers.embedded(directory)))
    }
    const { database, warnings } = yield* Effect.mapError(loadDatabase(sources()), configError)
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
    return Layer.unwrapEffect(Effect.promise(() => layers.database(database)))
  })

export const withDatabase = <A>(
  cli: Cli,
  body: (context: { readonly settings: Settings }) => Effect.Effect<A, CommandError, Supabase>
): Effect.Effect<A, CommandError> =>
  Effect.flatMap(connect(cli), (database) =>
    body({ settings: inspect(cli.sources()).settings }).pipe(
      Effect.provide(Layer.mapError(database, databaseError))
    )
  )

/** The operations that precede the first call. If the database rejects one of them, a setting or the directory is wrong. */
const OPENING: ReadonlySet<string> = new Set(["connect", "open", "migrate"])

/**
 * Returns an error with the exit code that a tick would have: 2, 4 or 5. If the database rejects a call, the exit code is 1,
 * because the cause is a bug.
 */
export const databaseError = (error: SupabaseError): CommandError =>
  error.reason === "Rejected" && !OPENING.has(error.operation)
    ? new CommandError({ exit: 1, errors: [tickError(error)] })
    : connectionError(error)
