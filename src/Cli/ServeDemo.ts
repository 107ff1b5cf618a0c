import { Clock, Effect, Layer, Redacted, type Scope } from "effect"
import type { Settings } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import type { EngineServices, TellingServices, Wiring } from "./Command.ts"
import { keptDirectory, markDirectory } from "./DemoDirectory.ts"
import { serveDemoFunction } from "./DemoFunction.ts"
import { INSERT_INTEGRATIONS, INSERT_RUNS, storyAt } from "./DemoStory.ts"
import type { CommandError } from "./Failure.ts"

/**
 * A project that needs nothing, for `serve --demo`: an embedded database in a directory, and a function on this machine.
 * A new one is filled with made-up organisations and what they did in the last weeks.
 */
export const demoProject = (
  given: string,
  settings: Settings,
  wiring: Wiring
): Effect.Effect<
  Layer.Layer<EngineServices | TellingServices, SupabaseError>,
  CommandError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const directory = yield* keptDirectory(given)
    const url = yield* serveDemoFunction
    const demo = Layer.unwrapEffect(
      Effect.promise(() =>
        wiring.demo({
          directory,
          settings,
          functions: { url, key: Redacted.make("sb_secret_demo") }
        })
      )
    )
    const filling = Layer.effectDiscard(fill(directory))
    return Layer.provideMerge(filling, demo)
  })

const fill = (directory: string | undefined) =>
  Effect.gen(function* () {
    const database = yield* EmbeddedDatabase
    if (directory !== undefined) yield* markDirectory(directory)
    const [found] = yield* database.query(
      "select exists (select from public.organization_integrations) as any"
    )
    if (found?.any === true) return
    const { integrations, runs } = storyAt(yield* Clock.currentTimeMillis)
    yield* database.query(INSERT_INTEGRATIONS, [JSON.stringify(integrations)])
    yield* database.query(INSERT_RUNS, [JSON.stringify(runs)])
    yield* Effect.logInfo(
      `Made ${integrations.length} made-up organisations, with ${runs.length} runs of the last weeks`
    )
  })
