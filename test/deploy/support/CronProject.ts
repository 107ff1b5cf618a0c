import { appendFileSync, existsSync } from "node:fs"
import { join } from "node:path"
import type { SQL } from "bun"
import { buildEdge } from "../../../scripts/build-edge.ts"
import { root, serveWithDeno } from "../../functions/support/DenoServer.ts"
import { type FunctionServer, startFunctionServer } from "../../support/FunctionServer.ts"
import { connect, createDatabase, startPostgres } from "../../support/Postgres.ts"
import { startGateway } from "../../support/RpcGateway.ts"
import { forwardQueue, NET_AND_VAULT, type Sent } from "./NetStandIn.ts"

/** A Supabase project that starts its own ticks: real PostgreSQL with real pg_cron, real Deno, and a stand-in for pg_net. */
export interface CronProject {
  /** As postgres, who owns the tables and the jobs. */
  readonly databaseUrl: string
  readonly sql: SQL
  readonly functions: FunctionServer
  readonly environment: Readonly<Record<string, string>>
  /** What `project_url` in Vault is to be. */
  readonly url: string
  /** Every request that pg_net was given, with its answer. */
  readonly sent: ReadonlyArray<Sent>
  readonly close: () => Promise<void>
}

/** *Fails* with what to install where pg_cron is not there. */
export const startCronProject = async (): Promise<CronProject> => {
  const server = await startPostgres({ fresh: true, version: "system" })
  const control = `/usr/share/postgresql/${server.major}/extension/pg_cron.control`
  if (!existsSync(control)) {
    await server.stop()
    throw new Error(`no pg_cron: apt-get install postgresql-${server.major}-cron`)
  }
  const database = await createDatabase({ server })
  appendFileSync(
    join(server.dataDirectory, "postgresql.conf"),
    `\nshared_preload_libraries = 'pg_cron'\ncron.database_name = '${database.name}'\ncron.host = '127.0.0.1'\n`
  )
  await server.restart()
  const admin = connect(database.adminUrl, { max: 1 })
  // As Supabase does, where pg_cron belongs to a superuser and postgres may use it.
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
  await buildEdge()
  const edge = await serveWithDeno(join(root, "supabase/functions/sync-scheduler/index.ts"), {
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
    }
  }
}
