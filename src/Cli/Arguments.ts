import { parseArgs } from "node:util"
import { closestMatch } from "../Domain/DidYouMean.ts"
import type { Arguments, Command, Flag } from "./Command.ts"

export interface UsageError {
  readonly what: string
  readonly fix: string
}

/** A parsed command line. */
export type Request =
  | { readonly _tag: "Help"; readonly topic: ReadonlyArray<string> }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Run"; readonly command: Command; readonly arguments: Arguments }
  | { readonly _tag: "Misuse"; readonly misuse: UsageError }

type Refused = Extract<Request, { readonly _tag: "Misuse" }>

const misuse = (what: string, fix: string): Refused => ({ _tag: "Misuse", misuse: { what, fix } })

export const commonFlags: ReadonlyArray<Flag> = [
  { name: "verbose", summary: "Show the call, the error class and the code of each error" },
  { name: "help", short: "h", summary: "Show help for this command" }
]

/** Parses the arguments that follow the program's name, without loading any command's code. */
export const read = (argv: ReadonlyArray<string>, commands: ReadonlyArray<Command>): Request => {
  const [first] = argv
  if (first === undefined || first === "--help" || first === "-h")
    return { _tag: "Help", topic: [] }
  if (first === "--version" || first === "-V") return { _tag: "Version" }
  if (first === "version" || first === "help") return readAbout(first, argv.slice(1))
  if (first.startsWith("-")) {
    return misuse(
      `${first} is given before the command`,
      "Write the command first, then its flags. Only --help (-h) and --version (-V) need no command."
    )
  }
  const words = argv.findIndex((word) => word.startsWith("-"))
  const lead = argv.slice(0, words === -1 ? argv.length : words)
  const command = findCommand(lead, commands)
  if (command !== undefined) return readFlags(command, argv.slice(command.name.split(" ").length))
  const members = commands.filter(({ name }) => name.startsWith(`${first} `))
  const asksForHelp = argv.includes("--help") || argv.includes("-h")
  if (members.length > 0 && (lead.length === 1 || asksForHelp))
    return { _tag: "Help", topic: [first] }
  return unknownCommand(members.length > 0 ? lead.slice(0, 2) : [first], commands)
}

/** Parses `version` and `help`, which have no flags of their own. */
const readAbout = (name: "version" | "help", rest: ReadonlyArray<string>): Request => {
  const words = rest.filter((word) => word !== "--help" && word !== "-h")
  if (name === "help" && words.every((word) => !word.startsWith("-"))) {
    return { _tag: "Help", topic: words }
  }
  const [extra] = words
  if (extra !== undefined) {
    return misuse(`${name} does not expect "${extra}"`, "See all commands: sync-scheduler help")
  }
  return rest.length === 0 ? { _tag: "Version" } : { _tag: "Help", topic: [] }
}

/** Finds the command named by the first one or two words. */
export const findCommand = (
  words: ReadonlyArray<string>,
  commands: ReadonlyArray<Command>
): Command | undefined =>
  commands.find(({ name }) => name.split(" ").every((word, index) => words[index] === word))

export const unknownCommand = (
  words: ReadonlyArray<string>,
  commands: ReadonlyArray<Command>
): Refused => {
  const typed = words.join(" ")
  const names = commands.flatMap(({ name }) => [name.split(" ")[0] ?? name, name])
  const meant = namedBy(typed, commands) ?? closestMatch(typed, ["help", "version", ...names])
  return misuse(
    `unknown command "${typed}"`,
    meant === undefined
      ? "See all commands: sync-scheduler help"
      : `Did you mean "${meant}"? See all commands: sync-scheduler help`
  )
}

/** Command names familiar from other programs, with this program's equivalents. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["logs", 'runs show <run>" or "runs tail'],
  ["log", 'runs show <run>" or "runs tail'],
  ["history", "runs list"],
  ["ps", "runs list --live"],
  ["tick", "run"],
  ["start", "serve"],
  ["why", "explain"]
])

/**
 * Returns the commands whose last word is `typed`, such as `runs retry` for `retry`. If there are none, returns the entry in
 * SYNONYMS.
 */
const namedBy = (typed: string, commands: ReadonlyArray<Command>): string | undefined => {
  const found = commands.filter(({ name }) => name.endsWith(` ${typed}`)).map(({ name }) => name)
  return found.length > 0 ? found.join('" or "') : SYNONYMS.get(typed)
}

const readFlags = (command: Command, argv: ReadonlyArray<string>): Request => {
  const flags = [...command.flags, ...commonFlags]
  const help = `See: sync-scheduler help ${command.name}`
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      flags.map((flag) => [
        flag.name,
        {
          type: flag.value === undefined ? "boolean" : "string",
          ...(flag.short === undefined ? {} : { short: flag.short })
        }
      ])
    )
  })
  const positionals: Array<string> = []
  const given = new Map<string, Array<string>>()
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value)
    if (token.kind !== "option") continue
    const flag = flags.find(({ name }) => name === token.name)
    if (flag === undefined) {
      const meant = closestMatch(
        token.name,
        flags.map(({ name }) => name)
      )
      const hint = meant === undefined ? help : `Did you mean --${meant}? ${help}`
      return misuse(`${command.name} has no flag ${token.rawName}`, hint)
    }
    const problem = problemWith(flag, token.rawName, token.value, token.inlineValue ?? false)
    if (problem !== undefined) return misuse(problem, help)
    const values = given.get(flag.name) ?? []
    if (values.length > 0 && flag.value !== undefined && flag.repeatable !== true) {
      return misuse(`${token.rawName} is given twice`, "Give the flag once.")
    }
    given.set(flag.name, [...values, token.value ?? ""])
  }
  if (given.has("help")) return { _tag: "Help", topic: command.name.split(" ") }
  const missing = command.positionals.find(
    ({ optional }, index) => optional !== true && positionals[index] === undefined
  )
  if (missing !== undefined) {
    return misuse(`${command.name} needs <${missing.name}>: ${missing.summary}`, help)
  }
  const extra = positionals[command.positionals.length]
  if (extra !== undefined) {
    return misuse(
      `${command.name} does not expect "${extra}"`,
      command.positionals.length > 0 ? `Put quotes around an argument with spaces. ${help}` : help
    )
  }
  const refused = refusedChoice(command, positionals)
  if (refused !== undefined) return refused
  return {
    _tag: "Run",
    command,
    arguments: {
      positionals,
      has: (flag) => given.has(flag),
      value: (flag) => given.get(flag)?.[0],
      values: (flag) => given.get(flag) ?? [],
      lineWithout: (...left) => lineOf(command, positionals, given, left)
    }
  }
}

const lineOf = (
  { flags, name }: Command,
  positionals: ReadonlyArray<string>,
  given: ReadonlyMap<string, ReadonlyArray<string>>,
  left: ReadonlyArray<string>
): string => {
  const wordsOf = ([flag, values]: readonly [string, ReadonlyArray<string>]) => {
    if (left.includes(flag)) return []
    const takesValue = flags.some((one) => one.name === flag && one.value !== undefined)
    return takesValue ? values.flatMap((value) => [`--${flag}`, quoted(value)]) : [`--${flag}`]
  }
  // Places `--demo` where ./Hints.ts would insert it.
  const demo = [...given].filter(([flag]) => flag === "demo").flatMap(wordsOf)
  const words = [...given].filter(([flag]) => flag !== "demo").flatMap(wordsOf)
  return ["sync-scheduler", name, ...demo, ...positionals.map(quoted), ...words].join(" ")
}

/** Returns the word, quoted for a shell if necessary. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

const refusedChoice = (command: Command, given: ReadonlyArray<string>): Refused | undefined => {
  const at = command.positionals.findIndex(({ choices }, index) => {
    const word = given[index]
    return choices !== undefined && word !== undefined && !choices.includes(word)
  })
  const choices = command.positionals[at]?.choices ?? []
  const word = given[at] ?? ""
  if (at === -1) return undefined
  const meant = closestMatch(word, choices)
  return misuse(
    `${command.name} does not accept "${word}", only ${choices.join(", ")}`,
    meant === undefined ? `See: sync-scheduler help ${command.name}` : `Did you mean "${meant}"?`
  )
}

const problemWith = (
  flag: Flag,
  name: string,
  value: string | undefined,
  isInline: boolean
): string | undefined => {
  if (flag.value === undefined) return isInline ? `${name} takes no value` : undefined
  if (value === undefined || value === "" || (!isInline && /^-(?!\d)/.test(value))) {
    return `${name} needs ${flag.value}`
  }
  return flag.choices === undefined || flag.choices.includes(value)
    ? undefined
    : `${name} cannot be "${value}", only ${flag.choices.join(", ")}`
}
