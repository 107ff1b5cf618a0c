import { Clock, Effect, Layer } from "effect"
import { databaseOf, functionsOf, inspect, missingFor } from "../Config/Load.ts"
import type { Settings } from "../Config.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { tickError } from "../Domain/Tally.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Cli, Main } from "./Command.ts"
import { connect } from "./Database.ts"
import { type Examined, examine, type Patient } from "./Doctor/Database.ts"
import { CHECKS, DoctorReport, error, type Finding } from "./Doctor/Finding.ts"
import { functionFindings } from "./Doctor/Functions.ts"
import { keyFindings } from "./Doctor/Key.ts"
import { scheduleFindings, timeoutFindings } from "./Doctor/Schedules.ts"
import { accessFindings, schemaFindings } from "./Doctor/Schema.ts"
import { alertFindings, contradictionsOf, settingFindings } from "./Doctor/Settings.ts"
import {
  clockFindings,
  cronFindings,
  historyFindings,
  roleFindings,
  tickFindings
} from "./Doctor/Work.ts"
import { type CommandError, type ExitCode, exitOf } from "./Failure.ts"
import { type Style, safe } from "./Style.ts"
import { wrap } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"

/** `doctor`: everything that can be found wrong with a set-up, each with why it matters and what puts it right. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const findings = yield* diagnose(cli)
    yield* print(findings, cli.terminal)
    return exitFor(findings)
  })

const diagnose = (cli: Cli): Effect.Effect<ReadonlyArray<Finding>, CommandError> =>
  Effect.map(
    cli.arguments.value("demo") === undefined ? diagnoseProject(cli) : diagnoseDemo(cli),
    (findings) => findings.toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check))
  )

const diagnoseProject = (cli: Cli): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const { sources, terminal, wiring } = cli
    const inspection = inspect(sources())
    const { settings, warnings } = inspection
    const database = databaseOf(inspection)
    const functions = functionsOf(settings)
    const now = yield* Clock.currentTimeMillis
    terminal.progress("asking the database ...")
    const examined =
      database === null
        ? nothing
        : yield* ask(
            database._tag === "Api"
              ? { place: database.url, isApi: true }
              : { place: "SUPABASE_DB_URL", isApi: false },
            Layer.unwrapEffect(Effect.promise(() => wiring.database(database)))
          )
    terminal.progress("asking the functions ...")
    const { diagnosis } = examined
    const reached =
      functions === null || database === null
        ? []
        : yield* functionFindings(functions, diagnosis).pipe(
            Effect.provide(
              Layer.unwrapEffect(
                Effect.promise(() => wiring.engine({ settings, database, functions, warnings }))
              )
            ),
            Effect.catchAll(() => Effect.succeed([]))
          )
    terminal.progress(null)
    return [
      ...settingFindings(inspection, missingFor(inspection)),
      ...keyFindings(settings, now),
      ...(diagnosis === null ? [] : roleFindings(diagnosis, database?._tag === "Api")),
      ...contradictionsOf(settings),
      ...databaseFindings(examined, settings),
      ...reached,
      ...alertFindings(settings, diagnosis?.alerts ?? null)
    ]
  })

/** The database that a demo left: there is no project, key or function to look at. */
const diagnoseDemo = (cli: Cli): Effect.Effect<ReadonlyArray<Finding>, CommandError> =>
  Effect.gen(function* () {
    const patient = { place: "the demo's database", isApi: false }
    const examined = yield* ask(patient, yield* connect(cli))
    return databaseFindings(examined, inspect(cli.sources()).settings)
  })

const ask = (
  patient: Patient,
  database: Layer.Layer<Supabase, SupabaseError>
): Effect.Effect<Examined> =>
  examine(patient).pipe(
    Effect.provide(database),
    Effect.catchAll((failure) => Effect.succeed(unusable(failure)))
  )

/** All that a database tells of itself and of the work in it. */
const databaseFindings = (examined: Examined, settings: Settings): ReadonlyArray<Finding> => {
  const { catalog, diagnosis, enginesFrom, findings, skew, version } = examined
  return [
    ...findings,
    ...schemaFindings(version, enginesFrom, catalog),
    ...accessFindings(catalog),
    ...clockFindings(skew),
    ...(diagnosis === null
      ? []
      : [
          ...tickFindings(diagnosis),
          ...scheduleFindings(diagnosis),
          ...timeoutFindings(diagnosis, settings),
          ...historyFindings(diagnosis),
          ...cronFindings(diagnosis)
        ])
  ]
}

const nothing: Examined = {
  findings: [],
  diagnosis: null,
  catalog: null,
  version: undefined,
  enginesFrom: null,
  skew: null
}

/** The connection cannot even be tried. */
const unusable = (failure: SupabaseError): Examined => {
  const { hint, message } = tickError(failure)
  const code = failure.reason === "Rejected" ? "CONFIGURATION" : tickError(failure).code
  const why = "the database cannot be tried with it"
  return { ...nothing, findings: [error("database", { code, what: message, why, fix: hint })] }
}

/** As after a tick with these errors. */
const exitFor = (findings: ReadonlyArray<Finding>): ExitCode => {
  const errors = findings.filter(({ level }) => level === "error")
  return exitOf(
    errors.map(({ code, fix, what }) => ({ code: code ?? "", message: what, hint: fix ?? "" })),
    { triggered: 0, failed: 0, runs: [] }
  )
}

/** Everything that was looked at, in the order of the report. */
export const json = DoctorReport

const SYMBOLS = { ok: "✓", warning: "!", error: "✗" } as const

const PAINT: Record<Finding["level"], keyof Style> = {
  ok: "green",
  warning: "yellow",
  error: "red"
}

/** Text that begins at a column, in lines that fit a terminal of this width; one line elsewhere. */
const hanging = (text: string, column: number, width: number | null): ReadonlyArray<string> =>
  width === null ? [safe(text)] : wrap(safe(text), Math.max(width - column, 20))

const print = (findings: ReadonlyArray<Finding>, terminal: Terminal): Effect.Effect<void> => {
  const { format, print: say, printJson, style } = terminal
  const count = (level: Finding["level"]) => findings.filter((one) => one.level === level).length
  const [errors, warnings] = [count("error"), count("warning")]
  if (format === "json") return printJson({ errors, warnings, findings })
  if (format === "jsonl") return Effect.forEach(findings, printJson, { discard: true })
  const lines = findings.flatMap(({ check, fix, level, what, why }) => [
    ...hanging(what, 13, terminal.width).map((line, index) =>
      index === 0
        ? `${style[PAINT[level]](SYMBOLS[level])} ${check.padEnd(10)} ${line}`
        : `${" ".repeat(13)}${line}`
    ),
    ...(why === null ? [] : hanging(why, 9, terminal.width)).map((line, index) =>
      style.dim(`${index === 0 ? "    why: " : " ".repeat(9)}${line}`)
    ),
    // Commands and SQL are to be copied: the terminal breaks them, not we.
    ...(fix?.split("\n") ?? []).map(
      (line, index) => `${index === 0 ? "    fix: " : " ".repeat(9)}${safe(line)}`
    )
  ])
  const some = (n: number, noun: string) => `${n} ${noun}${n === 1 ? "" : "s"}`
  const verdict =
    errors + warnings === 0
      ? `${style.green("✓")} Everything is as it should be.`
      : `${errors > 0 ? style.red("✗") : style.yellow("!")} ${some(errors, "error")}, ${some(warnings, "warning")}.`
  return say([...lines, "", verdict].join("\n"))
}
