import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { connect, type PostgresServer } from "./PostgresServer.ts"
import { databaseSql } from "./supabaseProject.ts"

const MIGRATIONS = join(import.meta.dir, "../../supabase/migrations")

export const readMigrations = (): ReadonlyArray<{ name: string; text: string }> =>
  readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith(".sql"))
    .toSorted()
    .map((name) => ({ name, text: readFileSync(join(MIGRATIONS, name), "utf8") }))

export const databaseUrls = (server: PostgresServer, name: string) => {
  const adminUrl = new URL(server.adminUrl)
  adminUrl.pathname = `/${name}`
  const url = new URL(adminUrl)
  if (server.source !== "environment") url.username = server.owner
  return { url: url.href, adminUrl: adminUrl.href }
}

const templates = new WeakMap<PostgresServer, Map<string, Promise<string>>>()

/** The first call builds the template, and other processes on the same server reuse it. */
export const findTemplate = (server: PostgresServer, migrated: boolean): Promise<string> => {
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
  // A failed build is not cached, so every test that needs the template reports the error.
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
    // Test processes can share a server. One builds the template while the others wait.
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

/** Applies scripts as `supabase db push` does: each in its own transaction, all in one session. */
export const runScripts = async (
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
