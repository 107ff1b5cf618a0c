import { type EngineExit, type EngineProcess, startEngine } from "../support/EngineProcess.ts"

/** Binaries that tick repeatedly. A binary that exits is replaced. */
export interface Fleet {
  readonly alive: () => ReadonlyArray<number>
  readonly exits: ReadonlyArray<EngineExit>
  /** Sends SIGKILL and waits for the process to end. Resolves to false if it had already exited. */
  readonly kill: (pid: number) => Promise<boolean>
  /** Sends SIGSTOP, and SIGCONT after `ms`. Resolves to false if the process had already exited. */
  readonly freeze: (pid: number, ms: number) => Promise<boolean>
  /** Resolves when the last process has exited. */
  readonly stop: () => Promise<void>
  /** Sets the arguments of later processes. A process that found no work is replaced only after about 1.5 s. */
  readonly calm: (args: ReadonlyArray<string>) => void
}

export const startFleet = (
  environments: ReadonlyArray<Readonly<Record<string, string>>>,
  args: ReadonlyArray<string>
): Fleet => {
  const running = new Map<number, EngineProcess>()
  const exits: Array<EngineExit> = []
  let isStopping = false
  let isCalm = false
  let current = args

  const keep = async (environment: Readonly<Record<string, string>>): Promise<void> => {
    while (!isStopping) {
      const engine = await startEngine(environment, current)
      running.set(engine.pid, engine)
      const exit = await engine.exited
      exits.push(exit)
      running.delete(engine.pid)
      const pauseMs = isCalm && exit.summary?.triggered === 0 ? 1_500 : 40
      if (!isStopping) await Bun.sleep(pauseMs * (0.5 + Math.random()))
    }
  }
  const places = environments.map(keep)

  return {
    alive: () => [...running.keys()],
    exits,
    kill: async (pid) => {
      const engine = running.get(pid)
      engine?.kill("SIGKILL")
      return (await engine?.exited)?.signal === "SIGKILL"
    },
    freeze: async (pid, ms) => {
      const engine = running.get(pid)
      engine?.kill("SIGSTOP")
      await Bun.sleep(ms)
      engine?.kill("SIGCONT")
      return engine !== undefined
    },
    calm: (calmArgs) => {
      isCalm = true
      current = calmArgs
    },
    stop: async () => {
      isStopping = true
      await Promise.all(places)
    }
  }
}
