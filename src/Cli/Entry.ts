import { COMMIT, VERSION } from "../Version.ts"
import { type Request, read, unknownCommand } from "./Arguments.ts"
import type { Command, Wiring } from "./Command.ts"
import { commands } from "./Commands.ts"
import { helpFor } from "./Help.ts"

/**
 * From a command line to an exit code. Help, version and misuse are answered here, without loading Effect or any
 * command: they start as fast as the runtime does.
 */
export const start = async (argv: ReadonlyArray<string>, wiring: Wiring): Promise<number> => {
  const request = read(argv, commands)
  if (request._tag !== "Run") {
    const code = await answer(request, commands)
    return code === 0 ? 0 : (MISUSE.get(argv[0] ?? "") ?? code)
  }
  const loaded = await request.command.load()
  if ("light" in loaded) return loaded.light(request.arguments)
  const { execute } = await import("./Process.ts")
  return execute({ main: loaded.main, arguments: request.arguments }, wiring)
}

/** What misuse is to those who start a command by itself: no health, and to a monitor UNKNOWN rather than CRITICAL. */
const MISUSE: ReadonlyMap<string, number> = new Map([
  ["ready", 1],
  ["check", 3]
])

const answer = (
  request: Exclude<Request, { readonly _tag: "Run" }>,
  known: ReadonlyArray<Command>
): Promise<number> => {
  if (request._tag === "Version") return say(`sync-scheduler ${VERSION} (${COMMIT})`)
  if (request._tag === "Help") {
    const text = helpFor(request.topic, known, VERSION)
    return text === undefined ? answer(unknownCommand(request.topic, known), known) : say(text)
  }
  process.stderr.write(`error: ${request.misuse.what}\n  fix: ${request.misuse.fix}\n`)
  return Promise.resolve(2)
}

/** Writes to stdout; nobody reading it is no error, a full disk is. */
const say = (text: string): Promise<number> =>
  new Promise((resolve) => {
    const end = (error?: Error | null) => {
      const isLost = error && !("code" in error && error.code === "EPIPE")
      if (isLost) process.stderr.write(`error: the output cannot be written: ${error.message}\n`)
      resolve(isLost ? 1 : 0)
    }
    process.stdout.once("error", end)
    process.stdout.write(`${text}\n`, end)
  })
