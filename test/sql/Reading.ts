import type { SQL } from "bun"
import { at, type Ledger, org, slot } from "./Ledger.ts"

export const ROWS = 20_000
export const DUE = 120

/**
 * Inserts many integrations, of which only a few are due, and a long history. Truncates the tables first, because autovacuum
 * might have recorded them as empty. For an empty table, the planner considers all indexes equally good.
 */
export const fill = (ledger: Ledger) =>
  ledger.execute(`
    truncate public.organization_integrations, public.sync_run_log, public.sync_run_event;
    alter table public.organization_integrations disable trigger user;
    insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
    select '${org}', 'xledger', '*/5 * * * *', case when n <= ${DUE} then '${slot}'::timestamptz else '${at(3600)}' end
      from generate_series(1, ${ROWS}) n;
    alter table public.organization_integrations enable trigger user;
    insert into public.sync_run_log (integration_id, org_id, scheduled_for, idempotency_key, status, created_at)
    select gen_random_uuid(), '${org}', '${at(-86_400)}', n::text, 'completed', '${at(-86_400)}'
      from generate_series(1, ${ROWS}) n;
    insert into public.sync_run_event (run_id, integration_id, at, kind)
    select id, integration_id, created_at, 'claimed' from public.sync_run_log`)

interface Reading {
  readonly name: string
  readonly scans: number
  readonly fetched: number
}

/** For each table, counts the sequential scans and the rows that an index scan fetched. */
export const reading = (session: SQL, body: (session: SQL) => Promise<unknown>) =>
  session.begin(async (transaction): Promise<ReadonlyArray<Reading>> => {
    // The counters include the session's earlier reads until its statistics are flushed.
    const count = (): Promise<ReadonlyArray<Reading>> => transaction`
      select relname as name, seq_scan::int as scans, coalesce(idx_tup_fetch, 0)::int as fetched
        from pg_stat_xact_user_tables
       where schemaname = 'public' and relname in ('organization_integrations', 'sync_run_log', 'sync_run_event')
       order by 1`
    const before = await count()
    await body(transaction)
    const after = await count()
    return after.map(({ name, scans, fetched }) => {
      const earlier = before.find((row) => row.name === name)
      return {
        name,
        scans: scans - (earlier?.scans ?? 0),
        fetched: fetched - (earlier?.fetched ?? 0)
      }
    })
  })
