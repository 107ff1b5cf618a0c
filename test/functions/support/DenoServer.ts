import { existsSync } from "node:fs"
import { join } from "node:path"

export const root = join(import.meta.dir, "../../..")
const program = join(root, "node_modules/deno", process.platform === "win32" ? "deno.exe" : "deno")
/** SIGKILL would end only the launcher of the npm package, not its child process Deno. */
export const deno = existsSync(program) ? program : join(root, "node_modules/.bin/deno")
export const exampleFunction = join(root, "supabase/functions/integration-sync/index.ts")
export const testFunctions = join(import.meta.dir, "testFunctions.ts")

/** Deno gets minimal permissions and none of our environment variables. */
export const serveWithDeno = async (script: string, env: Record<string, string>) => {
  const config = join(root, "supabase/functions/integration-sync/deno.json")
  const flags = ["--no-remote", "--no-npm", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env"]
  const child = Bun.spawn([deno, "run", "--config", config, ...flags, script], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0",
      ...env
    },
    stdout: "pipe",
    stderr: "pipe"
  })
  let stderr = ""
  const found = Promise.withResolvers<string>()
  const drain = async (stream: ReadableStream<Uint8Array>) => {
    let text = ""
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true })
      stderr = text.slice(-8_000)
      const url = /Listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1]
      if (url !== undefined) found.resolve(url)
    }
  }
  void drain(child.stderr)
  void drain(child.stdout)
  void child.exited.then((code) => found.reject(new Error(`deno exited with ${code}: ${stderr}`)))
  const url = await found.promise
  return {
    url,
    stop: async () => {
      child.kill("SIGKILL")
      await child.exited
    }
  }
}

export type DenoServer = Awaited<ReturnType<typeof serveWithDeno>>
