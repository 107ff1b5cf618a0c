import { readFileSync } from "node:fs"
import { Cause, Deferred, Effect, Either, Exit, Fiber, FiberId } from "effect"
import { inspect } from "../Config/Load.ts"
import type { Sources } from "../Config/Source.ts"
import type { Arguments, Main, Wiring } from "./Command.ts"
import type { CommandError } from "./Failure.ts"
import { logging } from "./Log.ts"
import { safe, styleFor } from "./Style.ts"
import { makeTerminal, type Terminal } from "./Terminal.ts"

/** A credential is a line of text; anything larger is the wrong file. */
const MAX_FILE_BYTES = 65_536

const readFile: Sources["readFile"] = (path) => {
  try {
    const bytes = readFileSync(path)
    return bytes.byteLength > MAX_FILE_BYTES
      ? Either.left("it is larger than 64 KiB")
      : Either.right(bytes.toString("utf8").replace(/^\uFEFF/, ""))
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : ""
    return code === "ENOENT" ? Either.right(null) : Either.left(code || String(error))
  }
}

const formatOf = (given: Arguments): Terminal["format"] => {
  const format = given.value("output")
  return format === "json" || format === "jsonl" ? format : "text"
}

/**
 * Runs a command in this process and says how to exit. The first SIGINT or SIGTERM interrupts it: what is in flight
 * finishes and is recorded, then the exit code is 130 or 143; a command that stops by itself is only told. A second signal
 * leaves at once.
 */
export const execute = async (
  { arguments: given, main }: { readonly main: Main; readonly arguments: Arguments },
  wiring: Wiring
): Promise<number> => {
  const environment = process.env
  const terminal = makeTerminal(
    { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, environment },
    formatOf(given)
  )
  const sources = (flags: Sources["flags"] = {}): Sources => ({ flags, environment, readFile })
  const stop = makeStop()
  const errorStyle = styleFor(process.stderr.isTTY === true, environment)
  const program = main({
    arguments: given,
    terminal,
    sources,
    wiring,
    stopping: stop.stopping
  }).pipe(
    Effect.catchAll((error) => Effect.as(report(error, terminal), error.exit)),
    Effect.provide(logging(inspect(sources()).settings, errorStyle, terminal.note))
  )
  const fiber = Effect.runFork(program)
  const signalled = stopOnSignal(fiber, stop, terminal)
  const exit = await Effect.runPromise(Fiber.await(fiber))
  terminal.progress(null)
  if (Exit.isSuccess(exit)) return signalled() ?? (exit.value || (terminal.isLost() ? 1 : 0))
  if (Cause.isInterruptedOnly(exit.cause)) return signalled() ?? 130
  terminal.note(`error: a bug in sync-scheduler: ${Cause.pretty(exit.cause)}`)
  return 1
}

const SIGNALS = [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const

/** How a command that stops by itself is told: `tell` answers whether it waits for that. */
interface Stop {
  readonly stopping: Effect.Effect<void>
  readonly tell: () => boolean
}

const makeStop = (): Stop => {
  const told = Deferred.unsafeMake<void>(FiberId.none)
  let isAwaited = false
  return {
    stopping: Effect.suspend(() => {
      isAwaited = true
      return Deferred.await(told)
    }),
    tell: () => {
      Deferred.unsafeDone(told, Effect.void)
      return isAwaited
    }
  }
}

/** Answers the exit code that a signal means; undefined when there was none, or the command stops by itself. */
const stopOnSignal = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  stop: Stop,
  terminal: Terminal
): (() => number | undefined) => {
  let isSignalled = false
  let code: number | undefined
  for (const [signal, exitCode] of SIGNALS) {
    process.on(signal, () => {
      if (isSignalled) process.exit(exitCode)
      isSignalled = true
      terminal.note(`${signal}: no new runs; what is in flight is recorded first. Again: exit now.`)
      if (stop.tell()) return
      code = exitCode
      Effect.runFork(Fiber.interrupt(fiber))
    })
  }
  return () => code
}

/** On stderr for people; with `-o json` or `jsonl` on stdout as well, in the shape of a summary's `errors`. */
const report = (error: CommandError, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    terminal.progress(null)
    for (const { hint, message } of error.errors) {
      terminal.note(`error: ${safe(message)}${hint === "" ? "" : `\n  fix: ${safe(hint)}`}`)
    }
    const { errors } = error
    if (terminal.format === "json") yield* terminal.printJson({ errors })
    if (terminal.format === "jsonl") {
      yield* Effect.forEach(errors, (one) => terminal.printJson({ type: "error", ...one }), {
        discard: true
      })
    }
  })
