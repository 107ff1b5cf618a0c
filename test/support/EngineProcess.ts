import { binaryPath, LATE_OPTIMIZER } from "./binary.ts"

/** `summary` is the JSON object that the binary printed to stdout, if any. */
export interface EngineExit {
  /** Null if a signal ended the process. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly summary: Readonly<Record<string, unknown>> | undefined
}

export interface EngineProcess {
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  /** Resolves with the match once stderr contains `text`, or with null if the process exits first. */
  readonly awaitOutput: (text: string | RegExp) => Promise<RegExpMatchArray | null>
  readonly exited: Promise<EngineExit>
}

/** Starts the binary with only these environment variables. `launcher` is a command that starts the binary, such as `nohup`. */
export const startEngine = async (
  environment: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = ["run", "-o", "json"],
  launcher: ReadonlyArray<string> = []
): Promise<EngineProcess> => {
  const child = Bun.spawn([...launcher, await binaryPath(), ...args], {
    env: { ...LATE_OPTIMIZER, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  let stderr = ""
  const listeners = new Set<() => void>()
  const listen = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stderr) {
      stderr += decoder.decode(chunk, { stream: true })
      for (const listener of listeners) listener()
    }
  }
  const exit = async (): Promise<EngineExit> => {
    const [stdout] = await Promise.all([new Response(child.stdout).text(), listen(), child.exited])
    const { exitCode: code, signalCode } = child
    const signal = signalCode === null ? null : String(signalCode)
    return { code, signal, stdout, stderr, summary: parseObject(stdout) }
  }
  const exited = exit()
  const awaitOutput: EngineProcess["awaitOutput"] = (text) =>
    new Promise((resolve) => {
      const pattern = typeof text === "string" ? new RegExp(RegExp.escape(text)) : text
      const look = () => {
        const match = stderr.match(pattern)
        if (match !== null) resolve(match)
      }
      listeners.add(look)
      look()
      void exited.then(() => resolve(null))
    })
  return {
    pid: child.pid,
    // SIGPWR is sent by number, because Bun does not know its name.
    kill: (signal) => child.kill(signal === "SIGPWR" ? 30 : signal),
    awaitOutput,
    exited
  }
}

export const pidOf = (engineId: unknown): number | undefined => {
  const pid = /-(\d+)-[0-9a-f]{4}$/.exec(String(engineId))?.[1]
  return pid === undefined ? undefined : Number(pid)
}

const parseObject = (json: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const parsed: unknown = JSON.parse(json)
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined
    return Object.fromEntries(Object.entries(parsed))
  } catch {
    return undefined
  }
}
