import { Effect } from "effect"
import { loadProject, type Project } from "../../Config/Load.ts"
import { table as settings } from "../../Config.ts"
import type { Scope } from "../../Services/Ledger.ts"
import type { Cli } from "../Command.ts"
import { type CommandError, configError, usageError } from "../Failure.ts"
import { integerFlag, uuidFlags } from "../Values.ts"

export interface TickSetup {
  readonly project: Project
  readonly options: { readonly limit: number | undefined; readonly scope: Scope }
  /** Whether the tick covers the whole project. A narrower tick sends no probes. */
  readonly isWhole: boolean
}

export const readSetup = ({
  arguments: given,
  sources
}: Cli): Effect.Effect<TickSetup, CommandError> =>
  Effect.gen(function* () {
    const limit = yield* integerFlag(given, "limit", 1, 1_000_000)
    yield* integerFlag(given, "concurrency", 1, 1000)
    const [orgId] = yield* uuidFlags(given, "org")
    const ids = yield* uuidFlags(given, "integration")
    if (ids.length > 100) {
      return yield* Effect.fail(
        usageError(
          "--integration is given more than 100 times",
          "Use --org instead, or omit --integration."
        )
      )
    }
    if (given.value("tz") !== undefined) {
      // Loaded only when needed, because most ticks show no times.
      const { zoneFlag } = yield* Effect.promise(() => import("../TimeArgument.ts"))
      yield* zoneFlag(given)
    }
    const flags = { [settings.concurrency.key]: given.value("concurrency") }
    const project = yield* Effect.mapError(loadProject(sources(flags)), configError)
    yield* Effect.forEach(project.warnings, (warning) => Effect.logWarning(warning))
    const integrationIds = ids.length === 0 ? undefined : ids
    return {
      project,
      options: { limit, scope: { orgId, integrationIds } },
      isWhole: limit === undefined && orgId === undefined && integrationIds === undefined
    }
  })
