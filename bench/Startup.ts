import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaryPath } from "../test/support/binary.ts"
import type { Servers } from "./Servers.ts"

/** Start to exit, in milliseconds, each of `times` in turn. */
export interface Startup {
  readonly hello: ReadonlyArray<number>
  /** `help`, which must be there within 50 ms, and `ready` against nobody: what answers without loading Effect. */
  readonly help: ReadonlyArray<number>
  readonly ready: ReadonlyArray<number>
  readonly idleDirect: ReadonlyArray<number>
  readonly idleApi: ReadonlyArray<number>
}

/** The binary that ships with nothing due, beside a compiled program that says hello. */
export const measureStartup = async (servers: Servers, times: number): Promise<Startup> => {
  const binary = await binaryPath()
  const scratch = mkdtempSync(join(tmpdir(), "sync-scheduler-hello-"))
  const site = await servers.createSite({ gateway: true })
  try {
    const hello = join(scratch, "hello")
    writeFileSync(`${hello}.ts`, 'console.log("hello")\n')
    const flags = ["build", "--compile", "--minify", "--bytecode", "--outfile", hello]
    Bun.spawnSync([process.execPath, ...flags, `${hello}.ts`], { stdout: "ignore" })
    const functions = { SYNC_SCHEDULER_FUNCTION_URL: `${servers.functionsUrl}/sleep-0` }
    const api = { SUPABASE_URL: site.gatewayUrl, SUPABASE_SECRET_KEY: site.secretKey, ...functions }
    const result = { hello: [0], help: [0], ready: [0], idleDirect: [0], idleApi: [0] }
    for (let n = 0; n < times + 1; n++) {
      result.hello.push(await startToExit([hello], {}))
      result.help.push(await startToExit([binary, "help"], {}))
      const nowhere = ["ready", "--url", "http://127.0.0.1:1"]
      result.ready.push(await startToExit([binary, ...nowhere], {}, 1))
      const direct = { ...api, SUPABASE_DB_URL: site.databaseUrl }
      result.idleDirect.push(await startToExit([binary, "run", "-o", "json"], direct))
      result.idleApi.push(await startToExit([binary, "run", "-o", "json"], api))
    }
    // The first of each reads the file from disk.
    return {
      hello: result.hello.slice(2),
      help: result.help.slice(2),
      ready: result.ready.slice(2),
      idleDirect: result.idleDirect.slice(2),
      idleApi: result.idleApi.slice(2)
    }
  } finally {
    await site.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

const startToExit = async (
  command: Array<string>,
  env: Readonly<Record<string, string>>,
  expected = 0
): Promise<number> => {
  const start = performance.now()
  const child = Bun.spawn(command, { env: { ...env }, stdout: "ignore", stderr: "pipe" })
  const code = await child.exited
  const took = performance.now() - start
  if (code !== expected) throw new Error(`${command}: ${await new Response(child.stderr).text()}`)
  return took
}
