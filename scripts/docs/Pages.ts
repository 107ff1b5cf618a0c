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

export const cliPage = (): string =>
  page([
    generated("Command line", "src/Cli/Commands"),
    "Data goes to stdout, everything else to stderr. `-o json` prints one value ([its shapes](json.md)); `-o jsonl` prints one line per event. On a terminal, text is in colour unless `NO_COLOR` is set. The exit codes have [their own page](exit-codes.md). `sync-scheduler help <command>` prints the text of this page.",
    table(
      ["Command", "What it does"],
      commands.map(({ name, summary }) => [
        `[${code(name)}](#${name.replaceAll(" ", "-")})`,
        cell(summary)
      ])
    ),
    ...commands.map(commandSection)
  ])

export const settingsPage = (): string =>
  page([
    generated("Settings", "src/Config/SettingsTable.ts"),
    "The sources of a setting, from highest to lowest precedence, are a flag, a credential file, the environment and the default. A setting's credential file is `$CREDENTIALS_DIRECTORY/<name>` (systemd's `LoadCredential=`, a mounted secret), otherwise the file that `<SETTING>_FILE` names. No `.env` file is read. Durations have a unit: `250ms`, `90s`, `15m`, `36h`, `7d`. `sync-scheduler env` shows every value and its source; `env --changed` shows only the settings that are set. Secrets are never shown.",
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
    "## Environment variables of other programs",
    "These variables take effect, because they configure the machine or the network. For a proxy, the lower-case name takes precedence. `sync-scheduler env` and `doctor` show the variables that are set.",
    table(
      ["Variable", "Effect"],
      obeyedVariables.map(({ effect, name }) => [code(name), cell(effect)])
    ),
    "These variables change the behaviour of programs that are built with Bun. The binary restarts itself without them and prints a warning (on Windows, it refuses to start). Certificates are always checked. `BUN_BE_BUN` takes effect before the binary can remove it, so the npm command, the systemd units and the images clear it together with the other variables.",
    table(
      ["Variable", "Effect that is prevented"],
      hostileVariables.map(({ effect, name }) => [code(name), cell(effect)])
    )
  ])

const exitTable = (codes: ReadonlyArray<ExitMeaning>): string =>
  table(
    ["Code", "Meaning"],
    codes.map((one) => [one.code, cell(one.meaning)])
  )

export const exitCodesPage = (): string =>
  page([
    generated("Exit codes", "src/Cli/ExitCodes.ts and Signals.ts"),
    "Treat any other code as a failure.",
    exitTable(exitCodes),
    "## check",
    "`check` is for monitors and uses the exit codes of Nagios plugins:",
    exitTable(checkCodes),
    "## Signals",
    table(
      ["Signal", "Sent by", "Effect"],
      signalMeanings.map(({ does, from, signals }) => [
        signals.map(code).join(", "),
        cell(from),
        cell(signalEffects[does])
      ])
    ),
    "A signal that is ignored when the process starts stays ignored. This applies to `nohup`, `trap '' HUP`, and SIGINT and SIGQUIT in a script's background job. The npm package's command cannot keep signals ignored, because Node.js resets ignored signals. Ctrl-Z suspends the process: other engines take over its claimed runs, and take over its runs in progress when their leases end."
  ])

const signalEffects: Readonly<Record<SignalMeaning["does"], string>> = {
  stop: "Stops: no new runs start, runs in progress are recorded, and the exit code is 128 plus the signal's number (`serve`: 0). A second signal from this row ends the process immediately; other engines take over its runs when their leases end.",
  "stop, once": "Stops in the same way as SIGTERM. Repeated signals have no further effect.",
  nothing: "Nothing.",
  end: "Ends the process immediately; other engines take over its runs when their leases end."
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

export const errorsPage = (): string =>
  page([
    generated(
      "Errors",
      "src/Domain/ErrorCode.ts, AnswerRule.ts, PlatformError.ts and src/Cli/Doctor/CheckResult.ts"
    ),
    "Every error has a stable code, a `message` that says what failed and why, and a `hint` that says how to fix it. A terminal shows the message after `error:` and the hint after `fix:`. JSON contains both in `errors`.",
    "## Commands and ticks",
    table(
      ["Code", "What", "Why", "Fix", "Exit"],
      meaningRows(commandCodes).map((row, index) => [
        ...row,
        String(Object.values(commandCodes)[index]?.exit ?? "")
      ])
    ),
    "## Runs",
    "The outcome of a run is in `error.code` of a summary and `error_code` of `sync_run_log`. A function's own code, if it returns one, is stored there unchanged. The first rule that matches applies.",
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
    "## HTTP errors of `serve`",
    table(["Code", "What", "Why", "Fix"], meaningRows(serveCodes)),
    "## Findings of `doctor`",
    "Each finding has a description, a reason, and the command or SQL that fixes it. Its code is in this table or in the tables above.",
    table(
      ["Code", "Meaning"],
      Object.entries(findingCodes).map(([name, meaning]) => [code(name), cell(meaning)])
    )
  ])

export const metricsPage = (): string =>
  page([
    generated("Metrics", "src/Metrics.ts"),
    "Metrics are available on `/metrics` of `serve` in the Prometheus text format, in the file that `run --metrics-file` writes for node_exporter, and over OTLP when an endpoint is set. No label identifies an organisation, an integration or a run.",
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

export const printsJson = (command: Command): boolean =>
  command.flags.some(({ choices, name }) => name === "output" && choices?.includes("json"))

export const jsonPage = async (): Promise<string> => {
  const sections = await Promise.all(
    commands.filter(printsJson).map(async (command) => {
      const loaded = await command.load()
      if (!("json" in loaded) || loaded.json === undefined) {
        throw new Error(`${command.name} prints JSON but does not export its schema ("json")`)
      }
      return [`## ${command.name}`, block(shapeOf(loaded.json), "jsonc")].join("\n\n")
    })
  )
  return page([
    generated("JSON", "the schemas of the commands' output"),
    'This page describes the output of `-o json`. Later versions may add fields, so ignore unknown fields. `"field"?` may be missing. `instant` is an ISO 8601 instant in UTC, to the millisecond (`"2026-11-24T02:00:00.000Z"`). A command that fails prints `{ "errors": [{ "code", "message", "hint" }] }` ([codes](errors.md)) and ends with an [exit code](exit-codes.md) other than 0. `-o jsonl` prints each event as a line with a `type`.',
    ...sections
  ])
}
