import { commonFlags } from "../../src/Cli/Arguments.ts"
import type { Command } from "../../src/Cli/Command.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { findingCodes } from "../../src/Cli/Doctor/CheckResult.ts"
import { checkCodes, type ExitMeaning, exitCodes } from "../../src/Cli/ExitCodes.ts"
import { usageOf } from "../../src/Cli/Help.ts"
import { type SignalMeaning, signalMeanings } from "../../src/Cli/Signals.ts"
import { hostileVariables, obeyedVariables } from "../../src/Config/Ambient.ts"
import { credentialName } from "../../src/Config/Source.ts"
import { subjects } from "../../src/Config.ts"
import { functionRules } from "../../src/Domain/Answers/AnswerRule.ts"
import { platformRules } from "../../src/Domain/Answers/PlatformError.ts"
import { commandCodes, runCodes, serveCodes } from "../../src/Domain/ErrorCode.ts"
import { metricDefinitions as metrics } from "../../src/Metrics.ts"
import { block, cell, code, generated, page, table } from "./Markdown.ts"
import { shapeOf } from "./Shape.ts"

const flagName = ({ name, short, value }: Command["flags"][number]): string =>
  code(
    `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`
  )

const commandSection = (command: Command): string => {
  const { details, examples, flags, name, positionals, summary } = command
  return [
    `## ${name}`,
    `${cell(summary)}.${details === undefined ? "" : ` ${cell(details)}`}`,
    block(usageOf(command)),
    ...(positionals.length === 0
      ? []
      : [
          table(
            ["Argument", "Meaning"],
            positionals.map((one) => [
              code(one.name),
              `${cell(one.summary)}${one.optional === true ? " (optional)" : ""}`
            ])
          )
        ]),
    table(
      ["Flag", "Meaning"],
      [...flags, ...commonFlags].map((flag) => [flagName(flag), cell(flag.summary)])
    ),
    block(examples.join("\n"), "sh")
  ].join("\n\n")
}

/** Generates `cli.md`: every command, flag and example. */
export const cliPage = (): string =>
  page([
    generated("Command line", "src/Cli/Commands"),
    "Data goes to stdout, everything else to stderr. `-o json` prints one value ([its shapes](json.md)), `-o jsonl` a line for each thing as it happens; on a terminal text is in colour unless `NO_COLOR` is set. How a command ends is in [exit codes](exit-codes.md). The same text: `sync-scheduler help <command>`.",
    table(
      ["Command", "What it does"],
      commands.map(({ name, summary }) => [
        `[${code(name)}](#${name.replaceAll(" ", "-")})`,
        cell(summary)
      ])
    ),
    ...commands.map(commandSection)
  ])

/** Generates `settings.md`: every setting. */
export const settingsPage = (): string =>
  page([
    generated("Settings", "src/Config/SettingsTable.ts"),
    "A flag wins over a credential file, that over the environment, that over the default. A setting's credential file is `$CREDENTIALS_DIRECTORY/<name>` (systemd's `LoadCredential=`, a mounted secret), else the file that `<SETTING>_FILE` names. No `.env` file is read. Spans of time have a unit: `250ms`, `90s`, `15m`, `36h`, `7d`. `sync-scheduler env` shows every value and where it came from, `env --changed` only those that are set; secrets are never shown.",
    ...subjects.flatMap(({ settings, title }) => [
      `## ${title}`,
      table(
        ["Setting", "Default", "Meaning", "Example", "Credential file"],
        Object.values(settings).map(({ description, example, initial, key, secret }) => [
          code(key),
          initial === null ? "" : code(initial),
          `${cell(description)}${secret ? " **Secret.**" : ""}`,
          initial === null ? code(example) : "",
          code(credentialName(key))
        ])
      )
    ]),
    "On a terminal `NO_COLOR`, `TERM` and `COLUMNS` are honoured.",
    "## The environment of other programs",
    "These variables are obeyed, because machines and networks are set up by them. The lower-case form of a proxy's wins. `sync-scheduler env` and `doctor` show which are set.",
    table(
      ["Variable", "What it sets"],
      obeyedVariables.map(({ effect, name }) => [code(name), cell(effect)])
    ),
    "These change what a program built with Bun does. The binary starts itself again without them and says so (on Windows it refuses to start); certificates are checked whatever they say. `BUN_BE_BUN` acts before the binary can: the npm command, the systemd units and the images clear it with the others.",
    table(
      ["Variable", "What it would do"],
      hostileVariables.map(({ effect, name }) => [code(name), cell(effect)])
    )
  ])

const exitTable = (codes: ReadonlyArray<ExitMeaning>): string =>
  table(
    ["Code", "Meaning"],
    codes.map((one) => [one.code, cell(one.meaning)])
  )

/** Generates `exit-codes.md`: the exit codes and the effect of signals. */
export const exitCodesPage = (): string =>
  page([
    generated("Exit codes", "src/Cli/ExitCodes.ts and Signals.ts"),
    "A code that is not here is to be taken for a failure.",
    exitTable(exitCodes),
    "## check",
    "`check` speaks to monitors and has their codes:",
    exitTable(checkCodes),
    "## Signals",
    table(
      ["Signal", "Sent by", "What it does"],
      signalMeanings.map(({ does, from, signals }) => [
        signals.map(code).join(", "),
        cell(from),
        cell(signalEffects[does])
      ])
    ),
    "A signal that is ignored when the process starts stays ignored: `nohup`, `trap '' HUP`, SIGINT and SIGQUIT of a background job of a script. The command of the npm package cannot keep this: Node.js undoes it. Ctrl-Z suspends the process; what it had claimed is taken over by other engines, and its runs in progress by their leases."
  ])

const signalEffects: Readonly<Record<SignalMeaning["does"], string>> = {
  stop: "Stops: no new runs, runs in progress are recorded, then the exit code is 128 and the signal's number (`serve`: 0). The second of these ends the process immediately; leases then decide what happens to its runs.",
  "stop, once": "Stops in the same way. Repeating it changes nothing.",
  nothing: "Nothing.",
  end: "Ends the process immediately; leases then decide what happens to its runs."
}

const meaningRows = (
  codes: Readonly<
    Record<string, { readonly what: string; readonly why: string; readonly fix: string }>
  >
): ReadonlyArray<ReadonlyArray<string>> =>
  Object.entries(codes).map(([name, { fix, what, why }]) => [
    code(name),
    cell(what),
    cell(why),
    cell(fix)
  ])

/** Generates `errors.md`: every error code. */
export const errorsPage = (): string =>
  page([
    generated(
      "Errors",
      "src/Domain/ErrorCode.ts, AnswerRule.ts, PlatformError.ts and src/Cli/Doctor/CheckResult.ts"
    ),
    "Every error has a code that stays, what failed and why (`message`), and how to fix it (`hint`). On a terminal these are `error:` and `fix:`; in JSON they are in `errors`.",
    "## Commands and ticks",
    table(
      ["Code", "What", "Why", "Fix", "Exit"],
      meaningRows(commandCodes).map((row, index) => [
        ...row,
        String(Object.values(commandCodes)[index]?.exit ?? "")
      ])
    ),
    "## Runs",
    "The outcome of a run is in `error.code` of a summary and `error_code` of `sync_run_log`. A function's own code, where it gives one, is stored there unchanged. The first rule that matches decides.",
    table(
      ["Answer", "Outcome", "Code", "What", "Why", "Fix"],
      [...platformRules, ...functionRules].map((rule) => [
        cell(rule.when),
        rule.outcome,
        rule.code === "" ? "" : code(rule.code),
        cell(rule.what),
        cell(rule.why),
        cell(rule.fix)
      ])
    ),
    "Without an answer:",
    table(["Code", "What", "Why", "Fix"], meaningRows(runCodes)),
    "## Answers of serve",
    table(["Code", "What", "Why", "Fix"], meaningRows(serveCodes)),
    "## Findings of doctor",
    "Each finding says what, why, and the command or SQL that fixes it; these are the codes, besides those above.",
    table(
      ["Code", "Meaning"],
      Object.entries(findingCodes).map(([name, meaning]) => [code(name), cell(meaning)])
    )
  ])

/** Generates `metrics.md`: every metric. */
export const metricsPage = (): string =>
  page([
    generated("Metrics", "src/Metrics.ts"),
    "On `/metrics` of `serve` in the text format of Prometheus, from `run --metrics-file` for node_exporter, and over OTLP when an endpoint is set. No label ever holds an organisation, an integration or a run.",
    table(
      ["Metric", "Type", "Labels", "Meaning"],
      metrics.map((metric) => [
        code(metric.name),
        metric.type,
        metric.labels
          .map(({ name, values }) =>
            values === undefined ? code(name) : `${code(name)} (${values.join(", ")})`
          )
          .join("; "),
        `${cell(metric.help)}${"buckets" in metric ? ` Buckets: ${metric.buckets.join(", ")}.` : ""}`
      ])
    )
  ])

/** Whether a command prints JSON as one value. */
export const printsJson = (command: Command): boolean =>
  command.flags.some(({ choices, name }) => name === "output" && choices?.includes("json"))

/** Generates `json.md`: the JSON output of the commands. */
export const jsonPage = async (): Promise<string> => {
  const sections = await Promise.all(
    commands.filter(printsJson).map(async (command) => {
      const loaded = await command.load()
      if (!("json" in loaded) || loaded.json === undefined) {
        throw new Error(`${command.name} prints JSON and exports no schema of it ("json")`)
      }
      return [`## ${command.name}`, block(shapeOf(loaded.json), "jsonc")].join("\n\n")
    })
  )
  return page([
    generated("JSON", "the schemas that the commands print by"),
    'What `-o json` prints. Fields are only ever added; unknown ones are to be ignored. `"field"?` may be missing, `instant` is an instant in ISO 8601, UTC, to the millisecond (`"2026-11-24T02:00:00.000Z"`). A command that cannot do what it was asked prints `{ "errors": [{ "code", "message", "hint" }] }` ([codes](errors.md)) and ends with another [exit code](exit-codes.md) than 0. `-o jsonl` prints the same things as lines with a `type`, as they happen.',
    ...sections
  ])
}
