import { COMMIT, VERSION } from "../Version.ts"
import { type Request, read, unknownCommand } from "./Arguments.ts"
import type { Command, LayerFactories } from "./Command.ts"
import { commands } from "./Commands.ts"
import { helpFor } from "./Help.ts"
import { runtimeData } from "./RuntimeData.ts"

/** Runs a command line and returns its exit code. Handles help, version and usage errors without loading Effect. */
export const start = async (
  argv: ReadonlyArray<string>,
  layers: LayerFactories
): Promise<number> => {
  const request = read(argv, commands)
  if (request._tag !== "Run") {
    const code = await answer(request, commands)
    return code === 0 ? 0 : (MISUSE.get(argv[0] ?? "") ?? code)
  }
  const { load, loadFirst = load } = request.command
  const loaded = await loadFirst()
  if ("light" in loaded) return loaded.light(request.arguments)
  const { execute } = await import("./Process.ts")
  return execute({ main: loaded.main, arguments: request.arguments }, layers)
}

/** The commands whose exit code for a usage error is not 2. `ready` reports not ready, and `check` reports UNKNOWN. */
const MISUSE: ReadonlyMap<string, number> = new Map([
  ["ready", 1],
  ["check", 3]
])

const answer = (
  request: Exclude<Request, { readonly _tag: "Run" }>,
  known: ReadonlyArray<Command>
): Promise<number> => {
  if (request._tag === "Version") {
    return say(`sync-scheduler ${VERSION} (${COMMIT})\n${runtimeData(process.versions)}`)
  }
  if (request._tag === "Help") {
    const text = helpFor(request.topic, known, VERSION)
    return text === undefined ? answer(unknownCommand(request.topic, known), known) : say(text)
  }
  process.stderr.write(`error: ${request.misuse.what}\n  fix: ${request.misuse.fix}\n`)
  return Promise.resolve(2)
}

/** Writes to stdout. A full disk is an error, unlike a closed pipe. */
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
