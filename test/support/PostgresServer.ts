import { SQL } from "bun"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import {
  type PostgresProcess,
  type ProcessOptions,
  SUPERUSER,
  startPostgresProcess
} from "./PostgresProcess.ts"
import { rolesSql } from "./supabaseProject.ts"

export interface PostgresServer {
  readonly source: "environment" | PostgresVersion
  readonly major: number
  readonly adminUrl: string
  /** The role that owns databases and runs migrations: `postgres`, or the user in `TEST_DATABASE_URL`. */
  readonly owner: string
  readonly admin: SQL
}

/** A server that a single test can stop or change. Its URLs stay valid across restarts. */
export interface OwnPostgresServer extends PostgresServer, PostgresProcess {}

export const connect = (url: string, options: { readonly max?: number } = {}): SQL =>
  new SQL(url, { max: options.max ?? 4 })

/** An empty server gets Supabase's roles. A given `cluster` already contains them. */
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

/** Adds missing roles, and never stops the server. */
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
