import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { type ParseArgsConfig, parseArgs } from "node:util"

const usageOf = (file: string): string =>
  (/^\/\*\*(.*?)\*\//s.exec(readFileSync(file, "utf8"))?.[1] ?? "")
    .replaceAll(/^ \* ?/gm, "")
    .trim()

/**
 * Parses the command line of a developer command. `--help` prints the comment at the start of the command's file and exits with
 * 0. An invalid option prints the same comment and exits with 2.
 */
export const parseOptions = <Config extends ParseArgsConfig>(
  config: Config
): ReturnType<typeof parseArgs<Config>> => {
  const file = Bun.main
  if (Bun.argv.includes("--help")) {
    console.log(usageOf(file))
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    console.error(`${basename(file, ".ts")}: ${problem}\n\n${usageOf(file)}`)
    process.exit(2)
  }
}
