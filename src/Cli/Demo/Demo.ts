import { Effect, Either, Layer, Redacted } from "effect"
import { inspect } from "../../Config/Load.ts"
import { Summary } from "../../Domain/Summary.ts"
import { tick } from "../../Engine.ts"
import { EmbeddedDatabase } from "../../Services/EmbeddedDatabase.ts"
import { COMMIT } from "../../Version.ts"
import { quoted } from "../Arguments.ts"
import type { Main } from "../Command.ts"
import { connectionError, exitOf } from "../Failure.ts"
import { namesFor, printSummary, watch } from "../Run/TickOutput.ts"
import { zoneFlag } from "../TimeArgument.ts"
import { keptDirectory, markDirectory } from "./DemoDirectory.ts"
import { serveDemoFunction } from "./DemoFunction.ts"

/** The ids are fixed, so that documentation and support questions can quote them. */
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

/** Makes the integrations due now, even when a kept database is reused. */
const MAKE_DUE = `
insert into public.organization_integrations (id, org_id, integration_type, org_name, sync_schedule, timezone, next_run_at)
values ($1, $2, $3, $4, '0 2 * * 1-5', 'Europe/Oslo', date_trunc('second', now()))
on conflict (id) do update set next_run_at = date_trunc('milliseconds', now())`

export const json = Summary

/** `demo`: runs one complete tick of the real engine, on an embedded database and a function server in this process. */
export const main: Main = ({ arguments: given, terminal, layers }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* keptDirectory(given.value("keep"), "tick")
      terminal.progress("Starting an embedded PostgreSQL with the real schema ...")
      const url = yield* serveDemoFunction(directory)
      const { settings } = inspect({
        flags: {},
        environment: {},
        readFile: () => Either.right(null)
      })
      const demo = Layer.unwrapEffect(
        Effect.promise(() =>
          layers.demo({
            directory,
            settings,
            functions: { url, key: Redacted.make("sb_secret_demo") }
          })
        )
      )
      const zone = yield* zoneFlag(given)
      const { names, summary } = yield* Effect.gen(function* () {
        yield* prepare(directory)
        terminal.progress("Three integrations are due. Ticking ...")
        const done = yield* tick({ observe: watch(terminal) })
        return { summary: done, names: yield* namesFor(done, terminal) }
      }).pipe(Effect.provide(demo), Effect.mapError(connectionError))
      if (terminal.format === "text") {
        terminal.progress(null)
        yield* terminal.print(
          "One tick on an embedded PostgreSQL: three integrations are due, and one fails on purpose.\n"
        )
      }
      yield* printSummary(summary, { zone, names }, terminal)
      if (terminal.format === "text") yield* terminal.print(nextSteps(directory))
      return summary.errors.length === 0 ? 0 : exitOf(summary.errors, summary)
    })
  )

const prepare = (directory: string | undefined) =>
  Effect.gen(function* () {
    const database = yield* EmbeddedDatabase
    if (directory !== undefined) yield* markDirectory(directory, "tick")
    yield* Effect.forEach(INTEGRATIONS, (row) => database.query(MAKE_DUE, row), { discard: true })
  })

/** The commands that build the program from a checkout. */
const BUILD = ["npx --yes bun@1.4.5 run build", 'export PATH="$PWD/dist:$PATH"']

const nextSteps = (directory: string | undefined): string =>
  [
    ...(directory === undefined
      ? []
      : [
          "",
          `The database is kept in ${directory}. Explore it:`,
          `  sync-scheduler status --all --demo ${quoted(directory)}`,
          `  sync-scheduler explain acme --demo ${quoted(directory)}`
        ]),
    "",
    "Next: a status page with history, and commands that read it:",
    ...(COMMIT === "source" ? BUILD : []).map((line) => `  ${line}`),
    "  sync-scheduler serve --demo ./demo-data",
    "",
    "Next, with your Supabase project, local or hosted:",
    "  sync-scheduler setup"
  ].join("\n")
