import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { rename, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import { copyCluster, findPrograms, INITDB_FLAGS, SUPERUSER } from "./PostgresProcess.ts"
import { startOwn } from "./PostgresServer.ts"
import { findTemplate, readMigrations } from "./PostgresTemplate.ts"
import { databaseSql, rolesSql } from "./supabaseProject.ts"

const CACHE = resolve(import.meta.dir, "../../node_modules/.cache/sync-scheduler")
const HOUR = 3_600_000

declare global {
  var syncSchedulerTestClusters: Map<PostgresVersion | undefined, Promise<string>> | undefined
}

/**
 * Returns the data directory of a stopped cluster with Supabase's roles and both template databases. A copy takes a tenth of the
 * CPU time of initdb and the migrations. All test processes share the directory.
 */
export const findPreparedCluster = (wanted?: PostgresVersion): Promise<string> => {
  globalThis.syncSchedulerTestClusters ??= new Map()
  const known = globalThis.syncSchedulerTestClusters
  const cluster = known.get(wanted) ?? find(wanted)
  known.set(wanted, cluster)
  // A failure is not cached, so every test that needs the cluster reports the error.
  cluster.catch(() => known.delete(wanted))
  return cluster
}

const find = async (wanted?: PostgresVersion): Promise<string> => {
  const { account, release, version } = findPrograms(wanted)
  const contents = [
    [release, account, INITDB_FLAGS, rolesSql("postgres")],
    [databaseSql("postgres", ["postgres", SUPERUSER]), readMigrations()]
  ]
  const hash = createHash("sha256").update(JSON.stringify(contents)).digest("hex")
  const directory = join(CACHE, `postgres-${version}-${hash.slice(0, 16)}`)
  mkdirSync(CACHE, { recursive: true })
  const lock = `${directory}.lock`
  while (!existsSync(directory)) {
    if (!takeLock(lock)) {
      await Bun.sleep(50)
      continue
    }
    try {
      if (!existsSync(directory)) await prepare(directory, wanted)
    } finally {
      await rm(lock, { force: true })
    }
  }
  return directory
}

/** Returns false if the lock file exists. Removes the file if the process that created it has ended. */
const takeLock = (lock: string): boolean => {
  try {
    writeFileSync(lock, `${process.pid}`, { flag: "wx" })
    return true
  } catch {
    // The file exists or existed a moment ago.
  }
  try {
    const pid = Number(readFileSync(lock, "utf8"))
    if (pid > 0) process.kill(pid, 0)
  } catch {
    void rm(lock, { force: true })
  }
  return false
}

const prepare = async (directory: string, wanted?: PostgresVersion): Promise<void> => {
  const server = await startOwn({ version: wanted })
  try {
    await findTemplate(server, false)
    await findTemplate(server, true)
    await server.admin.close({ timeout: 0 })
    await server.kill("SIGINT")
    // Other processes must never see an incomplete copy.
    const part = `${directory}.${process.pid}`
    await copyCluster(server.dataDirectory, part)
    await rename(part, directory)
  } finally {
    await server.stop()
  }
  // Removes clusters of older migrations. A running test can still use a cluster that is less than an hour old.
  for (const name of readdirSync(CACHE).filter((each) => each.startsWith("postgres-"))) {
    const path = join(CACHE, name)
    if (path !== directory && Date.now() - statSync(path).mtimeMs > HOUR) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
