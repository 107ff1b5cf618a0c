-- A claim that is asked again finds its run by the run's key. By integration and slot it could be looked up in either of two
-- indexes, and where the statistics are old (everything due at 02:00 in a new project) the one by slot is no better than the
-- other: then every claim read all runs of that instant.
do $claim$
declare
  v_before constant text := 'l.integration_id = s.integration_id and l.scheduled_for = s.scheduled_for and l.claim_token = p_claim_token';
  v_after constant text := 'l.idempotency_key = sync_scheduler.idempotency_key(s.integration_id, s.scheduled_for) and l.claim_token = p_claim_token';
  v_text constant text := pg_get_functiondef('sync_scheduler.judge_slot(uuid, sync_scheduler.slot)'::regprocedure);
begin
  if position(v_before in v_text) = 0 then
    raise exception 'Sync Scheduler cannot be upgraded: sync_scheduler.judge_slot is not as its migration made it'
      using hint = 'Nothing was changed. Restore the function: sync-scheduler schema print --only sync_scheduler.judge_slot';
  end if;
  execute replace(v_text, v_before, v_after);
end
$claim$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000800';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
