/**
 * Benchmarks a large project. Usage: `bun bench/scale.ts`. Fills a database with integrations and a year of runs, and prints a
 * Markdown table of durations and table sizes.
 */
import { SQL } from "bun"
import { parseOptions } from "../scripts/parseOptions.ts"
import { type Site, startServers } from "./Servers.ts"
import { runWorker, seed, specOf } from "./Trial.ts"

const CONCURRENCY = 50
const QUERY_REPETITIONS = 5

const { values } = parseOptions({
  options: {
    integrations: { type: "string", default: "10000,100000,1000000" },
    due: { type: "string", default: "0.1" },
    runs: { type: "string", default: "10" }
  }
})
const dueShare = Number(values.due)
const runsEach = Number(values.runs)

/** Opens a superuser session in which inserts fire no triggers. */
const openLoader = async ({ databaseUrl }: Site): Promise<SQL> => {
  const url = new URL(databaseUrl)
  url.username = "supabase_admin"
  const loader = new SQL(url.href, { max: 1 })
  await loader
    .unsafe(
      "set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '1GB'"
    )
    .simple()
  return loader
}

/**
 * Inserts runs from the past year. One run in a hundred failed, and every second integration also has one run older than the
 * retention period.
 */
const fillLog = async (loader: SQL): Promise<void> => {
  const indexes: ReadonlyArray<{ name: string; definition: string }> = await loader`
    select indexname as name, indexdef as definition from pg_indexes
     where schemaname = 'public' and tablename = 'sync_run_log' and indexname <> 'sync_run_log_pkey'`
  for (const { name } of indexes) await loader.unsafe(`drop index public.${name}`)
  await loader.unsafe(`
    insert into public.sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, status, attempt,
      claimed_by, created_at, started_at, attempt_started_at, finished_at, drift_ms, duration_ms, http_status, error_code, error_message,
      response)
    select i.id, i.org_id, i.integration_type, s.at, i.id || ':' || extract(epoch from s.at), s.status, 1, 'bench', s.at, s.at, s.at,
           s.at + interval '2 s', 0, 2000, case s.status when 'completed' then 200 else 500 end,
           case s.status when 'failed' then 'VENDOR_ERROR' end, case s.status when 'failed' then 'The accounting API refused the export.' end,
           '{"status": "completed", "exported": 12}'
      from (select *, row_number() over () as n from public.organization_integrations) i
     cross join generate_series(1, ${runsEach}) k
     cross join lateral (
       select case when k = ${runsEach} and i.n % 2 = 0 then date_trunc('day', now()) - interval '401 days' - i.n * interval '1 ms'
                   else date_trunc('day', now()) - (k - random()) * interval '365 days' / ${runsEach} end as at,
              case when (i.n + k) % 100 = 0 then 'failed' else 'completed' end as status) s`)
  for (const { definition } of indexes) await loader.unsafe(definition)
  // The schedules start a year ago, so that the audit has slots to check.
  await loader.unsafe(`
    insert into public.sync_schedule_history (integration_id, schedule_version, schedule, timezone, enabled, "from", since, first_slot)
    select i.id, i.schedule_version, i.sync_schedule, i.timezone, true, s.at, s.at, s.at
      from public.organization_integrations i, (select date_trunc('day', now()) - interval '365 days' as at) s`)
  await loader.unsafe("vacuum analyze public.sync_run_log, public.sync_schedule_history")
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Returns the median duration in ms. The first execution also plans the query. */
const medianMs = async (sql: SQL, query: string): Promise<number> => {
  const times: Array<number> = []
  for (let n = 0; n < QUERY_REPETITIONS; n++) times.push(await timed(() => sql.unsafe(query)))
  return times.toSorted((a, b) => a - b)[Math.floor(QUERY_REPETITIONS / 2)] ?? 0
}

const QUERIES: Readonly<Record<string, string>> = {
  "Page: one screen of integrations": "select public.read_sync_status(100)",
  "Page: the last 24 hours of that screen": `select public.read_sync_activity(
     array(select id from public.organization_integrations limit 100), now() - interval '1 day', now())`,
  "Page: the statistics of 90 days": "select public.read_sync_figures(90)",
  "Page: the newest 100 runs": "select public.read_sync_runs(p_limit => 100)",
  "Page: the newest 100 failed runs": `select public.read_sync_runs(p_statuses => '["failed"]', p_limit => 100)`,
  "`explain`: one integration, a year": `select public.read_sync_story(
     (select id from public.organization_integrations limit 1), now() - interval '365 days', now())`,
  "`audit`: the first page of one day":
    "select public.read_sync_audit(now() - interval '1 day', now())"
}

const PRUNE = "select public.prune_sync_history(p_limit => 1000)"

const OPEN_TICK = "select public.open_sync_tick(gen_random_uuid(), 'bench')"

const ms = (value: number): string =>
  value < 10
    ? `${value.toFixed(1)} ms`
    : value < 10_000
      ? `${value.toFixed(0)} ms`
      : `${(value / 1_000).toFixed(0)} s`

const sizeOf = async (sql: SQL, table: string): Promise<string> => {
  const [row] = await sql`select pg_total_relation_size(${`public.${table}`}) / 1048576 as mb`
  return `${Number(row.mb).toLocaleString("en")} MB`
}

const servers = await startServers()
const columns: Array<ReadonlyArray<readonly [string, string]>> = []
for (const count of values.integrations.split(",").map(Number)) {
  const cells: Array<readonly [string, string]> = []
  const add = (title: string, value: string) => {
    cells.push([title, value])
    process.stderr.write(`${count}  ${title}: ${value}\n`)
  }
  const site = await servers.createSite()
  try {
    const due = Math.round(count * dueShare)
    add("Integrations", count.toLocaleString("en"))
    add("Due in the same minute", due.toLocaleString("en"))
    add("Runs in the log", (count * runsEach).toLocaleString("en"))
    const loader = await openLoader(site)
    await seed(loader, { jobs: due, idle: count - due })
    await fillLog(loader)
    await loader.close()
    add("Retention: one batch of 1,000 runs", ms(await medianMs(site.sql, PRUNE)))
    for (const [title, query] of Object.entries(QUERIES)) {
      add(title, ms(await medianMs(site.sql, query)))
    }
    const before = servers.postgresCpuMs()
    const load = { jobs: due, latencyMs: 0, concurrency: CONCURRENCY }
    const { done, peakRssMb, wallMs } = await runWorker(specOf(servers, site, "ours-direct", load))
    if (done.completed !== due) throw new Error(`${done.completed} of ${due} runs completed`)
    add("All due runs, empty functions", ms(wallMs))
    add("Runs per second", (due / (wallMs / 1_000)).toFixed(0))
    add("PostgreSQL's processor time per run", ms((servers.postgresCpuMs() - before) / due))
    add("The engine's peak memory", `${peakRssMb.toFixed(0)} MB`)
    add(
      "A tick that finds nothing due, including one retention batch",
      ms(await medianMs(site.sql, OPEN_TICK))
    )
    for (const table of ["organization_integrations", "sync_run_log"]) {
      add(
        `\`vacuum\` of ${table} after the runs`,
        ms(await timed(() => site.sql.unsafe(`vacuum public.${table}`)))
      )
      add(`Size of ${table}`, await sizeOf(site.sql, table))
    }
  } finally {
    await site.close()
  }
  columns.push(cells)
}
for (const [row, [title]] of (columns[0] ?? []).entries()) {
  console.log(`| ${[title, ...columns.map((cells) => cells[row]?.[1] ?? "")].join(" | ")} |`)
  if (row === 0) console.log(`|---|${columns.map(() => "---:|").join("")}`)
}
await servers.close()
process.exit(0)
