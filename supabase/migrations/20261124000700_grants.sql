-- Only the service key may call anything. Revoking from PUBLIC alone is not enough under Supabase's default grants.
do $grants$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname = 'sync_scheduler'
        or (n.nspname = 'public' and p.proname in (
          'read_due_integrations', 'claim_sync_runs', 'release_sync_claims', 'start_sync_runs', 'settle_sync_runs',
          'begin_sync_run', 'heartbeat_sync_run', 'complete_sync_run', 'sweep_sync_runs', 'read_pending_runs',
          'prune_sync_history', 'open_sync_tick', 'finish_sync_tick', 'retry_sync_run', 'release_sync_run',
          'trigger_sync_run', 'pause_integration', 'resume_integration'))
  loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    if v_function::text not like 'sync_scheduler.%' then
      execute format('grant execute on function %s to service_role', v_function);
    end if;
  end loop;
end
$grants$;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
