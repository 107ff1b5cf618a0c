import { Effect, Schema } from "effect"
import type { ListedRun } from "../Domain/RunView.ts"
import { listRuns, RunsPage } from "../Operator/Runs.ts"
import type { Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { listing } from "./Listing.ts"
import { spanFlag } from "./Moment.ts"
import { runFields } from "./RunsList.ts"
import { scopeOf } from "./Target.ts"
import type { Terminal } from "./Terminal.ts"

const DEFAULT_INTERVAL_MS = 2_000
const LEAST_INTERVAL_MS = 250
/** How far back changes of runs are noticed: slots of the last two hours, and at most so many. */
const WINDOW_MS = 2 * 3_600_000
const NOTICED = 500

/**
 * `runs tail`: a line for every run that begins or changes, until it is interrupted. A database that does not answer for a
 * while is waited for.
 */
export const main: Main = (cli) =>
  withDatabase(cli, () =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const integrationIds = yield* scopeOf(given)
      const interval = (yield* spanFlag(given, "interval")) ?? DEFAULT_INTERVAL_MS
      const seen = new Map<string, string>()
      const look = Effect.gen(function* () {
        const page = yield* listRuns({ integrationIds, limit: NOTICED })
        const recent = page.runs.filter(({ scheduled_for }) => page.now - scheduled_for < WINDOW_MS)
        const changed = recent.filter((run) => seen.get(run.run_id) !== stampOf(run))
        seen.clear()
        for (const run of page.runs) seen.set(run.run_id, stampOf(run))
        return { ...page, runs: changed.toReversed() }
      })
      const first = yield* Effect.mapError(look, databaseError)
      if (given.has("from-now")) terminal.note("Waiting for runs; ^C ends it.")
      else yield* show(first, terminal)
      yield* look.pipe(
        Effect.tap((page) => show(page, terminal)),
        Effect.catchAll((error) =>
          Effect.sync(() => terminal.note(`note: ${databaseError(error).message}; asking again`))
        ),
        Effect.delay(Math.max(interval, LEAST_INTERVAL_MS)),
        Effect.repeat({ until: () => terminal.isGone() }),
        Effect.raceFirst(cli.stopping)
      )
      return 0 as const
    })
  )

/** What a run is at: a change of it is a line. */
const stampOf = ({ attempt, released_at, status }: ListedRun): string =>
  `${status} ${attempt} ${released_at ?? ""}`

const encode = Schema.encodeSync(RunsPage)

const show = (page: RunsPage, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format !== "text") {
      for (const run of encode(page).runs) yield* terminal.printJson({ type: "run", ...run })
      return
    }
    const lines = listing(runFields(page.runs, page.now), page.runs, terminal)
    // Titles once would not stand above what follows: every line speaks for itself.
    const body = terminal.width === null ? lines : lines.slice(1)
    if (body.length > 0) yield* terminal.print(body.join("\n"))
  })
