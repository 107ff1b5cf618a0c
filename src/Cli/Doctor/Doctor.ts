import { Clock, Effect, Layer } from "effect"
import {
  apiSettings,
  databaseOf,
  functionSettings,
  inspect,
  missingFor
} from "../../Config/Load.ts"
import type { Settings } from "../../Config.ts"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { tickError } from "../../Engine/SummaryBuilder.ts"
import type { Supabase } from "../../Services/Supabase.ts"
import type { Cli, Main } from "../Command.ts"
import { connect } from "../Database.ts"
import { type CommandError, type ExitCode, exitOf } from "../Failure.ts"
import { type Style, safe } from "../Style.ts"
import { wrap } from "../Table.ts"
import type { Terminal } from "../Terminal.ts"
import { adoptionFindings } from "./Adoption.ts"
import { CHECKS, type CheckResult, DoctorReport, error } from "./CheckResult.ts"
import { reportingFindings, staleCache } from "./DataApi.ts"
import { type Examined, type ExaminedDatabase, examine } from "./DatabaseChecks.ts"
import { environmentFindings } from "./Environment.ts"
import { functionFindings } from "./Functions.ts"
import { keyFindings } from "./Key.ts"
import { scheduleFindings, timeoutFindings } from "./Schedules.ts"
import { accessFindings, schemaFindings } from "./Schema.ts"
import { alertFindings, contradictionsOf, settingFindings } from "./Settings.ts"
import { clockFindings, cronFindings, historyFindings, roleFindings, tickFindings } from "./Work.ts"
import { zoneFindings } from "./ZoneData.ts"

/** `doctor`: shows every detectable problem with an installation, why it matters, and how to fix it. */
export const main: Main = (cli) =>
  Effect.gen(function* () {
    const findings = yield* diagnose(cli)
    yield* print(findings, cli.terminal)
    return exitFor(findings)
  })

const diagnose = (cli: Cli): Effect.Effect<ReadonlyArray<CheckResult>, CommandError> =>
  Effect.map(
    cli.arguments.value("demo") === undefined ? diagnoseProject(cli) : diagnoseDemo(cli),
    (findings) => findings.toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check))
  )

const diagnoseProject = (cli: Cli): Effect.Effect<ReadonlyArray<CheckResult>> =>
  Effect.gen(function* () {
    const { sources, terminal, layers } = cli
    const inspection = inspect(sources())
    const { settings, warnings } = inspection
    const database = databaseOf(inspection)
    const functions = functionSettings(settings)
    const now = yield* Clock.currentTimeMillis
    terminal.progress("checking the database ...")
    const examined =
      database === null
        ? nothing
        : yield* ask(
            database._tag === "Api"
              ? { place: database.url, isApi: true }
              : { place: "SUPABASE_DB_URL", isApi: false },
            Layer.unwrapEffect(Effect.promise(() => layers.database(database)))
          )
    const api = apiSettings(inspection)
    const reporting =
      database?._tag !== "Direct" || api === null || typeof examined.version !== "string"
        ? []
        : yield* reportingFindings.pipe(
            Effect.provide(Layer.unwrapEffect(Effect.promise(() => layers.database(api)))),
            Effect.orElseSucceed(() => [])
          )
    terminal.progress("checking the functions ...")
    const { diagnosis } = examined
    const reached =
      functions === null || database === null
        ? []
        : yield* functionFindings(functions, diagnosis).pipe(
            Effect.provide(
              Layer.unwrapEffect(
                Effect.promise(() => layers.engine({ settings, database, functions, warnings }))
              )
            ),
            Effect.catchAll(() => Effect.succeed([]))
          )
    terminal.progress(null)
    return [
      ...settingFindings(inspection, missingFor(inspection)),
      ...environmentFindings(sources().environment, settings),
      ...keyFindings(settings, now),
      ...(diagnosis === null ? [] : roleFindings(diagnosis, database?._tag === "Api")),
      ...contradictionsOf(settings),
      ...databaseFindings(examined, settings),
      ...reporting,
      ...reached,
      ...alertFindings(settings, diagnosis?.alerts ?? null)
    ]
  })

/** A demo has no project, key or function to check. */
const diagnoseDemo = (cli: Cli): Effect.Effect<ReadonlyArray<CheckResult>, CommandError> =>
  Effect.gen(function* () {
    const target = { place: "the demo's database", isApi: false }
    const examined = yield* ask(target, yield* connect(cli))
    return databaseFindings(examined, inspect(cli.sources()).settings)
  })

const ask = (
  target: ExaminedDatabase,
  database: Layer.Layer<Supabase, SupabaseError>
): Effect.Effect<Examined> =>
  examine(target).pipe(
    Effect.provide(database),
    Effect.catchAll((failure) => Effect.succeed(unusable(failure)))
  )

const databaseFindings = (examined: Examined, settings: Settings): ReadonlyArray<CheckResult> => {
  const { catalog, diagnosis, enginesFrom, findings, isStale, skew, version } = examined
  return [
    ...findings,
    ...(isStale ? [staleCache] : schemaFindings(version, enginesFrom, catalog)),
    ...accessFindings(catalog),
    ...clockFindings(skew),
    ...(diagnosis === null
      ? []
      : [
          ...adoptionFindings(diagnosis),
          ...tickFindings(diagnosis),
          ...scheduleFindings(diagnosis),
          ...zoneFindings(diagnosis, process.versions),
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
  skew: null,
  isStale: false
}

const unusable = (failure: SupabaseError): Examined => {
  const { hint, message } = tickError(failure)
  const code = failure.reason === "Rejected" ? "CONFIGURATION" : tickError(failure).code
  const why = "the database cannot be checked with these settings"
  return { ...nothing, findings: [error("database", { code, what: message, why, fix: hint })] }
}

/** Returns the exit code that a tick would have, given these findings. */
const exitFor = (findings: ReadonlyArray<CheckResult>): ExitCode => {
  const errors = findings.filter(({ level }) => level === "error")
  return exitOf(
    errors.map(({ code, fix, what }) => ({ code: code ?? "", message: what, hint: fix ?? "" })),
    { triggered: 0, failed: 0, runs: [] }
  )
}

export const json = DoctorReport

const SYMBOLS = { ok: "✓", warning: "!", error: "✗" } as const

const PAINT: Record<CheckResult["level"], keyof Style> = {
  ok: "green",
  warning: "yellow",
  error: "red"
}

/** Wraps text that starts in `column` to the terminal's width. Without a terminal, the text is one line. */
const hanging = (text: string, column: number, width: number | null): ReadonlyArray<string> =>
  width === null ? [safe(text)] : wrap(safe(text), Math.max(width - column, 20))

const print = (findings: ReadonlyArray<CheckResult>, terminal: Terminal): Effect.Effect<void> => {
  const { format, print: say, printJson, style } = terminal
  const count = (level: CheckResult["level"]) =>
    findings.filter((one) => one.level === level).length
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
    // Commands and SQL are not wrapped, so that they can be copied.
    ...(fix?.split("\n") ?? []).map(
      (line, index) => `${index === 0 ? "    fix: " : " ".repeat(9)}${safe(line)}`
    )
  ])
  const some = (n: number, noun: string) => `${n} ${noun}${n === 1 ? "" : "s"}`
  const verdict =
    errors + warnings === 0
      ? `${style.green("✓")} No problems were found.`
      : `${errors > 0 ? style.red("✗") : style.yellow("!")} ${some(errors, "error")}, ${some(warnings, "warning")}.`
  return say([...lines, "", verdict].join("\n"))
}
