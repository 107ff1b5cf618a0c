import { readFileSync } from "node:fs"
import { Cause, Deferred, Effect, Either, Exit, Fiber, FiberId } from "effect"
import { inspect } from "../Config/Load.ts"
import type { Sources } from "../Config/Source.ts"
import type { Arguments, LayerFactories, Main } from "./Command.ts"
import type { CommandError } from "./Failure.ts"
import { pasteable } from "./Hints.ts"
import { withLogging } from "./Log.ts"
import { onStopSignal } from "./Signals.ts"
import { safe, styleFor } from "./Style.ts"
import { makeTerminal, type Terminal } from "./Terminal.ts"

/** The maximum size of a credentials file, which contains one line of text. */
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
  return format === "json" || format === "jsonl" || format === "tsv" ? format : "text"
}

/**
 * Runs a command in this process and returns the exit code. The first stop signal (./Signals.ts) interrupts the command: runs in
 * progress finish and are recorded, and the exit code is 128 plus the number of the signal. A command that waits for `stopping`
 * is only notified. The process exits immediately if no engine was created or a prompt is open.
 */
export const execute = async (
  { arguments: given, main }: { readonly main: Main; readonly arguments: Arguments },
  layers: LayerFactories
): Promise<number> => {
  const environment = process.env
  const terminal = makeTerminal(
    {
      stdin: () => process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      environment
    },
    {
      format: formatOf(given),
      verbose: given.has("verbose"),
      finish: pasteable(given.value("demo"))
    }
  )
  const sources = (flags: Sources["flags"] = {}): Sources => ({ flags, environment, readFile })
  const stop = makeStop()
  const work = watched(layers)
  const errorStyle = styleFor(process.stderr.isTTY === true, environment)
  const program = main({
    arguments: given,
    terminal,
    sources,
    layers: work.layers,
    stopping: stop.stopping
  }).pipe(
    Effect.catchAll((error) => Effect.as(report(error, terminal), error.exit)),
    withLogging(inspect(sources()).settings, errorStyle, terminal.note)
  )
  const fiber = Effect.runFork(program)
  const note = (line: string) => {
    if (work.hasEngine() && !terminal.isAsking()) terminal.note(line)
  }
  const signalled = await stopOnSignal(fiber, stop, note)
  const exit = await new Promise<Exit.Exit<number>>((resolve) => {
    fiber.addObserver(resolve)
  })
  terminal.progress(null)
  if (Exit.isSuccess(exit)) return signalled() ?? (exit.value || (terminal.isLost() ? 1 : 0))
  if (Cause.isInterruptedOnly(exit.cause)) return signalled() ?? 130
  terminal.note(`error: a bug in sync-scheduler: ${Cause.pretty(exit.cause)}`)
  return 1
}

/** Detects whether the command created an engine. Without an engine, there are no runs that must finish. */
const watched = (
  layers: LayerFactories
): { readonly layers: LayerFactories; readonly hasEngine: () => boolean } => {
  let hasEngine = false
  return {
    layers: {
      ...layers,
      connection: (project) => {
        hasEngine = true
        return layers.connection(project)
      },
      engine: (project, connection) => {
        hasEngine = true
        return layers.engine(project, connection)
      },
      demo: (options) => {
        hasEngine = true
        return layers.demo(options)
      }
    },
    hasEngine: () => hasEngine
  }
}

/** `requestStop` returns whether the command waits for `stopping`. */
interface Stop {
  readonly stopping: Effect.Effect<void>
  readonly requestStop: () => boolean
}

const makeStop = (): Stop => {
  const requested = Deferred.unsafeMake<void>(FiberId.none)
  let isAwaited = false
  return {
    stopping: Effect.suspend(() => {
      isAwaited = true
      return Deferred.await(requested)
    }),
    requestStop: () => {
      Deferred.unsafeDone(requested, Effect.void)
      return isAwaited
    }
  }
}

/**
 * Interrupts the command on a signal. The resulting exit code is undefined if no signal arrived, or if the command waits for
 * `stopping`.
 */
const stopOnSignal = async (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  stop: Stop,
  note: (line: string) => void
): Promise<() => number | undefined> => {
  let code: number | undefined
  await onStopSignal((exitCode) => {
    if (stop.requestStop()) return
    code = exitCode
    Effect.runFork(Fiber.interrupt(fiber))
  }, note)
  return () => code
}

/** Prints an error to stderr and, with `-o json` or `jsonl`, also to stdout. */
const report = (error: CommandError, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    terminal.progress(null)
    for (const { detail, hint, message } of error.errors) {
      const more = terminal.verbose && detail !== undefined ? `\n  detail: ${safe(detail)}` : ""
      terminal.note(`error: ${safe(message)}${more}${hint === "" ? "" : `\n  fix: ${safe(hint)}`}`)
    }
    const { errors } = error
    if (terminal.format === "json") yield* terminal.printJson({ errors })
    if (terminal.format === "jsonl") {
      yield* Effect.forEach(errors, (one) => terminal.printJson({ type: "error", ...one }), {
        discard: true
      })
    }
  })
