-- One plan for every call. PostgreSQL plans a statement anew for its parameters as long as that looks cheaper, also where
-- planning takes longer than what is planned. Every statement of these functions finds its rows by an index whatever the
-- parameters are. Measured, of PostgreSQL's time for one run: claim 1.0 ms instead of 1.8, start 0.7 instead of 0.9, outcome 0.8
-- instead of 1.1; for a hundred at once no difference.
do $plans$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
     where n.nspname in ('public', 'sync_scheduler') and l.lanname = 'plpgsql'
       and p.proname in ('open_tick', 'open_tick_with_backfills', 'read_due_integrations', 'read_pending_runs', 'sweep_sync_runs', 'claim_sync_runs',
                         'start_sync_runs', 'settle_sync_runs', 'release_sync_claims', 'return_sync_starts', 'finish_sync_tick',
                         'begin_sync_run', 'heartbeat_sync_run', 'complete_sync_run')
  loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan', v_function);
  end loop;
end
$plans$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000700';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
