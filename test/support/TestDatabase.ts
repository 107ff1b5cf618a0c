import { createHash, randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { connect, type PostgresServer, startPostgres } from "./Postgres.ts"
import { databaseSql } from "./supabaseProject.ts"

const MIGRATIONS = join(import.meta.dir, "../../supabase/migrations")

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
    await runScripts(urls.url, [{ name: "sql", text: options.sql }])
  }
  return { name, ...urls, server, drop }
}

/** The files of supabase/migrations in the order in which they are applied. */
export const readMigrations = (): ReadonlyArray<{ name: string; text: string }> =>
  readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith(".sql"))
    .toSorted()
    .map((name) => ({ name, text: readFileSync(join(MIGRATIONS, name), "utf8") }))

const databaseUrls = (server: PostgresServer, name: string) => {
  const adminUrl = new URL(server.adminUrl)
  adminUrl.pathname = `/${name}`
  const url = new URL(adminUrl)
  if (server.source !== "environment") url.username = server.owner
  return { url: url.href, adminUrl: adminUrl.href }
}

const templates = new WeakMap<PostgresServer, Map<string, Promise<string>>>()

const findTemplate = (server: PostgresServer, migrated: boolean): Promise<string> => {
  const scripts = migrated ? readMigrations() : []
  const project = databaseSql(server.owner, [...new Set([server.owner, currentAdmin(server)])])
  const hash = createHash("sha256")
    .update(JSON.stringify([project, scripts]))
    .digest("hex")
  const name = `sync_scheduler_template_${hash.slice(0, 16)}`
  const known = templates.get(server) ?? new Map<string, Promise<string>>()
  templates.set(server, known)
  const template = known.get(name) ?? buildTemplate(server, name, project, scripts)
  known.set(name, template)
  // A migration that failed is tried anew, so that every test that needs it says why.
  template.catch(() => known.delete(name))
  return template
}

const buildTemplate = async (
  server: PostgresServer,
  name: string,
  project: string,
  scripts: ReadonlyArray<{ name: string; text: string }>
): Promise<string> => {
  const session = await server.admin.reserve()
  try {
    // Several test processes may share a server; one builds, the others wait and find it built.
    await session`select pg_advisory_lock(hashtext(${name}))`
    const built = await session`select from pg_database where datname = ${name} and datistemplate`
    if (built.length > 0) return name
    await session.unsafe(`drop database if exists ${name} with (force)`)
    await session.unsafe(`create database ${name} owner ${server.owner}`)
    const urls = databaseUrls(server, name)
    await runScripts(urls.adminUrl, [{ name: "project", text: project }])
    await runScripts(urls.url, scripts)
    await session.unsafe(`alter database ${name} with is_template true allow_connections false`)
    return name
  } finally {
    await session`select pg_advisory_unlock_all()`
    session.release()
  }
}

/** Applies scripts as `supabase db push` does: each in a transaction of its own, one session for all. */
const runScripts = async (
  url: string,
  scripts: ReadonlyArray<{ name: string; text: string }>
): Promise<void> => {
  const sql = connect(url, { max: 1 })
  try {
    for (const { name, text } of scripts) {
      await sql.unsafe("reset all").simple()
      await sql
        .unsafe(text)
        .simple()
        .catch((error: unknown) => {
          throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, {
            cause: error
          })
        })
    }
  } finally {
    await sql.close()
  }
}

const currentAdmin = (server: PostgresServer): string => new URL(server.adminUrl).username
