import { commonFlags, findCommand } from "./Arguments.ts"
import type { Command, Flag } from "./Command.ts"
import { exitCodes } from "./ExitCodes.ts"

const PROGRAM = "sync-scheduler"

const list = (rows: ReadonlyArray<readonly [name: string, meaning: string]>): string => {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`).join("\n")
}

const nameOf = ({ name, short, value }: Flag): string =>
  `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`

/** Returns the usage line: `sync-scheduler schedules next <cron> [flags]`. */
export const usageOf = ({ name, positionals }: Command): string =>
  [
    PROGRAM,
    name,
    ...positionals.map((one) => (one.optional === true ? `[${one.name}]` : `<${one.name}>`)),
    "[flags]"
  ].join(" ")

const commandHelp = (command: Command): string => {
  const { details, examples, flags, positionals, summary } = command
  return [
    `${summary}.`,
    ...(details === undefined ? [] : [details]),
    `Usage: ${usageOf(command)}`,
    ...(positionals.length === 0
      ? []
      : [`Arguments:\n${list(positionals.map((one) => [`<${one.name}>`, one.summary]))}`]),
    `Flags:\n${list([...flags, ...commonFlags].map((flag) => [nameOf(flag), flag.summary]))}`,
    `Examples:\n${examples.map((example) => `  ${example}`).join("\n")}`
  ].join("\n\n")
}

const groupHelp = (members: ReadonlyArray<Command>): string =>
  [
    `Commands:\n${list(members.map(({ name, summary }) => [name, summary]))}`,
    `Help for one command: ${PROGRAM} help ${members[0]?.name ?? ""}`
  ].join("\n\n")

const rootHelp = (commands: ReadonlyArray<Command>, version: string): string =>
  [
    `Sync Scheduler ${version}: runs the scheduled syncs of your Supabase project on time,\nwithout duplicates, and tells you when one didn't run.`,
    `Usage: ${PROGRAM} <command> [flags]`,
    `Commands:\n${list([
      ...commands.map(({ name, summary }) => [name, summary] as const),
      ["version", "The version and commit of this program"],
      ["help [command]", "This text, or the help for a command"]
    ])}`,
    `New here?          ${PROGRAM} demo\nA real project:    ${PROGRAM} setup\nDid it run?        ${PROGRAM} status, or explain <organisation>\nSomething wrong?   ${PROGRAM} doctor\nEvery setting:     ${PROGRAM} env`,
    `Exit codes:\n${list(exitCodes.map(({ code, short }) => [code, short] as const))}`
  ].join("\n\n")

/** Returns the help for a command, a group such as `schedules`, or all commands. Returns undefined for an unknown topic. */
export const helpFor = (
  topic: ReadonlyArray<string>,
  commands: ReadonlyArray<Command>,
  version: string
): string | undefined => {
  const [first] = topic
  if (first === undefined) return rootHelp(commands, version)
  const command = findCommand(topic, commands)
  if (command !== undefined) return commandHelp(command)
  const members = commands.filter(({ name }) => name.startsWith(`${first} `))
  return members.length > 0 && topic.length === 1 ? groupHelp(members) : undefined
}
