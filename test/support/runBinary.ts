import { binaryPath, LATE_OPTIMIZER } from "./binary.ts"

/** The binary inherits nothing from this process's environment. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

export const startBinary = async (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  Bun.spawn([await binaryPath(), ...args], {
    env: { ...LATE_OPTIMIZER, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })

export const endOf = async (child: Awaited<ReturnType<typeof startBinary>>): Promise<Ended> => {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited
  ])
  return { stdout, stderr, code }
}

export const runBinary = async (
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Ended> => endOf(await startBinary(args, options))

/** Writes the program's peak memory to file descriptor 3, in bytes. */
const MEASURE = `
const child = Bun.spawn(process.argv.slice(1), { stdio: ["ignore", "inherit", "inherit"] })
process.exitCode = await child.exited
await Bun.write(Bun.file(3), String(child.resourceUsage()?.maxRSS))`

/** A small process starts the binary, because on Linux a child's peak memory includes that of its parent. */
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

/** `after` is the text to wait for before typing. */
export interface Typed {
  readonly after: string
  readonly text: string
}

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
    env: { TERM: "xterm-256color", ...LATE_OPTIMIZER, ...options.env },
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
