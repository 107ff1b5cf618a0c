import { quoted } from "./Arguments.ts"
import { commands } from "./Commands.ts"

/** The commands that accept `--demo`, longest name first, so that `schedules list` is matched before a shorter name. */
const withDemo = commands
  .filter(({ flags }) => flags.some(({ name }) => name === "demo"))
  .map(({ name }) => name)
  .toSorted((a, b) => b.length - a.length)

const COMMAND = new RegExp(`sync-scheduler (?:${withDemo.join("|")})(?![\\w-])(?! --demo)`, "g")

/** Adds the given `--demo` to the commands in a line, so that the commands use the demo's database when pasted. */
export const pasteable = (demo: string | undefined): ((line: string) => string) =>
  demo === undefined
    ? (line) => line
    : (line) => line.replaceAll(COMMAND, (command) => `${command} --demo ${quoted(demo)}`)
