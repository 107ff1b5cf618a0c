import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deno } from "../functions/support/DenoServer.ts"

const root = join(import.meta.dir, "../..")
const modules = join(root, "node_modules")
const platform = join(modules, `@supabase/cli-${process.platform}-${process.arch}/bin/supabase`)
/** The platform's program, without the Node.js process that npm's command starts first. */
export const realCli = existsSync(platform) ? platform : join(modules, ".bin/supabase")

/** Bun's optimizing compiler is off, because it would use half of the CPU time of such short commands. */
export const CLI_ENVIRONMENT = {
  BUN_JSC_useDFGJIT: "0",
  DO_NOT_TRACK: "1",
  SUPABASE_TELEMETRY_DISABLED: "1"
} as const

export interface StandInProject {
  readonly url: string
  readonly secretKey: string
  readonly databaseUrl: string
  readonly functionsPort: number
  /** By default, the local stack runs only after `supabase start`. */
  readonly isRunning?: boolean
}

export interface SupabaseStandIn {
  readonly directory: string
  readonly calls: () => Promise<ReadonlyArray<string>>
  readonly forget: () => Promise<void>
  readonly close: () => Promise<void>
}

declare global {
  var syncSchedulerTestCliCache: string | undefined
}

/** The files that the real `supabase init` created, for each directory name. The directory is deleted when this process ends. */
const initCache = (): string => {
  const known = globalThis.syncSchedulerTestCliCache
  if (known !== undefined) return known
  const made = mkdtempSync(join(tmpdir(), "sync-scheduler-init-"))
  process.on("exit", () => rmSync(made, { recursive: true, force: true }))
  globalThis.syncSchedulerTestCliCache = made
  return made
}

/**
 * Uses the real CLI for commands that need neither Docker nor an account, and simulates all other commands. The function servers
 * run the real function in real Deno. Calls that match the regular expression in `STANDIN_FAIL` fail as if there were no network.
 * After call number `STANDIN_KILL`, the stand-in kills its parent process.
 */
export const makeStandIn = async (
  place: string,
  project: StandInProject
): Promise<SupabaseStandIn> => {
  const directory = join(place, "stand-in")
  const log = join(directory, "calls.txt")
  await mkdir(directory, { recursive: true })
  await writeFile(log, "")
  const program = join(directory, "supabase")
  await writeFile(program, script(project, directory, log))
  await chmod(program, 0o755)
  return {
    directory,
    calls: async () => (await readFile(log, "utf8")).split("\n").filter((line) => line !== ""),
    forget: () => writeFile(log, ""),
    close: async () => {
      const pids = await readFile(join(directory, "pids.txt"), "utf8").catch(() => "")
      for (const pid of pids.split("\n").filter((line) => line !== "")) {
        try {
          process.kill(Number(pid), "SIGKILL")
        } catch {}
      }
    }
  }
}

const script = (project: StandInProject, directory: string, log: string): string =>
  `#!${process.execPath}
// A stand-in for the Supabase CLI, for tests: see test/support/SupabaseStandIn.ts.
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
const project = ${JSON.stringify(project)}
const args = process.argv.slice(2)
const line = args.map((arg) => (/\\s/.test(arg) ? JSON.stringify(arg) : arg)).join(" ")
appendFileSync(${JSON.stringify(log)}, line + "\\n")
const count = readFileSync(${JSON.stringify(log)}, "utf8").split("\\n").length - 1
const has = (...words) => words.every((word, index) => args[index] === word)
const running = ${JSON.stringify(join(directory, "running"))}
const say = (value) => console.log(JSON.stringify(value))
const refuse = (text) => {
  console.error(text)
  process.exit(1)
}
const end = (code) => {
  if (String(count) === process.env.STANDIN_KILL) process.kill(process.ppid, "SIGKILL")
  process.exit(code)
}
const real = async (rest) => {
  const env = { ...process.env, ...${JSON.stringify(CLI_ENVIRONMENT)} }
  const child = Bun.spawn([${JSON.stringify(realCli)}, ...rest], { env, stdio: ["ignore", "inherit", "inherit"] })
  return child.exited
}
const pass = async (rest) => end(await real(rest))
const serve = (name, isKept) => {
  const env = {
    ...process.env,
    DENO_NO_UPDATE_CHECK: "1",
    DENO_SERVE_ADDRESS: "tcp:127.0.0.1:" + project.functionsPort,
    SUPABASE_URL: project.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: project.secretKey })
  }
  const flags = ["--no-remote", "--no-npm", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env"]
  const child = Bun.spawn([${JSON.stringify(deno)}, "run", ...flags, "supabase/functions/" + name + "/index.ts"], {
    env, stdio: ["ignore", "ignore", isKept ? "ignore" : "inherit"], detached: isKept
  })
  appendFileSync(${JSON.stringify(join(directory, "pids.txt"))}, child.pid + "\\n")
  if (isKept) child.unref()
  return child
}
if (new RegExp(process.env.STANDIN_FAIL || "^$").test(line)) refuse("failed to connect to the server: dial tcp: lookup api.supabase.com: no such host")

if (line === "init" && !existsSync("supabase")) {
  // The result depends only on the directory's name, so each test process runs the real command once for each name.
  const made = join(${JSON.stringify(initCache())}, basename(process.cwd()))
  if (!existsSync(made)) {
    const code = await real(args)
    if (code !== 0) end(code)
    cpSync("supabase", made + "." + process.pid, { recursive: true })
    renameSync(made + "." + process.pid, made)
  } else cpSync(made, "supabase", { recursive: true })
  end(0)
} else if (has("init")) await pass(args)
else if (has("db", "push") || has("db", "query") || has("migration", "list")) {
  const isNamed = args.some((arg) => /^--(remote=|db-url)/.test(arg))
  await pass(isNamed ? args : [...args.filter((arg) => arg !== "--remote"), "--remote=" + project.databaseUrl])
} else if (has("start")) {
  writeFileSync(running, "")
  end(0)
} else if (has("status")) {
  if (!project.isRunning && !existsSync(running)) refuse("failed to inspect container health: no such container")
  say({ API_URL: project.url, DB_URL: project.databaseUrl, SECRET_KEY: project.secretKey, FUNCTIONS_URL: project.url + "/functions/v1" })
  end(0)
} else if (has("functions", "serve")) {
  const child = serve("integration-sync", false)
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill("SIGKILL"))
  if (String(count) === process.env.STANDIN_KILL) { child.kill("SIGKILL"); end(0) }
  // The function server ends when the process that started it ends, just as containers stop when the CLI stops.
  setInterval(() => { try { process.kill(process.ppid, 0); if (process.ppid === 1) throw 0 } catch { child.kill("SIGKILL"); process.exit(0) } }, 200)
  await child.exited
  process.exit(0)
} else if (has("functions", "deploy")) {
  serve(args[2], true)
  end(0)
} else if (has("link")) {
  mkdirSync("supabase/.temp", { recursive: true })
  writeFileSync("supabase/.temp/project-ref", args[2])
  end(0)
} else if (has("projects", "api-keys")) {
  say([{ name: "anon", api_key: "eyJ.anon", type: "legacy" }, { name: "default", api_key: project.secretKey, type: "secret" }])
  end(0)
} else if (has("secrets", "set")) end(0)
else refuse("the stand-in does not know: " + line)
`
