import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Either, Layer, Redacted } from "effect"
import { inspect } from "../Config/Load.ts"
import { Summary } from "../Domain/Summary.ts"
import { tick } from "../Engine.ts"
import { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import { COMMIT } from "../Version.ts"
import type { Main } from "./Command.ts"
import { serveDemoFunction } from "./DemoFunction.ts"
import { type CommandError, connectionError, exitOf, usageError } from "./Failure.ts"
import { printSummary, watch } from "./TickOutput.ts"

/** Three integrations of three organisations. Fixed ids, so that a demo can be talked about. */
const INTEGRATIONS = [
  ["1a000000-0000-4000-8000-000000000001", "0a000000-0000-4000-8000-000000000001", "dynamics"],
  ["1b000000-0000-4000-8000-000000000002", "0b000000-0000-4000-8000-000000000002", "fortnox"],
  ["1c000000-0000-4000-8000-000000000003", "0c000000-0000-4000-8000-000000000003", "xledger"]
] as const

/** Due since the second that has just begun; in a database that was kept, again now. */
const MAKE_DUE = `
insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, timezone, next_run_at)
values ($1, $2, $3, '0 2 * * 1-5', 'Europe/Oslo', date_trunc('second', now()))
on conflict (id) do update set next_run_at = date_trunc('milliseconds', now())`

/** The tick's summary. */
export const json = Summary

const MARKER = "SYNC_SCHEDULER_DEMO.txt"
const MARKER_TEXT = `The database of "sync-scheduler demo --keep", made by PGlite. Open it with PGlite, or delete the directory.
What happened is in the tables sync_run_log, sync_run_event and sync_tick.
`

/** `demo`: a whole tick by the real engine, on an embedded database and a function server inside this process. */
export const main: Main = ({ arguments: given, terminal, wiring }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* chooseDirectory(given.value("keep"))
      terminal.progress("Starting an embedded PostgreSQL with the real schema ...")
      const url = yield* serveDemoFunction
      const { settings } = inspect({
        flags: {},
        environment: {},
        readFile: () => Either.right(null)
      })
      const demo = Layer.unwrapEffect(
        Effect.promise(() =>
          wiring.demo({
            directory,
            settings,
            functions: { url, key: Redacted.make("sb_secret_demo") }
          })
        )
      )
      const summary = yield* Effect.gen(function* () {
        yield* prepare(directory)
        terminal.progress("Three integrations are due. Ticking ...")
        return yield* tick({ observe: watch(terminal) })
      }).pipe(Effect.provide(demo), Effect.mapError(connectionError))
      if (terminal.format === "text") {
        terminal.progress(null)
        yield* terminal.print(
          "A whole tick on an embedded PostgreSQL: three integrations are due, one fails on purpose.\n"
        )
      }
      yield* printSummary(summary, terminal)
      if (terminal.format === "text") yield* terminal.print(nextSteps(directory))
      return summary.errors.length === 0 ? 0 : exitOf(summary.errors, summary)
    })
  )

const prepare = (directory: string | undefined) =>
  Effect.gen(function* () {
    const database = yield* EmbeddedDatabase
    if (directory !== undefined) {
      yield* Effect.sync(() => writeFileSync(join(directory, MARKER), MARKER_TEXT))
    }
    yield* Effect.forEach(INTEGRATIONS, (row) => database.query(MAKE_DUE, row), { discard: true })
  })

/** The directory to keep the data in: a new one, an empty one, or one that an earlier demo made. */
const chooseDirectory = (
  wanted: string | undefined
): Effect.Effect<string | undefined, CommandError> => {
  if (wanted === undefined) return Effect.succeed(undefined)
  const directory = resolve(wanted)
  return Effect.try({
    try: () => (existsSync(directory) ? readdirSync(directory) : []),
    catch: () =>
      usageError(`${directory} is not a directory that can be read`, "Name a new directory.")
  }).pipe(
    Effect.filterOrFail(
      (names) => names.length === 0 || names.includes(MARKER),
      () =>
        usageError(
          `${directory} is not empty and not from an earlier demo`,
          "Name a new or an empty directory."
        )
    ),
    Effect.as(directory)
  )
}

/** From a checkout there is no program yet, and it is not on the PATH. */
const isSource = COMMIT === "source"
const program = isSource ? "dist/sync-scheduler" : "sync-scheduler"

const nextSteps = (directory: string | undefined): string =>
  [
    ...(directory === undefined ? [] : ["", `The database is kept in ${directory}`]),
    "",
    "Next, with your Supabase project:",
    ...(isSource ? ["  npx --yes bun@1.4.5 run build"] : []),
    `  ${program} schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"`,
    "  export SUPABASE_URL=https://<project-ref>.supabase.co",
    "  export SUPABASE_SECRET_KEY=sb_secret_...",
    `  ${program} run --dry-run`
  ].join("\n")
