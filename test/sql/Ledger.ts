import { afterAll, beforeAll, describe } from "bun:test"
import { randomUUID } from "node:crypto"
import { existsSync, readdirSync } from "node:fs"
import type { SQL } from "bun"
import { connect, createDatabase, type PostgresServer, startPostgres } from "../support/Postgres.ts"
import { readMigrations, runScripts } from "../support/PostgresTemplate.ts"

export type Row = Readonly<Record<string, unknown>>

export interface Ledger {
  readonly sql: SQL
  readonly url: string
  readonly adminUrl: string
  /** Calls an SQL function with JSON arguments. */
  readonly call: (name: string, args?: Row, session?: SQL) => Promise<Row>
  /** Returns rows as JSON (for instants, see `json`). */
  readonly rows: (query: string) => Promise<ReadonlyArray<Row>>
  readonly execute: (statements: string) => Promise<void>
  /** Deletes all rows, and sets the clock to `start`. */
  readonly reset: () => Promise<void>
  readonly after: (seconds: number) => Promise<void>
  /** Inserts an integration that has been due for a minute. `columns` maps column names to SQL expressions. */
  readonly integration: (columns?: Readonly<Record<string, string>>) => Promise<string>
  readonly close: () => Promise<void>
}

export const start = "2026-03-02T10:00:00.000Z"
/** The due slot of every new integration. */
export const slot = "2026-03-02T09:59:00.000Z"
export const next = "2026-03-02T10:04:00.000Z"
export const org = "00000000-0000-4000-8000-0000000000aa"

export const at = (seconds: number): string =>
  new Date(Date.parse(start) + seconds * 1000).toISOString()

const IN_UTC = `do $$ begin
  execute format('alter database %I set timezone to %L', current_database(), 'UTC'); end $$`

/** Converts a whole-second instant to PostgreSQL's JSON format. */
export const json = (iso: string): string => iso.replace(/\.000Z$/, "+00:00")

/** The two shared tables as another tool might have created them. */
const ADOPTED = `
  create table public.organization_integrations (
    id uuid primary key default gen_random_uuid(), org_id uuid, integration_type varchar(40), sync_schedule varchar(100),
    timezone varchar(64) default 'UTC', enabled boolean default true, schedule_version bigint default 1,
    max_attempts bigint default 3, consecutive_failures bigint default 0, paused_reason varchar(200));
  create table public.sync_run_log (
    id uuid primary key default gen_random_uuid(), integration_id uuid, status varchar(20) default 'pending',
    trigger varchar(20) default 'schedule', idempotency_key varchar(80), attempt bigint default 0, max_attempts bigint default 3,
    started_at timestamptz(3), drift_ms bigint, duration_ms bigint, http_status bigint, lease_seconds bigint, warm_up_ms bigint,
    skip_reason varchar(20), error_code varchar(200), error_message varchar(2048));`

export const openLedger = async (server: PostgresServer, adopted = false): Promise<Ledger> => {
  const database = await createDatabase({
    sql: adopted ? `${IN_UTC};${ADOPTED}` : IN_UTC,
    migrations: !adopted,
    server
  })
  if (adopted) await runScripts(database.url, readMigrations())
  const sql = connect(database.url, { max: 4 })
  const execute = async (statements: string) => {
    await sql.unsafe(statements).simple()
  }
  await execute(`
    create table sync_scheduler.test_clock (at timestamptz not null);
    insert into sync_scheduler.test_clock values ('${start}');
    create or replace function sync_scheduler.clock() returns timestamptz
      language sql stable return (select c.at from sync_scheduler.test_clock c);`)
  const signatures = await readSignatures(sql)
  const call = async (name: string, args: Row = {}, session: SQL = sql): Promise<Row> => {
    const types = signatures.get(name) ?? {}
    const names = Object.keys(args)
    const list = names.map((key, n) => `${key} => $${n + 1}::text::${types[key] ?? "text"}`)
    const values = names.map((key) => encode(args[key], types[key] ?? "text"))
    const answer = await session.unsafe(`select public.${name}(${list}) as answer`, values)
    return answer[0]?.answer
  }
  const rows = async (query: string): Promise<ReadonlyArray<Row>> => {
    const found = await sql.unsafe(`select to_jsonb(q) as row from (${query}) q`)
    return found.map((each: { row: Row }) => each.row)
  }
  return {
    sql,
    url: database.url,
    adminUrl: database.adminUrl,
    call,
    rows,
    execute,
    reset: () =>
      execute(`
        delete from public.organization_integrations; delete from public.sync_run_log;
        delete from public.sync_run_event; delete from public.sync_skipped_range;
        delete from public.sync_schedule_history; delete from public.sync_incident;
        delete from public.sync_tick; delete from public.integration_health; delete from public.sync_api_hold; update sync_scheduler.test_clock set at = '${start}'`),
    after: (seconds) =>
      execute(`update sync_scheduler.test_clock set at = at + interval '${seconds} seconds'`),
    integration: async (columns = {}) => {
      const id = randomUUID()
      const all = {
        id: `'${id}'`,
        org_id: `'${org}'`,
        integration_type: "'xledger'",
        sync_schedule: "'*/5 * * * *'",
        next_run_at: `'${slot}'`,
        created_at: `'${at(-3600)}'`,
        schedule_since: `'${at(-3600)}'`,
        ...columns
      }
      await execute(
        `insert into public.organization_integrations (${Object.keys(all)}) values (${Object.values(all)})`
      )
      return id
    },
    close: async () => {
      await sql.close({ timeout: 0 })
      await database.drop()
    }
  }
}

const readSignatures = async (
  sql: SQL
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> => {
  const found: ReadonlyArray<{ name: string; types: Record<string, string> }> = await sql`
    select p.proname as name, jsonb_object_agg(a.name, format_type(a.type, null)) as types
      from pg_proc p cross join lateral unnest(p.proargnames, p.proargtypes::oid[]) as a(name, type)
     where p.pronamespace = 'public'::regnamespace and a.name is not null group by p.oid, p.proname`
  return new Map(found.map(({ name, types }) => [name, types]))
}

const encode = (value: unknown, type: string): string | null => {
  if (value === null || value === undefined) return null
  if (type === "jsonb") return JSON.stringify(value)
  return Array.isArray(value) ? `{${value.join(",")}}` : String(value)
}

export const slotOf = (integrationId: string, changes: Row = {}): Row => ({
  integration_id: integrationId,
  org_id: org,
  schedule_version: 1,
  expected_next_run_at: slot,
  scheduled_for: slot,
  trigger: "schedule",
  next_run_at: next,
  skipped_range: null,
  schedule_error: null,
  ...changes
})

/** The shared server (PostgreSQL 18, or TEST_DATABASE_URL) and, if installed, the system's PostgreSQL. */
export const servers: ReadonlyArray<{
  readonly title: string
  readonly open: () => Promise<PostgresServer>
}> = [
  { title: "PostgreSQL (shared)", open: () => startPostgres() },
  ...(hasSystemPostgres() ? [{ title: "PostgreSQL (system)", open: startSystem }] : [])
]

/** Runs the suite on each server and, unless disabled, once on adopted tables. Each suite has its own ledger. */
export const onEachServer = (
  subject: string,
  body: (ledger: () => Ledger) => void,
  options: { readonly adopted?: boolean } = {}
): void => {
  const shared = servers.slice(0, options.adopted === false ? 0 : 1)
  const all = [
    ...servers.map((server) => ({ ...server, adopted: false })),
    ...shared.map((server) => ({ ...server, title: "adopted tables", adopted: true }))
  ]
  for (const { title, open, adopted } of all) {
    describe(`${subject}, on ${title}`, () => {
      let ledger: Ledger | undefined
      beforeAll(async () => {
        ledger = await openLedger(await open(), adopted)
      }, SLOW)
      afterAll(() => ledger?.close())
      body(() => {
        if (ledger === undefined) throw new Error("no ledger yet")
        return ledger
      })
    })
  }
}

/** The timeout for setting up a server, in ms. */
export const SLOW = 120_000

function hasSystemPostgres(): boolean {
  const root = "/usr/lib/postgresql"
  const majors = existsSync(root) ? readdirSync(root) : []
  return majors.some((major) => existsSync(`${root}/${major}/bin/postgres`))
}

declare global {
  var syncSchedulerSystemPostgres: Promise<PostgresServer> | undefined
}

function startSystem(): Promise<PostgresServer> {
  globalThis.syncSchedulerSystemPostgres ??= startPostgres({ fresh: true, version: "system" })
  return globalThis.syncSchedulerSystemPostgres
}
