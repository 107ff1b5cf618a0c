import { Effect, Schema } from "effect"
import type { ListedRun } from "../../Domain/RunView.ts"
import { listRuns, RunsPage } from "../../Operator/Runs.ts"
import type { Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { type ListClock, listing, tsv } from "../Listing.ts"
import { scopeOf } from "../Target.ts"
import type { Terminal } from "../Terminal.ts"
import { spanFlag, zoneFlag } from "../TimeArgument.ts"
import { runFields } from "./RunsList.ts"

const DEFAULT_INTERVAL_MS = 2_000
const LEAST_INTERVAL_MS = 250
/** Runs with older slots are not checked for changes. */
const WINDOW_MS = 2 * 3_600_000
/** The maximum number of runs to check for changes. */
const NOTICED = 500

/** `runs tail`: prints a line for every run that starts or changes. Waits while the database is unavailable. */
export const main: Main = (cli) =>
  withDatabase(cli, () =>
    Effect.gen(function* () {
      const { arguments: given, terminal } = cli
      const integrationIds = yield* scopeOf(given)
      const zone = yield* zoneFlag(given)
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
      if (given.has("from-now")) terminal.note("Waiting for runs; press Ctrl-C to stop.")
      else yield* show(first, { zone, now: first.now }, terminal)
      yield* look.pipe(
        Effect.tap((page) => show(page, { zone, now: page.now }, terminal)),
        Effect.catchAll((error) =>
          Effect.sync(() => terminal.note(`note: ${databaseError(error).message}; retrying`))
        ),
        Effect.delay(Math.max(interval, LEAST_INTERVAL_MS)),
        Effect.repeat({ until: () => terminal.isGone() })
      )
      return 0 as const
    })
  )

/** A line is printed whenever this string changes. */
const stampOf = ({ attempt, released_at, status }: ListedRun): string =>
  `${status} ${attempt} ${released_at ?? ""}`

const encode = Schema.encodeSync(RunsPage)

const show = (page: RunsPage, clock: ListClock, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "jsonl") {
      for (const run of encode(page).runs) yield* terminal.printJson({ type: "run", ...run })
      return
    }
    const fields = runFields(page.runs, clock)
    // Omits the title line, which would otherwise be printed with every change.
    const body = (
      terminal.format === "tsv" ? tsv(fields, page.runs) : listing(fields, page.runs, terminal)
    ).slice(1)
    if (body.length > 0) yield* terminal.print(body.join("\n"))
  })
