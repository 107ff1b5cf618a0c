import { binaryPath } from "./binary.ts"

/** How to start the binary: nothing of this process's environment reaches it unless given. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** What a process of the binary came to. */
export interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** Starts the binary and gives the process, for tests that watch it or send it signals. */
export const startBinary = async (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  Bun.spawn([await binaryPath(), ...args], {
    env: { ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })

/** Waits for a process of the binary to end. */
export const endOf = async (child: Awaited<ReturnType<typeof startBinary>>): Promise<Ended> => {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited
  ])
  return { stdout, stderr, code }
}

/** Runs the binary to its end. */
export const runBinary = async (
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Ended> => endOf(await startBinary(args, options))

/** Starts what it is given, passes everything on, and writes its peak memory in bytes to a file descriptor of its own. */
const MEASURE = `
const child = Bun.spawn(process.argv.slice(1), { stdio: ["ignore", "inherit", "inherit"] })
process.exitCode = await child.exited
await Bun.write(Bun.file(3), String(child.resourceUsage()?.maxRSS))`

/**
 * Runs the binary to its end and says how much memory it took at most, in bytes. A small process starts it: Linux hands
 * the peak of the process that spawns down to its child, and a test run has a large one.
 */
export const runMeasured = async (
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Ended & { readonly peakBytes: number }> => {
  const child = Bun.spawn([process.execPath, "-e", MEASURE, await binaryPath(), ...args], {
    env: { ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ["ignore", "pipe", "pipe", "pipe"]
  })
  const peak = child.stdio[3]
  const [stdout, stderr, measured, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    typeof peak === "number" ? Bun.file(peak).text() : "",
    child.exited
  ])
  return { stdout, stderr, code, peakBytes: Number.parseInt(measured, 10) }
}

/** What is typed on a terminal, and what it waits for. */
export interface Typed {
  readonly after: string
  readonly text: string
}

/** Runs the binary on a terminal of this width and gives what it shows, stdout and stderr together. */
export const runOnTerminal = async (
  args: ReadonlyArray<string>,
  cols: number,
  options: RunOptions & { readonly typed?: ReadonlyArray<Typed> } = {}
): Promise<{ readonly shown: string; readonly code: number }> => {
  const decoder = new TextDecoder()
  const typed = [...(options.typed ?? [])]
  let shown = ""
  let seen = 0
  const child = Bun.spawn([await binaryPath(), ...args], {
    env: { TERM: "xterm-256color", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    terminal: {
      cols,
      rows: 40,
      data: (terminal, bytes) => {
        shown += decoder.decode(bytes, { stream: true })
        const [next] = typed
        if (next === undefined || !shown.slice(seen).includes(next.after)) return
        seen = shown.length
        typed.shift()
        terminal.write(next.text)
      }
    }
  })
  const code = await child.exited
  child.terminal?.close()
  return { shown, code }
}
