import { binaryPath } from "../test/support/binary.ts"
import { compile } from "./Compile.ts"
import type { Servers } from "./Servers.ts"

/** Minimal programs, compiled with the options of the binary. `query` uses Effect and sends one query. */
const PROGRAMS = {
  hello: 'console.log("hello")',
  query: `import { Effect } from "effect"
    const sql = new Bun.SQL(process.env.SUPABASE_DB_URL, { max: 1 })
    await Effect.runPromise(Effect.flatMap(Effect.promise(() => sql\`select 1 as one\`), (rows) => Effect.log(rows)))
    process.exit(0)`
} as const

interface Command {
  readonly words: Array<string>
  readonly env: Readonly<Record<string, string>>
  readonly exit: number
}

/** Durations from start to exit, in ms, one for each repetition. */
export type Startup = Readonly<Record<Name, ReadonlyArray<number>>>
type Name = keyof typeof PROGRAMS | "help" | "ready" | "idleDirect" | "idleApi"

/**
 * Measures the duration of three commands: `help`, `ready` without a server, and `run` with nothing due. For comparison, also
 * measures programs that do almost nothing. The limit for `help` is 50 ms.
 */
export const measureStartup = async (servers: Servers, times: number): Promise<Startup> => {
  const binary = await binaryPath()
  const site = await servers.createSite({ gateway: true })
  try {
    const api = {
      SUPABASE_URL: site.gatewayUrl,
      SUPABASE_SECRET_KEY: site.secretKey,
      SYNC_SCHEDULER_FUNCTION_URL: `${servers.functionsUrl}/sleep-0`
    }
    const direct = { ...api, SUPABASE_DB_URL: site.databaseUrl }
    const command = (words: Array<string>, env = {}, exit = 0): Command => ({ words, env, exit })
    const commands: Readonly<Record<Name, Command>> = {
      hello: command([await compile("hello", PROGRAMS.hello)]),
      query: command([await compile("query", PROGRAMS.query)], direct),
      help: command([binary, "help"]),
      ready: command([binary, "ready", "--url", "http://127.0.0.1:1"], {}, 1),
      idleDirect: command([binary, "run", "-o", "json"], direct),
      idleApi: command([binary, "run", "-o", "json"], api)
    }
    const took: Record<Name, Array<number>> = {
      ...{ hello: [], query: [], help: [], ready: [], idleDirect: [], idleApi: [] }
    }
    const names = Object.keys(took) as ReadonlyArray<Name>
    // The first start reads the program from disk, so it is not measured.
    for (const name of names) await startToExit(commands[name])
    for (let n = 0; n < times; n++) {
      for (const name of names) took[name].push(await startToExit(commands[name]))
    }
    return took
  } finally {
    await site.close()
  }
}

const startToExit = async ({ env, exit, words }: Command): Promise<number> => {
  const start = performance.now()
  const child = Bun.spawn(words, { env: { ...env }, stdout: "ignore", stderr: "pipe" })
  const code = await child.exited
  const took = performance.now() - start
  if (code !== exit) throw new Error(`${words}: ${await new Response(child.stderr).text()}`)
  return took
}
