import { Clock, Effect, Layer, Redacted, type Scope } from "effect"
import type { Settings } from "../../Config.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { EmbeddedDatabase } from "../../Services/EmbeddedDatabase.ts"
import type { EngineServices, LayerFactories, NotificationServices } from "../Command.ts"
import { serveDemoApi } from "../Demo/DemoApi.ts"
import { keptDirectory, markDirectory } from "../Demo/DemoDirectory.ts"
import { serveDemoFunction } from "../Demo/DemoFunction.ts"
import { BACKDATE_HISTORY, INSERT_INTEGRATIONS, INSERT_RUNS, storyAt } from "../Demo/DemoStory.ts"
import type { CommandError } from "../Failure.ts"

/**
 * Creates a project that needs no configuration: an embedded database and a local function. A new database is filled with
 * fictional organisations and their runs from the last few weeks.
 */
export const demoProject = (
  given: string,
  settings: Settings,
  layers: LayerFactories
): Effect.Effect<
  Layer.Layer<EngineServices | NotificationServices, SupabaseError>,
  CommandError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const directory = yield* keptDirectory(given, "story")
    const url = yield* serveDemoFunction(directory)
    const demo = Layer.unwrapEffect(
      Effect.promise(() =>
        layers.demo({
          directory,
          settings,
          functions: { url, key: Redacted.make("sb_secret_demo") }
        })
      )
    )
    const world = Layer.scopedDiscard(
      Effect.zipRight(
        fill(directory),
        directory === undefined ? Effect.void : serveDemoApi(directory)
      ).pipe(Effect.zipRight(Effect.logInfo(HINT)))
    )
    return Layer.provideMerge(world, demo)
  })

/** The `pasteable` function adds `--demo <directory>` to the command before the line is shown. */
const HINT = "Try this in another terminal: sync-scheduler explain initech"

const fill = (directory: string | undefined) =>
  Effect.gen(function* () {
    const database = yield* EmbeddedDatabase
    if (directory !== undefined) yield* markDirectory(directory, "story")
    const [found] = yield* database.query(
      "select exists (select from public.organization_integrations) as any"
    )
    if (found?.any === true) return
    const { integrations, runs } = storyAt(yield* Clock.currentTimeMillis)
    yield* database.query(INSERT_INTEGRATIONS, [JSON.stringify(integrations)])
    yield* database.query(INSERT_RUNS, [JSON.stringify(runs)])
    yield* Effect.forEach(BACKDATE_HISTORY, (statement) => database.query(statement), {
      discard: true
    })
    yield* Effect.logInfo(
      `Created ${integrations.length} made-up organisations with ${runs.length} runs from the last few weeks`
    )
  })
