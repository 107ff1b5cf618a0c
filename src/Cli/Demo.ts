import { Effect, Either, Layer, Redacted } from "effect"
import { inspect } from "../Config/Load.ts"
import { Summary } from "../Domain/Summary.ts"
import { tick } from "../Engine.ts"
import { EmbeddedDatabase } from "../Services/EmbeddedDatabase.ts"
import { COMMIT } from "../Version.ts"
import type { Main } from "./Command.ts"
import { keptDirectory, markDirectory } from "./DemoDirectory.ts"
import { serveDemoFunction } from "./DemoFunction.ts"
import { connectionError, exitOf } from "./Failure.ts"
import { printSummary, watch } from "./TickOutput.ts"

/** Three integrations of three organisations. Fixed ids, so that a demo can be talked about. */
const INTEGRATIONS = [
  [
    "1a000000-0000-4000-8000-000000000001",
    "0a000000-0000-4000-8000-000000000001",
    "dynamics",
    "Acme AS"
  ],
  [
    "1b000000-0000-4000-8000-000000000002",
    "0b000000-0000-4000-8000-000000000002",
    "fortnox",
    "Globex AB"
  ],
  [
    "1c000000-0000-4000-8000-000000000003",
    "0c000000-0000-4000-8000-000000000003",
    "xledger",
    "Initech"
  ]
] as const

/** Due since the second that has just begun; in a database that was kept, again now. */
const MAKE_DUE = `
insert into public.organization_integrations (id, org_id, integration_type, org_name, sync_schedule, timezone, next_run_at)
values ($1, $2, $3, $4, '0 2 * * 1-5', 'Europe/Oslo', date_trunc('second', now()))
on conflict (id) do update set next_run_at = date_trunc('milliseconds', now())`

/** The tick's summary. */
export const json = Summary

/** `demo`: a whole tick by the real engine, on an embedded database and a function server inside this process. */
export const main: Main = ({ arguments: given, terminal, wiring }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* keptDirectory(given.value("keep"))
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
    if (directory !== undefined) yield* markDirectory(directory)
    yield* Effect.forEach(INTEGRATIONS, (row) => database.query(MAKE_DUE, row), { discard: true })
  })

/** From a checkout there is no program yet, and it is not on the PATH. */
const isSource = COMMIT === "source"
const program = isSource ? "dist/sync-scheduler" : "sync-scheduler"

const nextSteps = (directory: string | undefined): string =>
  [
    ...(directory === undefined
      ? []
      : [
          "",
          `The database is kept in ${directory}. Look around in it:`,
          `  ${program} status --all --demo ${directory}`,
          `  ${program} explain acme --demo ${directory}`
        ]),
    "",
    "Next, with your Supabase project:",
    ...(isSource ? ["  npx --yes bun@1.4.5 run build"] : []),
    `  ${program} schema print | psql -v ON_ERROR_STOP=1 "$SUPABASE_DB_URL"`,
    "  export SUPABASE_URL=https://<project-ref>.supabase.co",
    "  export SUPABASE_SECRET_KEY=sb_secret_...",
    `  ${program} run --dry-run`
  ].join("\n")
