import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SQL } from "bun"
import { freePort } from "../test/support/freePort.ts"
import { findAccount, findBinaries } from "../test/support/PostgresBinaries.ts"
import { readMigrations } from "../test/support/PostgresTemplate.ts"
import { databaseSql, rolesSql } from "../test/support/supabaseProject.ts"

/** Keeps all of PostgreSQL's defaults, including fsync, except the number of connections. */
const SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
const OWNER = "postgres"

/** Tables and functions for all contenders except Sync Scheduler. */
const BENCH_SQL = `
create schema bench;
create table bench.run (
  id uuid primary key default gen_random_uuid(), integration bigint not null, status text not null default 'pending',
  created_at timestamptz not null default now(), started_at timestamptz, finished_at timestamptz
);
create function public.bench_insert(p_count integer) returns jsonb language sql as $$
  with added as (insert into bench.run (integration) select n from generate_series(1, p_count) n returning id)
  select jsonb_agg(id) from added $$;
create function public.bench_start(p_ids uuid[]) returns jsonb language sql as $$
  with done as (update bench.run set status = 'running', started_at = now() where id = any (p_ids) returning id)
  select to_jsonb(count(*)) from done $$;
create function public.bench_settle(p_ids uuid[]) returns jsonb language sql as $$
  with done as (update bench.run set status = 'completed', finished_at = now() where id = any (p_ids) returning id)
  select to_jsonb(count(*)) from done $$;
grant usage on schema bench to service_role;
grant all on bench.run to service_role;`

/** One trial's database and gateway. */
export interface Site {
  readonly databaseUrl: string
  readonly sql: SQL
  readonly gatewayUrl: string
  readonly secretKey: string
  readonly close: () => Promise<void>
}

/** The servers, each in its own process. */
export interface Servers {
  readonly version: string
  readonly functionsUrl: string
  /** The CPU time that PostgreSQL has used so far, in milliseconds. */
  readonly postgresCpuMs: () => number
  readonly createSite: (options?: { readonly gateway: boolean }) => Promise<Site>
  readonly close: () => Promise<void>
}

/** Starts a child process that prints `{"url": ...}`. The child is killed when this process exits. */
const startProcess = async (file: string, environment: Readonly<Record<string, string>> = {}) => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file)], {
    env: { ...process.env, ...environment },
    stdout: "pipe",
    stderr: "inherit"
  })
  process.on("exit", () => child.kill())
  for await (const chunk of child.stdout) {
    const told: { readonly url: string; readonly secretKey?: string } = JSON.parse(
      new TextDecoder().decode(chunk)
    )
    return { ...told, stop: () => child.kill() }
  }
  throw new Error(`${file} did not start`)
}

export const startServers = async (): Promise<Servers> => {
  const scratch = mkdtempSync(join(tmpdir(), "sync-scheduler-bench-"))
  chmodSync(scratch, 0o755)
  const account = findAccount()
  const binaries = findBinaries(scratch, account)
  const data = join(scratch, "data")
  mkdirSync(data, { mode: 0o700 })
  if (account.uid !== undefined && account.gid !== undefined) {
    chownSync(data, account.uid, account.gid)
  }
  const environment = { PATH: process.env.PATH ?? "", LC_ALL: "C", TZ: "UTC" }
  const made = spawnSync(
    binaries.initdb,
    ["-D", data, "-U", "supabase_admin", "-A", "trust", "-E", "UTF8"],
    { ...account, env: environment, cwd: data }
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`)
  const port = await freePort()
  const postgres = spawn(
    binaries.postgres,
    ["-D", data, "-p", String(port), ...SETTINGS.flatMap((setting) => ["-c", setting])],
    { ...account, env: environment, cwd: data, stdio: ["ignore", "ignore", "pipe"] }
  )
  process.on("exit", () => postgres.kill("SIGQUIT"))
  await untilReady(postgres)
  const urlOf = (user: string, name: string) => `postgres://${user}@127.0.0.1:${port}/${name}`
  const admin = new SQL(urlOf("supabase_admin", "postgres"), { max: 1 })
  await admin.unsafe(rolesSql(OWNER)).simple()
  await admin.unsafe(`create database project owner ${OWNER}`)
  await apply(urlOf("supabase_admin", "project"), [databaseSql(OWNER, [OWNER, "supabase_admin"])])
  await apply(urlOf(OWNER, "project"), [
    ...readMigrations().map(({ text }) => text),
    BENCH_SQL,
    "vacuum analyze"
  ])
  const functions = await startProcess("functions.ts")
  const [row] = await admin`show server_version`
  let sites = 0
  return {
    version: row.server_version,
    functionsUrl: `${functions.url}/functions/v1`,
    postgresCpuMs: () => cpuMsOf(postgres.pid ?? 0),
    createSite: async ({ gateway: wanted } = { gateway: false }) => {
      const name = `site_${++sites}`
      await admin.unsafe(`create database ${name} template project owner ${OWNER}`)
      const databaseUrl = urlOf(OWNER, name)
      const sql = new SQL(databaseUrl, { max: 1 })
      const gateway = wanted
        ? await startProcess("gateway.ts", { DATABASE_URL: databaseUrl })
        : { url: "", secretKey: "sb_secret_bench_0123456789", stop: () => {} }
      return {
        databaseUrl,
        sql,
        gatewayUrl: gateway.url,
        secretKey: gateway.secretKey ?? "",
        close: async () => {
          gateway.stop()
          await sql.close()
          await admin.unsafe(`drop database ${name} with (force)`)
        }
      }
    },
    close: async () => {
      await admin.close()
      functions.stop()
      const ended = once(postgres, "exit")
      postgres.kill("SIGINT")
      await ended
      rmSync(scratch, { recursive: true, force: true })
    }
  }
}

const apply = async (url: string, scripts: ReadonlyArray<string>): Promise<void> => {
  const sql = new SQL(url, { max: 1 })
  for (const text of scripts) {
    await sql.unsafe("reset all").simple()
    await sql.unsafe(text).simple()
  }
  await sql.close()
}

const untilReady = async (postgres: ChildProcess): Promise<void> => {
  let said = ""
  for await (const chunk of postgres.stderr ?? []) {
    said += String(chunk)
    if (said.includes("ready to accept connections")) {
      postgres.stderr?.resume()
      return
    }
  }
  throw new Error(`PostgreSQL did not start: ${said}`)
}

/** Returns the CPU time of the PostgreSQL server and its child processes, including exited children, in ms. Linux only. */
const cpuMsOf = (postmaster: number): number => {
  let ticks = 0
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8")
      const fields = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number)
      const isOurs = Number(name) === postmaster
      if (isOurs || fields[1] === postmaster) ticks += (fields[11] ?? 0) + (fields[12] ?? 0)
      if (isOurs) ticks += (fields[13] ?? 0) + (fields[14] ?? 0)
    } catch {
      // The process has just exited. Its CPU time now counts as time of the server's exited children.
    }
  }
  return ticks * 10
}
