import { type EngineExit, type EngineProcess, startEngine } from "../support/EngineProcess.ts"

/** Binaries that tick and tick again: whoever ends, by itself or by a kill, is followed by another one. */
export interface Fleet {
  /** Processes that run now. */
  readonly alive: () => ReadonlyArray<number>
  /** How every process ended, so far. */
  readonly exits: ReadonlyArray<EngineExit>
  /** SIGKILL; resolves when it is dead. False when it had ended by itself before. */
  readonly kill: (pid: number) => Promise<boolean>
  /** SIGSTOP, and SIGCONT when that time has passed. False when it had ended before. */
  readonly freeze: (pid: number, ms: number) => Promise<boolean>
  /** No new ones; resolves when the last has ended by itself. */
  readonly stop: () => Promise<void>
}

/** One place for each environment. */
export const startFleet = (
  environments: ReadonlyArray<Readonly<Record<string, string>>>,
  args: ReadonlyArray<string>
): Fleet => {
  const running = new Map<number, EngineProcess>()
  const exits: Array<EngineExit> = []
  let isStopping = false

  const keep = async (environment: Readonly<Record<string, string>>): Promise<void> => {
    while (!isStopping) {
      const engine = await startEngine(environment, args)
      running.set(engine.pid, engine)
      exits.push(await engine.exited)
      running.delete(engine.pid)
      if (!isStopping) await Bun.sleep(20 + Math.random() * 100)
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
    stop: async () => {
      isStopping = true
      await Promise.all(places)
    }
  }
}
