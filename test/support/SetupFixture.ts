import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { SQL } from "bun"
import { freePort } from "./freePort.ts"
import { connect, createDatabase } from "./Postgres.ts"
import { type RpcGateway, startGateway } from "./RpcGateway.ts"
import { type Ended, runBinary } from "./runBinary.ts"
import { makeStandIn, type SupabaseStandIn } from "./SupabaseStandIn.ts"

type Environment = Readonly<Record<string, string>>

/** Everything that `setup` needs: an empty directory, a stand-in for the Supabase CLI, a database, and the API. */
export interface SetupFixture {
  readonly project: string
  readonly gateway: RpcGateway
  readonly sql: SQL
  readonly standIn: SupabaseStandIn
  readonly environment: (more?: Environment) => Environment
  readonly setup: (args: ReadonlyArray<string>, more?: Environment) => Promise<Ended>
  readonly write: (files: Environment) => Promise<void>
  readonly tree: () => Promise<Record<string, string>>
  readonly runs: () => Promise<ReadonlyArray<{ trigger: string; status: string; attempt: number }>>
  readonly reset: () => Promise<void>
  readonly close: () => Promise<void>
}

export const openSetupFixture = async (): Promise<SetupFixture> => {
  const place = await mkdtemp(join(tmpdir(), "sync-scheduler-setup-"))
  const project = join(place, "acme")
  await mkdir(project)
  const database = await createDatabase({ migrations: false })
  const sql = connect(database.url, { max: 2 })
  const functionsPort = await freePort()
  const functionsUrl = `http://127.0.0.1:${functionsPort}`
  const gateway = await startGateway({ databaseUrl: database.url, functionsUrl })
  const standIn = await makeStandIn(place, {
    url: gateway.url,
    secretKey: gateway.secretKey,
    databaseUrl: database.url,
    functionsPort
  })
  const environment = (more: Environment = {}) => ({
    PATH: `${standIn.directory}:/usr/bin:/bin`,
    HOME: place,
    ...more
  })
  return {
    project,
    gateway,
    sql,
    standIn,
    environment,
    setup: (args, more = {}) =>
      runBinary(["setup", ...args], { cwd: project, env: environment(more) }),
    write: async (files) => {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(project, "supabase", path)), { recursive: true })
        await writeFile(join(project, "supabase", path), text)
      }
    },
    tree: () => treeOf(project),
    runs: async () => [
      ...(await sql`select trigger, status, attempt from public.sync_run_log order by created_at`)
    ],
    reset: async () => {
      await standIn.forget()
      await rm(join(standIn.directory, "running"), { force: true })
      await rm(project, { recursive: true })
      await mkdir(project)
      await sql.unsafe(DROP_ALL).simple()
    },
    close: async () => {
      await standIn.close()
      await gateway.close()
      await sql.close()
      await database.drop()
      await rm(place, { recursive: true, force: true })
    }
  }
}

const treeOf = async (project: string): Promise<Record<string, string>> => {
  const entries = await readdir(project, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.parentPath.includes(".temp"))
  const texts = await Promise.all(
    files.map(async (file) => {
      const path = join(file.parentPath, file.name)
      return [path.slice(project.length + 1), await readFile(path, "utf8")] as const
    })
  )
  return Object.fromEntries(texts.toSorted(([a], [b]) => a.localeCompare(b)))
}

const DROP_ALL = `drop schema if exists supabase_migrations cascade; drop schema if exists sync_scheduler cascade;
  do $$ declare r record; begin
    for r in select oid::regclass as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' loop
      execute format('drop table %s cascade', r.name);
    end loop;
    for r in select oid::regprocedure as name from pg_proc where pronamespace = 'public'::regnamespace loop
      execute format('drop routine %s cascade', r.name);
    end loop;
  end $$`
