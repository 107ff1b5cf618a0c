import { quoted } from "./Arguments.ts"
import { commands } from "./Commands.ts"

/** The commands that accept `--demo`. Longer names come first, because a regular expression takes the first match. */
const withDemo = commands
  .filter(({ flags }) => flags.some(({ name }) => name === "demo"))
  .map(({ name }) => name)
  .toSorted((a, b) => b.length - a.length)

const COMMAND = new RegExp(`sync-scheduler (?:${withDemo.join("|")})(?![\\w-])(?! --demo)`, "g")

/** Adds `--demo` to the commands in a line, so that the pasted commands use the demo. */
export const pasteable = (demo: string | undefined): ((line: string) => string) =>
  demo === undefined
    ? (line) => line
    : (line) => line.replaceAll(COMMAND, (command) => `${command} --demo ${quoted(demo)}`)
