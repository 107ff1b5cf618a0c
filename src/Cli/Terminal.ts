import { createInterface } from "node:readline"
import { Effect } from "effect"
import { type Style, styleFor } from "./Style.ts"

/** Where a command writes: data on stdout, everything else on stderr. */
export interface Terminal {
  /** What `-o` says. */
  readonly format: "text" | "json" | "jsonl"
  /** Colours for stdout. */
  readonly style: Style
  /** Columns of the terminal that stdout is, null when it is none: then nothing is cut. */
  readonly width: number | null
  /**
   * Writes a line of data and waits until it is taken over. When nobody reads any more (`| head`), it is dropped: what
   * the command does goes on.
   */
  readonly print: (line: string) => Effect.Effect<void>
  /** Prints a value as JSON: in many lines for people on a terminal, else in one. */
  readonly printJson: (value: unknown) => Effect.Effect<void>
  /** Writes a line on stderr, at once. */
  readonly note: (line: string) => void
  /** Shows how far things are, on a terminal only; the line is replaced by the next one, and gone with null. */
  readonly progress: (line: string | null) => void
  /** Asks a person and waits for a line; null when there is nobody to ask (stdin or stdout is no terminal). */
  readonly ask: ((question: string) => Effect.Effect<string>) | null
  /** Whether nobody reads stdout any more: what only shows things can end then. */
  readonly isGone: () => boolean
  /** Whether data could not be written, as on a full disk; that is an error, unlike a reader that has gone. */
  readonly isLost: () => boolean
}

/** What a Terminal writes to: the two streams of a process. */
export interface Streams {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly environment: Readonly<Record<string, string | undefined>>
}

const CLEAR = "\r\u001b[K"

/** A terminal over the process's streams. A reader that goes away is no error; a full disk is. */
export const makeTerminal = (
  { environment, stderr, stdin, stdout }: Streams,
  format: Terminal["format"]
): Terminal => {
  let shown = false
  let isGone = false
  let isLost = false
  const giveUp = (error: Error) => {
    if (!isGone && !isPipeError(error)) {
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
  const print = (line: string) =>
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
    style: styleFor(stdout.isTTY === true, environment),
    width: stdout.isTTY === true ? stdout.columns || 80 : null,
    print,
    printJson: (value) =>
      print(JSON.stringify(value, null, stdout.isTTY === true && format === "json" ? 2 : 0)),
    note: (line) => {
      clear()
      stderr.write(`${line}\n`)
    },
    progress: (line) => {
      if (!canReplaceLines) return
      clear()
      if (line === null) return
      stderr.write(line.slice(0, (stderr.columns || 80) - 1))
      shown = true
    },
    ask:
      stdin.isTTY === true && stdout.isTTY === true && format === "text"
        ? (question) => {
            clear()
            return askOn(stdin, stderr, question)
          }
        : null,
    isGone: () => isGone,
    isLost: () => isLost
  }
}

/** One line of a person's, without its end; nothing when the input ends. Interrupting it gives the terminal back. */
const askOn = (
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  question: string
): Effect.Effect<string> =>
  Effect.async((resume) => {
    const lines = createInterface({ input, output, terminal: false })
    let answer = ""
    lines.once("line", (line) => {
      answer = line.trim()
      lines.close()
    })
    lines.once("close", () => resume(Effect.succeed(answer)))
    output.write(question)
    return Effect.sync(() => lines.close())
  })

const isPipeError = (error: Error): boolean => "code" in error && error.code === "EPIPE"
