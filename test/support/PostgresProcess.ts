import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync
} from "node:fs"
import { freemem, tmpdir } from "node:os"
import { join } from "node:path"
import { SQL } from "bun"
import { freePort } from "./freePort.ts"
import {
  type Account,
  findAccount,
  findBinaries,
  type PostgresBinaries,
  type PostgresVersion
} from "./PostgresBinaries.ts"

/** Supabase's superuser. On Supabase and here, `postgres` owns the databases but is not a superuser. */
export const SUPERUSER = "supabase_admin"

/** A PostgreSQL server on 127.0.0.1 without passwords. The server and its files are removed when this process ends. */
export interface PostgresProcess {
  readonly version: PostgresVersion
  readonly port: number
  readonly dataDirectory: string
  /**
   * Stops the server and waits until all its sessions have ended. SIGKILL, the default, simulates a crash. SIGINT disconnects the
   * sessions, and SIGTERM waits for them.
   */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>
  /** Stops all processes of the server for `ms` milliseconds. Connections stay open but get no response. */
  readonly freeze: (ms: number) => Promise<void>
  readonly restart: () => Promise<void>
  /** Stops the server and deletes its data. */
  readonly stop: () => Promise<void>
}

// Stops the server and deletes its files when standard input is closed, which happens whenever the test process ends.
const REAPER = `
while read -r _; do :; done
if read -r pid < "$1/pid"; then
  kill -QUIT "$pid"
  tries=0
  while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
  kill -KILL "$pid"
fi 2>/dev/null
rm -rf "$1"`

// Synchronous commit stays on, because crash tests rely on acknowledged commits. Without fsync, the data survives a server crash.
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  fsync: "off",
  full_page_writes: "off",
  max_wal_size: "256MB",
  timezone: "UTC",
  log_timezone: "UTC"
} as const

export const INITDB_FLAGS = ["-U", SUPERUSER, "-A", "trust", "--no-sync", "-E", "UTF8"] as const

const environment = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" }

interface Programs extends PostgresBinaries {
  readonly account: Account
}

declare global {
  var syncSchedulerTestPrograms: Map<PostgresVersion | undefined, Programs> | undefined
}

export const findPrograms = (wanted?: PostgresVersion): Programs => {
  globalThis.syncSchedulerTestPrograms ??= new Map()
  const known = globalThis.syncSchedulerTestPrograms
  const found = known.get(wanted)
  if (found !== undefined) return found
  const account = findAccount()
  const { path, remove } = makeScratch()
  const programs = { ...findBinaries(path, account, wanted), account }
  // A directory that contains a copy of the programs must remain until this process ends.
  if (!programs.postgres.startsWith(path)) void remove()
  known.set(wanted, programs)
  return programs
}

const makeScratch = (
  parent = tmpdir()
): { readonly path: string; readonly remove: () => Promise<void> } => {
  const path = mkdtempSync(join(parent, "sync-scheduler-postgres-"))
  chmodSync(path, 0o755)
  const reaper = spawn("/bin/sh", ["-c", REAPER, "sh", path], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true
  })
  reaper.unref()
  const remove = async () => {
    const gone = reaper.exitCode === null ? once(reaper, "exit") : undefined
    reaper.stdin?.end()
    await gone
  }
  return { path, remove }
}

const GIGABYTE = 2 ** 30

/**
 * The disk is slow here: the tests create hundreds of databases of 300 files each, and ext4 skips all recently freed inodes
 * whenever it creates a file.
 */
const clusterParent = (): string => {
  const memory = "/dev/shm"
  if (!existsSync(memory) || freemem() < 6 * GIGABYTE) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize < 4 * GIGABYTE ? tmpdir() : memory
}

export const copyCluster = async (from: string, to: string): Promise<void> => {
  const copy = Bun.spawn(["cp", "-Rp", from, to], { stdout: "ignore", stderr: "pipe" })
  const [errors, code] = await Promise.all([new Response(copy.stderr).text(), copy.exited])
  if (code !== 0) throw new Error(`cp: ${errors}`)
}

const initialize = ({ account, initdb }: Programs, dataDirectory: string): void => {
  mkdirSync(dataDirectory, { mode: 0o700 })
  if (account.uid !== undefined && account.gid !== undefined) {
    chownSync(dataDirectory, account.uid, account.gid)
  }
  const made = spawnSync(initdb, ["-D", dataDirectory, ...INITDB_FLAGS], {
    ...account,
    env: environment,
    cwd: dataDirectory
  })
  if (made.status !== 0) throw new Error(`initdb: ${made.error ?? made.stderr}`)
}

/** `cluster` is a stopped server's data directory. The new server uses a copy. By default, the new server is empty. */
export interface ProcessOptions {
  readonly version?: PostgresVersion | undefined
  readonly variables?: Readonly<Record<string, string>> | undefined
  readonly cluster?: string | undefined
}

export const startPostgresProcess = async (
  options: ProcessOptions = {}
): Promise<PostgresProcess> => {
  const programs = findPrograms(options.version)
  const { path: scratch, remove } = makeScratch(clusterParent())
  try {
    const { account, postgres: program } = programs
    const dataDirectory = join(scratch, "data")
    if (options.cluster === undefined) initialize(programs, dataDirectory)
    else await copyCluster(options.cluster, dataDirectory)
    const cluster = { scratch, dataDirectory, program, account, variables: options.variables ?? {} }
    let port = await freePort()
    let child = await launch(cluster, port).catch(async () => {
      port = await freePort()
      return launch(cluster, port)
    })
    const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, "exit")
      const backends = signal === "SIGKILL" ? listChildren(child.pid) : []
      child.kill(signal)
      await exited
      for (const pid of backends) await killAndWait(pid)
      rmSync(join(scratch, "pid"), { force: true })
    }
    return {
      version: programs.version,
      port,
      dataDirectory,
      kill,
      freeze: async (ms) => {
        const { pid } = child
        if (pid === undefined) return
        process.kill(pid, "SIGSTOP")
        const stopped = [pid, ...listChildren(pid)]
        for (const one of stopped) signal(one, "SIGSTOP")
        await Bun.sleep(ms)
        for (const one of stopped) signal(one, "SIGCONT")
      },
      restart: async () => {
        await kill("SIGINT")
        child = await launch(cluster, port)
      },
      stop: async () => {
        await kill("SIGQUIT")
        await remove()
      }
    }
  } catch (error) {
    await remove()
    throw error
  }
}

interface Cluster {
  readonly scratch: string
  readonly dataDirectory: string
  readonly program: string
  readonly account: Account
  readonly variables: Readonly<Record<string, string>>
}

/** Retries while backends of a killed server still hold its shared memory. */
const launch = async (cluster: Cluster, port: number): Promise<ChildProcess> => {
  const log = join(cluster.scratch, "server.log")
  for (let attempt = 1; ; attempt++) {
    const output = openSync(log, "a")
    const start = statSync(log).size
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const child = spawn(
      cluster.program,
      ["-D", cluster.dataDirectory, "-p", String(port), ...settings],
      {
        ...cluster.account,
        env: { ...environment, ...cluster.variables },
        cwd: cluster.dataDirectory,
        stdio: ["ignore", output, output],
        detached: true
      }
    )
    child.unref()
    closeSync(output)
    if (child.pid === undefined) throw new Error(`${cluster.program} did not start`)
    writeFileSync(join(cluster.scratch, "pid"), `${child.pid}\n`)
    const said = await waitUntilReady(child, () => readFileSync(log, "utf8").slice(start))
    if (said === "ready") {
      const fault = await verifyDataDirectory(cluster, port).catch((error: unknown) => error)
      if (fault === undefined) return child
      // A retry on another port needs the data directory, so wait until the first process has ended.
      await end(child)
      throw fault
    }
    await end(child)
    rmSync(join(cluster.scratch, "pid"), { force: true })
    if (!said.includes("shared memory block") || attempt === 50) throw new Error(said)
    await Bun.sleep(100)
  }
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, "exit")
  child.kill("SIGKILL")
  await exited
}

const waitUntilReady = async (child: ChildProcess, read: () => string): Promise<string> => {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    const said = read()
    // A standby reports "read-only connections".
    if (/ready to accept (read-only )?connections/.test(said)) return "ready"
    if (child.exitCode !== null || child.signalCode !== null) return read()
    await Bun.sleep(10)
  }
  return `not ready within a minute: ${read()}`
}

/** Fails if the server on the port does not use this cluster's data directory. */
const verifyDataDirectory = async (cluster: Cluster, port: number): Promise<void> => {
  const sql = new SQL(`postgres://${SUPERUSER}@127.0.0.1:${port}/postgres`, { max: 1 })
  try {
    const rows: ReadonlyArray<{ data_directory: string }> = await sql`show data_directory`
    const found = rows[0]?.data_directory
    if (found !== cluster.dataDirectory) throw new Error(`port ${port} serves ${found}`)
  } finally {
    await sql.close()
  }
}

/** Lists the server's sessions, which still respond for a moment after the server is killed. */
const listChildren = (parent: number | undefined): ReadonlyArray<number> => {
  const table = spawnSync("ps", ["-A", "-o", "pid=,ppid="])
  const pairs = table.error ? readProc() : table.stdout.toString().trim().split("\n").map(toNumbers)
  return pairs.flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []))
}

/** Linux machines without `ps` have /proc. Each process has a line "pid (name) state ppid ...". */
const readProc = (): ReadonlyArray<ReadonlyArray<number>> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8")
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        return [[Number(name), Number(fields[1])]]
      } catch {
        return []
      }
    })

const toNumbers = (line: string): ReadonlyArray<number> => line.trim().split(/\s+/).map(Number)

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch {}
}

/** Waits until the process has ended or is a zombie, which sends no responses. */
const killAndWait = async (pid: number): Promise<void> => {
  try {
    process.kill(pid, "SIGKILL")
    for (let tries = 0; tries < 100 && !isZombie(pid); tries++) {
      process.kill(pid, 0)
      await Bun.sleep(10)
    }
  } catch {}
}

const isZombie = (pid: number): boolean => {
  const path = `/proc/${pid}/stat`
  return existsSync(path) && / Z \d+ /.test(readFileSync(path, "utf8"))
}
