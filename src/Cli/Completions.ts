import { Effect } from "effect"
import { commonFlags } from "./Arguments.ts"
import type { Command, Flag, Main } from "./Command.ts"
import { commands } from "./Commands.ts"
import { usageError } from "./Failure.ts"

/** `completions`: a script for a shell, made of the table of commands. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const shell = given.positionals[0] ?? ""
    const script = scripts.get(shell)
    if (script === undefined) {
      return yield* Effect.fail(
        usageError(`no completions for "${shell}"`, "Write bash, zsh or fish.")
      )
    }
    yield* terminal.print(script(commands))
    return 0 as const
  })

const flagsOf = (command: Command): ReadonlyArray<Flag> => [...command.flags, ...commonFlags]

const firstWords = (known: ReadonlyArray<Command>): ReadonlyArray<string> => [
  ...new Set([...known.map(({ name }) => name.split(" ")[0] ?? name), "help", "version"])
]

/** The second words of a group: `next` and `validate` for `schedules`. */
const groups = (known: ReadonlyArray<Command>): ReadonlyMap<string, ReadonlyArray<Command>> =>
  Map.groupBy(
    known.filter(({ name }) => name.includes(" ")),
    ({ name }) => name.split(" ")[0] ?? name
  )

const choicesOf = (known: ReadonlyArray<Command>): ReadonlyArray<readonly [string, string]> => {
  const all = known
    .flatMap(flagsOf)
    .flatMap(({ choices, name, short }) =>
      choices === undefined
        ? []
        : [
            [`--${name}`, choices.join(" ")] as const,
            ...(short === undefined ? [] : [[`-${short}`, choices.join(" ")] as const])
          ]
    )
  return [...new Map(all)]
}

const wordsFor = (command: Command): string =>
  [
    ...flagsOf(command).map(({ name }) => `--${name}`),
    ...(command.name === "completions" ? ["bash", "zsh", "fish"] : [])
  ].join(" ")

const bash = (known: ReadonlyArray<Command>): string => {
  const cases = known.map((command) => `    "${command.name}"*) words="${wordsFor(command)}" ;;`)
  const groupCases = [...groups(known)].map(
    ([group, members]) =>
      `    "${group} "|"${group}") words="${members.map(({ name }) => name.split(" ")[1]).join(" ")}" ;;`
  )
  return `# Completions of sync-scheduler for bash.
_sync_scheduler() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  local line="\${COMP_WORDS[*]:1:COMP_CWORD-1}"
  case "$before" in
${choicesOf(known)
  .map(
    ([flag, choices]) =>
      `    ${flag}) COMPREPLY=($(compgen -W "${choices}" -- "$current")); return ;;`
  )
  .join("\n")}
  esac
  case "$line" in
    "") words="${firstWords(known).join(" ")} --help --version" ;;
    help) words="${firstWords(known).join(" ")}" ;;
${[...groupCases, ...cases].join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _sync_scheduler sync-scheduler`
}

const zsh = (known: ReadonlyArray<Command>): string =>
  `#compdef sync-scheduler
# Completions of sync-scheduler for zsh, by way of those for bash.
autoload -U +X bashcompinit && bashcompinit
${bash(known)}`

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const fish = (known: ReadonlyArray<Command>): string => {
  const lines = ["# Completions of sync-scheduler for fish.", "complete -c sync-scheduler -f"]
  const add = (condition: string, rest: string) =>
    lines.push(`complete -c sync-scheduler -n ${quote(condition)} ${rest}`)
  const summaries = new Map(known.map(({ name, summary }) => [name, summary]))
  for (const word of firstWords(known)) {
    const summary = summaries.get(word)
    add(
      "__fish_use_subcommand",
      `-a ${word}${summary === undefined ? "" : ` -d ${quote(summary)}`}`
    )
  }
  for (const [group, members] of groups(known)) {
    const seconds = members.map(({ name }) => name.split(" ")[1] ?? "")
    const free = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${seconds.join(" ")}`
    for (const { name, summary } of members) {
      add(free, `-a ${name.split(" ")[1] ?? ""} -d ${quote(summary)}`)
    }
  }
  for (const command of known) {
    const seen = command.name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ")
    if (command.name === "completions") add(seen, "-a 'bash zsh fish'")
    for (const { choices, name, short, summary, value } of flagsOf(command)) {
      const parts = [
        ...(short === undefined ? [] : [`-s ${short}`]),
        `-l ${name}`,
        ...(value === undefined ? [] : ["-x"]),
        ...(choices === undefined ? [] : [`-a ${quote(choices.join(" "))}`]),
        `-d ${quote(summary)}`
      ]
      add(seen, parts.join(" "))
    }
  }
  return lines.join("\n")
}

const scripts: ReadonlyMap<string, (known: ReadonlyArray<Command>) => string> = new Map([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish]
])
