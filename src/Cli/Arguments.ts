import { parseArgs } from "node:util"
import { nearest } from "../Domain/Suggestion.ts"
import type { Arguments, Command, Flag } from "./Command.ts"

/** A command line that cannot be understood: what is wrong and how to put it right. */
export interface Misuse {
  readonly what: string
  readonly fix: string
}

/** What a command line asks for. */
export type Request =
  | { readonly _tag: "Help"; readonly topic: ReadonlyArray<string> }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Run"; readonly command: Command; readonly arguments: Arguments }
  | { readonly _tag: "Misuse"; readonly misuse: Misuse }

type Refused = Extract<Request, { readonly _tag: "Misuse" }>

const misuse = (what: string, fix: string): Refused => ({ _tag: "Misuse", misuse: { what, fix } })

/** Flags that every command has. */
export const commonFlags: ReadonlyArray<Flag> = [
  { name: "help", short: "h", summary: "Show help for this command" }
]

/** Reads a command line, without the program's name. Loads no command's code. */
export const read = (argv: ReadonlyArray<string>, commands: ReadonlyArray<Command>): Request => {
  const [first] = argv
  if (first === undefined || first === "--help" || first === "-h")
    return { _tag: "Help", topic: [] }
  if (first === "--version" || first === "-V") return { _tag: "Version" }
  if (first === "version" || first === "help") return readAbout(first, argv.slice(1))
  if (first.startsWith("-")) {
    return misuse(
      `${first} stands before the command`,
      "Write the command first, then its flags. Only --help (-h) and --version (-V) stand alone."
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

/** `version`, and `help` with its topic. They have no flags of their own. */
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

/** The command that the words begin with. */
export const findCommand = (
  words: ReadonlyArray<string>,
  commands: ReadonlyArray<Command>
): Command | undefined =>
  commands.find(({ name }) => name.split(" ").every((word, index) => words[index] === word))

/** Says that there is no such command, and which one was probably meant. */
export const unknownCommand = (
  words: ReadonlyArray<string>,
  commands: ReadonlyArray<Command>
): Refused => {
  const typed = words.join(" ")
  const names = commands.flatMap(({ name }) => [name.split(" ")[0] ?? name, name])
  const meant = nearest(typed, ["help", "version", ...names])
  return misuse(
    `unknown command "${typed}"`,
    meant === undefined
      ? "See all commands: sync-scheduler help"
      : `Did you mean "${meant}"? See all commands: sync-scheduler help`
  )
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
      const meant = nearest(
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
      return misuse(`${token.rawName} is given twice`, "Give it once.")
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
      values: (flag) => given.get(flag) ?? []
    }
  }
}

const refusedChoice = (command: Command, given: ReadonlyArray<string>): Refused | undefined => {
  const at = command.positionals.findIndex(({ choices }, index) => {
    const word = given[index]
    return choices !== undefined && word !== undefined && !choices.includes(word)
  })
  const choices = command.positionals[at]?.choices ?? []
  const word = given[at] ?? ""
  if (at === -1) return undefined
  const meant = nearest(word, choices)
  return misuse(
    `${command.name} does not know "${word}", only ${choices.join(", ")}`,
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
