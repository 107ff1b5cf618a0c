import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { SQL } from "bun"
import { root, serveWithDeno } from "../../functions/support/DenoServer.ts"
import { binaryPath } from "../../support/binary.ts"
import { type FunctionServer, startFunctionServer } from "../../support/FunctionServer.ts"
import { connect, createDatabase, startPostgres } from "../../support/Postgres.ts"
import { startGateway } from "../../support/RpcGateway.ts"
import { blocksOf } from "./HowTo.ts"
import { forwardQueue, NET_AND_VAULT, type Sent } from "./NetStandIn.ts"

/** Real PostgreSQL with pg_cron, real Deno, and a stand-in for pg_net. */
export interface CronProject {
  readonly databaseUrl: string
  readonly sql: SQL
  readonly functions: FunctionServer
  readonly environment: Readonly<Record<string, string>>
  readonly url: string
  /** The user's folder, with the files that the how-to page's commands wrote. */
  readonly folder: string
  readonly sent: ReadonlyArray<Sent>
  readonly close: () => Promise<void>
}

/** *Fails* with installation instructions if pg_cron is missing. */
export const startCronProject = async (): Promise<CronProject> => {
  const server = await startPostgres({ fresh: true, version: "system" })
  const control = `/usr/share/postgresql/${server.major}/extension/pg_cron.control`
  if (!existsSync(control)) {
    await server.stop()
    throw new Error(`no pg_cron: apt-get install postgresql-${server.major}-cron`)
  }
  const database = await createDatabase({ server, migrations: false })
  appendFileSync(
    join(server.dataDirectory, "postgresql.conf"),
    `\nshared_preload_libraries = 'pg_cron'\ncron.database_name = '${database.name}'\ncron.host = '127.0.0.1'\n`
  )
  await server.restart()
  const admin = connect(database.adminUrl, { max: 1 })
  // As on Supabase, a superuser owns pg_cron, and the role `postgres` may use it.
  await admin
    .unsafe(`create extension pg_cron; grant usage on schema cron to postgres;
             grant all on all tables in schema cron to postgres; ${NET_AND_VAULT}`)
    .simple()

  const functions = await startFunctionServer()
  let edgeUrl = ""
  const router = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url)
      const isEdge = pathname === "/sync-scheduler"
      const { headers, method } = request
      const body = method === "POST" ? await request.text() : null
      return fetch(isEdge ? edgeUrl : `${functions.url}${pathname}`, { method, headers, body })
    }
  })
  const gateway = await startGateway({
    databaseUrl: database.url,
    functionsUrl: router.url.origin
  })
  const folder = await setUp(database.url)
  const edge = await serveWithDeno(join(folder, "supabase/functions/sync-scheduler/index.ts"), {
    SUPABASE_URL: gateway.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: gateway.secretKey })
  })
  edgeUrl = edge.url
  const { sent, stop } = forwardQueue(admin)
  const sql = connect(database.url)
  return {
    databaseUrl: database.url,
    sql,
    functions,
    environment: { SUPABASE_URL: gateway.url, SUPABASE_SECRET_KEY: gateway.secretKey },
    url: gateway.url,
    folder,
    sent,
    close: async () => {
      await stop()
      await edge.stop()
      await router.stop(true)
      await gateway.close()
      await functions.close()
      await sql.close({ timeout: 0 })
      await admin.close({ timeout: 0 })
      await server.stop()
      rmSync(folder, { recursive: true })
    }
  }
}

/**
 * Runs the how-to page's commands with the real Supabase CLI. Deno serves the functions locally, because they cannot be deployed
 * here.
 */
const setUp = async (databaseUrl: string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "sync-scheduler-user-"))
  mkdirSync(join(folder, "supabase"))
  writeFileSync(join(folder, "supabase/config.toml"), 'project_id = "user"\n')
  const [script = ""] = blocksOf("pg-cron-edge.md", "sh", {
    "supabase db push": `supabase db push --yes --db-url '${databaseUrl}?sslmode=disable'`,
    "supabase functions deploy sync-scheduler":
      "test -s supabase/functions/sync-scheduler/engine.js"
  })
  const path = [dirname(await binaryPath()), join(root, "node_modules/.bin"), process.env.PATH]
  const child = Bun.spawn(["/bin/bash", "-ec", script], {
    cwd: folder,
    env: { PATH: path.join(":"), HOME: folder, SUPABASE_TELEMETRY_DISABLED: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  const said = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text()
  ])
  if ((await child.exited) !== 0) throw new Error(`the page's commands failed: ${said.join("\n")}`)
  return folder
}
