import { type EngineProcess, startEngine } from "./EngineProcess.ts"

export interface Sidecar extends EngineProcess {
  readonly url: string
  readonly get: (path: string) => Promise<{ readonly status: number; readonly body: string }>
}

/** Rejects with the process's output if no response arrives. */
export const startSidecar = async (
  environment: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  launcher: ReadonlyArray<string> = []
): Promise<Sidecar> => {
  const engine = await startEngine(
    { SYNC_SCHEDULER_LISTEN: "127.0.0.1:0", ...environment },
    ["serve", ...args],
    launcher
  )
  const line = await engine.awaitOutput(/Listening on (\S+)/)
  const url = line?.[1]
  if (url === undefined) throw new Error(`serve does not listen: ${(await engine.exited).stderr}`)
  return {
    ...engine,
    url,
    get: async (path) => {
      const answer = await fetch(`${url}${path}`)
      return { status: answer.status, body: await answer.text() }
    }
  }
}
