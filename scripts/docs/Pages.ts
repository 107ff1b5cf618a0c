import { commonFlags } from "../../src/Cli/Arguments.ts"
import type { Command } from "../../src/Cli/Command.ts"
import { commands } from "../../src/Cli/Commands.ts"
import { findingCodes } from "../../src/Cli/Doctor/Finding.ts"
import { checkCodes, type ExitMeaning, exitCodes } from "../../src/Cli/ExitCodes.ts"
import { usageOf } from "../../src/Cli/Help.ts"
import { credentialName } from "../../src/Config/Source.ts"
import { table as settings } from "../../src/Config.ts"
import { functionRules } from "../../src/Domain/AnswerRule.ts"
import { commandCodes, runCodes, serveCodes } from "../../src/Domain/ErrorCode.ts"
import { platformRules } from "../../src/Domain/PlatformError.ts"
import { definitions as metrics } from "../../src/Metrics.ts"
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

/** `cli.md`: every command, flag and example. */
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

/** `settings.md`: every setting. */
export const settingsPage = (): string =>
  page([
    generated("Settings", "src/Config.ts"),
    "A flag wins over a credential file, that over the environment, that over the default. A setting's credential file is `$CREDENTIALS_DIRECTORY/<name>` (systemd's `LoadCredential=`, a mounted secret), else the file that `<SETTING>_FILE` names. No `.env` file is read. Spans of time have a unit: `250ms`, `90s`, `15m`, `36h`, `7d`. `sync-scheduler env` shows every value and where it came from; secrets are never shown.",
    table(
      ["Setting", "Default", "Meaning", "Example", "Credential file"],
      Object.values(settings).map(({ description, example, initial, key, secret }) => [
        code(key),
        initial === null ? "" : code(initial),
        `${cell(description)}${secret ? " **Secret.**" : ""}`,
        initial === null ? code(example) : "",
        code(credentialName(key))
      ])
    ),
    "On a terminal `NO_COLOR`, `TERM` and `COLUMNS` are honoured."
  ])

const exitTable = (codes: ReadonlyArray<ExitMeaning>): string =>
  table(
    ["Code", "Meaning"],
    codes.map((one) => [one.code, cell(one.meaning)])
  )

/** `exit-codes.md`: how processes end. */
export const exitCodesPage = (): string =>
  page([
    generated("Exit codes", "src/Cli/ExitCodes.ts"),
    "A code that is not here is to be taken for a failure.",
    exitTable(exitCodes),
    "## check",
    "`check` speaks to monitors and has their codes:",
    exitTable(checkCodes)
  ])

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

/** `errors.md`: every code that an error of ours has. */
export const errorsPage = (): string =>
  page([
    generated(
      "Errors",
      "src/Domain/ErrorCode.ts, AnswerRule.ts, PlatformError.ts and src/Cli/Doctor/Finding.ts"
    ),
    "Every error has a code that stays, what failed and why (`message`), and how to fix it (`hint`). On a terminal these are `error:` and `fix:`; in JSON they stand in `errors`.",
    "## Commands and ticks",
    table(
      ["Code", "What", "Why", "Fix", "Exit"],
      meaningRows(commandCodes).map((row, index) => [
        ...row,
        String(Object.values(commandCodes)[index]?.exit ?? "")
      ])
    ),
    "## Runs",
    "What a run came to is in `error.code` of a summary and `error_code` of `sync_run_log`. A function's own code, where it gives one, stands there as it is. The first rule that matches decides.",
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

/** `metrics.md`: every metric. */
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

/** `json.md`: the shapes of what commands print. */
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
