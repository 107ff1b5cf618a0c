import { Effect } from "effect"
import { escapeJson, type Style, styleFor } from "./Style.ts"

/** The output of a command. Data goes to stdout, and all other text to stderr. */
export interface Terminal {
  readonly format: "text" | "tsv" | "json" | "jsonl"
  readonly style: Style
  /** Whether `--verbose` is given. */
  readonly verbose: boolean
  /** The width in columns; null if stdout is not a terminal. */
  readonly width: number | null
  /** Writes a line of data and waits until stdout accepts it. If the pipe is closed (`| head`), the line is dropped. */
  readonly print: (line: string) => Effect.Effect<void>
  /** Prints a value as JSON: indented on a terminal, otherwise on one line. */
  readonly printJson: (value: unknown) => Effect.Effect<void>
  /** Writes a line to stderr immediately. */
  readonly note: (line: string) => void
  /** Shows progress, on a terminal only. Each line replaces the previous line. Null clears the line. */
  readonly progress: (line: string | null) => void
  /**
   * Returns a line of input, or null at the end of the input (Ctrl-D). The function itself is null if stdin or stdout is not a
   * terminal.
   */
  readonly ask: ((question: string) => Effect.Effect<string | null>) | null
  readonly isAsking: () => boolean
  /** Whether the reader has closed stdout. A read-only command can then end. */
  readonly isGone: () => boolean
  /** Whether a write of data has failed, for example on a full disk. */
  readonly isLost: () => boolean
}

export const isJson = ({ format }: Pick<Terminal, "format">): boolean =>
  format === "json" || format === "jsonl"

/** `finish` processes each line of text before it is shown. */
export interface Looks {
  readonly format: Terminal["format"]
  readonly verbose?: boolean
  readonly finish?: (line: string) => string
}

export interface Streams {
  /** Creating this stream takes 2 ms, so it is created only when the command can ask questions. */
  readonly stdin: () => NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly environment: Readonly<Record<string, string | undefined>>
}

const CLEAR = "\r\u001b[K"

/** A full disk is an error, unlike a closed pipe. */
export const makeTerminal = (
  { environment, stderr, stdin, stdout }: Streams,
  { finish = (line) => line, format, verbose = false }: Looks
): Terminal => {
  let shown = false
  let isGone = false
  let isLost = false
  let isAsking = false
  const giveUp = (error: Error) => {
    if (!isGone && !isReaderGone(error, stdout.isTTY === true)) {
      isLost = true
      stderr.write(`error: the output cannot be written: ${error.message}\n`)
    }
    isGone = true
  }
  stdout.on("error", giveUp)
  stderr.on("error", () => undefined)
  const clear = () => {
    if (shown) stderr.write(CLEAR)
    shown = false
  }
  const write = (line: string) =>
    Effect.async<void>((resume) => {
      if (isGone) return resume(Effect.void)
      if (stdout.isTTY) clear()
      stdout.write(`${line}\n`, (error) => {
        if (error) giveUp(error)
        resume(Effect.void)
      })
    })
  const canReplaceLines = stderr.isTTY === true && environment.TERM !== "dumb"
  return {
    format,
    verbose,
    style: styleFor(stdout.isTTY === true, environment),
    width: stdout.isTTY === true ? stdout.columns || 80 : null,
    print: (line) => write(format === "text" ? finish(line) : line),
    printJson: (value) =>
      write(
        escapeJson(JSON.stringify(value, null, stdout.isTTY === true && format === "json" ? 2 : 0))
      ),
    note: (line) => {
      clear()
      stderr.write(`${finish(line)}\n`)
    },
    progress: (line) => {
      if (!canReplaceLines) return
      clear()
      if (line === null) return
      stderr.write(line.slice(0, (stderr.columns || 80) - 1))
      shown = true
    },
    ask:
      stdout.isTTY === true && format === "text" && stdin().isTTY === true
        ? (question) =>
            Effect.suspend(() => {
              clear()
              isAsking = true
              return askOn(stdin(), stderr, question)
            }).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  isAsking = false
                })
              )
            )
        : null,
    isAsking: () => isAsking,
    isGone: () => isGone,
    isLost: () => isLost
  }
}

/** Reads one line without its line ending, or null at the end of the input. Restores the terminal on interruption. */
const askOn = (
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  question: string
): Effect.Effect<string | null> =>
  // This module is loaded only when needed, because loading it takes 2 ms.
  Effect.flatMap(
    Effect.promise(() => import("node:readline")),
    ({ createInterface }) =>
      Effect.async((resume) => {
        const lines = createInterface({ input, output, terminal: false })
        let answer: string | null = null
        lines.once("line", (line) => {
          answer = line.trim()
          lines.close()
        })
        lines.once("close", () => resume(Effect.succeed(answer)))
        output.write(question)
        return Effect.sync(() => lines.close())
      })
  )

/** Whether an error means a closed pipe or a disconnected terminal. EIO on a file indicates a disk failure. */
const isReaderGone = (error: Error, isTerminal: boolean): boolean =>
  "code" in error && (error.code === "EPIPE" || (isTerminal && error.code === "EIO"))
