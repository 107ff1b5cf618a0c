import { Effect } from "effect"
import { commonFlags } from "../Arguments.ts"
import type { Command, Flag, Main } from "../Command.ts"
import { commands } from "../Commands.ts"

/** `completions`: prints a shell script that is generated from the table of commands. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const script = scripts[given.positionals[0] ?? ""] ?? bash
    yield* terminal.print(script(commands))
    return 0 as const
  })

const flagsOf = (command: Command): ReadonlyArray<Flag> => [...command.flags, ...commonFlags]

const choicesOf = ({ positionals }: Command): ReadonlyArray<string> =>
  positionals.flatMap(({ choices }) => choices ?? [])

const firstWords = (known: ReadonlyArray<Command>): ReadonlyArray<string> => [
  ...new Set([...known.map(({ name }) => name.split(" ")[0] ?? name), "help", "version"])
]

const groups = (known: ReadonlyArray<Command>): ReadonlyMap<string, ReadonlyArray<Command>> =>
  Map.groupBy(
    known.filter(({ name }) => name.includes(" ")),
    ({ name }) => name.split(" ")[0] ?? name
  )

const namesOf = ({ name, short }: Flag): ReadonlyArray<string> => [
  `--${name}`,
  ...(short === undefined ? [] : [`-${short}`])
]

/**
 * Returns the clause of a bash `case` statement that completes a command's next word. A flag that accepts any text has no
 * candidates.
 */
const bashCase = (command: Command): string => {
  const flags = flagsOf(command)
  const after = flags.flatMap((flag) => {
    if (flag.value === undefined) return []
    const then =
      flag.choices === undefined
        ? "return"
        : `words="${flag.choices.join(" ")}"; _sync_scheduler_filter; return`
    return [`        ${namesOf(flag).join("|")}) ${then} ;;`]
  })
  const words = [...choicesOf(command), ...flags.map(({ name }) => `--${name}`)].join(" ")
  const choose = [
    ...(after.length === 0 ? [] : ['      case "$before" in', ...after, "      esac"]),
    `      words="${words}" ;;`
  ]
  return [`    "${command.name}"|"${command.name} "*)`, ...choose].join("\n")
}

const bash = (known: ReadonlyArray<Command>): string => {
  const seconds = [...groups(known)].map(([group, members]) => {
    const words = members.map(({ name }) => name.split(" ")[1]).join(" ")
    return `    "${group}"|"help ${group}") words="${words}" ;;`
  })
  const cases = known.map(bashCase)
  return `# Bash completions for sync-scheduler.
_sync_scheduler() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  local line="\${COMP_WORDS[*]:1:$((COMP_CWORD-1))}"
  _sync_scheduler_filter() { COMPREPLY=($(compgen -W "$words" -- "$current")); }
  COMPREPLY=()
  case "$line" in
    "") words="${firstWords(known).join(" ")} --help --version" ;;
    help) words="${firstWords(known).join(" ")}" ;;
${[...cases, ...seconds].join("\n")}
  esac
  _sync_scheduler_filter
}
complete -o default -F _sync_scheduler sync-scheduler`
}

const zsh = (known: ReadonlyArray<Command>): string =>
  `#compdef sync-scheduler
# Zsh completions for sync-scheduler, based on the bash completions.
autoload -U +X bashcompinit && bashcompinit
${bash(known)}`

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const fish = (known: ReadonlyArray<Command>): string => {
  const lines = ["# Fish completions for sync-scheduler.", "complete -c sync-scheduler -f"]
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
    const choices = choicesOf(command)
    if (choices.length > 0) add(seen, `-a ${quote(choices.join(" "))}`)
    for (const { choices: words, name, short, summary, value } of flagsOf(command)) {
      const parts = [
        ...(short === undefined ? [] : [`-s ${short}`]),
        `-l ${name}`,
        ...(value === undefined ? [] : ["-x"]),
        ...(words === undefined ? [] : [`-a ${quote(words.join(" "))}`]),
        `-d ${quote(summary)}`
      ]
      add(seen, parts.join(" "))
    }
  }
  return lines.join("\n")
}

const scripts: Record<string, (known: ReadonlyArray<Command>) => string> = { bash, zsh, fish }
