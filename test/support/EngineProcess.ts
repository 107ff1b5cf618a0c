import { binaryPath } from "./binary.ts"

/** How a binary ended. `summary` is what it printed on stdout, when that was a JSON object. */
export interface EngineExit {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly summary: Readonly<Record<string, unknown>> | undefined
}

/** A running `sync-scheduler`: the binary that ships, in a process of its own. */
export interface EngineProcess {
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  readonly exited: Promise<EngineExit>
}

/**
 * Starts the binary with these arguments (default `run -o json`), in this environment and no other. The binary must have
 * been built: see binaryPath.
 */
export const startEngine = async (
  environment: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = ["run", "-o", "json"]
): Promise<EngineProcess> => {
  const child = Bun.spawn([await binaryPath(), ...args], {
    env: { ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  const exit = async (): Promise<EngineExit> => {
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited
    ])
    const { exitCode, signalCode } = child
    return { code: exitCode, signal: signalCode, stdout, stderr, summary: parseObject(stdout) }
  }
  return { pid: child.pid, kill: (signal) => child.kill(signal), exited: exit() }
}

/** Whose call it was: the binary names its process in its engine id, `<host>-<pid>-<4 hex digits>`. */
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
