import { Effect, Layer } from "effect"
import { loadProject } from "../../Config/Load.ts"
import type { Sources } from "../../Config/Source.ts"
import { rough } from "../../Domain/Duration.ts"
import type { Summary } from "../../Domain/Summary.ts"
import { tick } from "../../Engine.ts"
import type { Cli } from "../Command.ts"
import { EXAMPLE_ID } from "../Init/ExampleRow.ts"
import type { Done, Obstacle, Task } from "./SetupStep.ts"

/** Returns the sources of settings, with `environment` in place of the process environment. */
export const sourcesOf =
  ({ sources }: Cli, environment: Sources["environment"]) =>
  (flags?: Sources["flags"]): Sources => ({ ...sources(flags), environment })

/** Ticks for the example integration only. */
export const runTask = (
  cli: Cli,
  environment: Effect.Effect<Sources["environment"], Obstacle>,
  isWanted: () => boolean
): Task => ({
  step: "run",
  plan: "Run the example once, on schedule",
  command: "sync-scheduler run",
  run: Effect.gen(function* () {
    if (!isWanted()) return unchanged("no run is needed")
    const sources = sourcesOf(cli, yield* environment)
    const project = yield* Effect.mapError(loadProject(sources()), ({ message }) => ({
      why: message
    }))
    const engine = Layer.unwrapEffect(Effect.promise(() => cli.layers.engine(project)))
    const once = tick({ scope: { integrationIds: [EXAMPLE_ID] } }).pipe(
      Effect.provide(engine),
      Effect.mapError(({ detail }) => ({ why: detail }))
    )
    const first = yield* once
    const summary = isTooEarly(first)
      ? yield* Effect.repeat(Effect.delay(once, "1 second"), {
          while: isTooEarly,
          times: CACHE_SECONDS
        })
      : first
    return yield* outcomeOf(summary)
  })
})

const unchanged = (detail: string): Done => ({ status: "unchanged", detail })

/** The maximum wait, in seconds, for the Data API to load the new database objects. */
const CACHE_SECONDS = 15

const isTooEarly = ({ errors }: Summary): boolean =>
  errors.some(({ code }) => code === "MIGRATIONS_MISSING")

const outcomeOf = ({ errors, runs }: Summary): Effect.Effect<Done, Obstacle> => {
  const [run] = runs
  const [error] = errors
  if (run?.status === "completed") {
    const detail = `completed; it started ${rough(run.drift_ms ?? 0)} after it was due`
    return Effect.succeed({ status: "done", detail })
  }
  if (run !== undefined) {
    const why = run.error === undefined ? run.status : `${run.error.code}: ${run.error.message}`
    return Effect.fail({ why: `the run is ${run.status}: ${why}` })
  }
  return error === undefined
    ? Effect.succeed(unchanged("nothing is due; another engine is already running ticks"))
    : Effect.fail({ why: error.message })
}
