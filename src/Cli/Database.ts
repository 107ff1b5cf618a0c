import { Effect, Layer } from "effect"
import { loadDatabase } from "../Config/Load.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { tickError } from "../Domain/Tally.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Cli } from "./Command.ts"
import { CommandError, configError, connectionError } from "./Failure.ts"

/** The database that the settings name, for a command that invokes nothing. *Fails with* what is wrong with them. */
export const connect = ({
  sources,
  wiring
}: Cli): Effect.Effect<Layer.Layer<Supabase, SupabaseError>, CommandError> =>
  Effect.gen(function* () {
    const { database, warnings } = yield* Effect.mapError(loadDatabase(sources()), configError)
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
    return Layer.unwrapEffect(Effect.promise(() => wiring.database(database)))
  })

/** Connecting or a call failed: exit 2, 4 or 5, as after a tick; a call that the database refused is a bug. */
export const databaseError = (error: SupabaseError): CommandError =>
  error.reason === "Rejected" && error.operation !== "connect"
    ? new CommandError({ exit: 1, errors: [tickError(error)] })
    : connectionError(error)
