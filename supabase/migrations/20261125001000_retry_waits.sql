-- An operator's retry of an unknown run waits until its function must be over, as that of the sweeper always did: it was started at
-- once, while the first attempt might still be at work, and then both took effect.
-- failed, skipped or unknown -> pending, with one more attempt. The only way out of a finished state. An unknown run is started once its
-- function must be over: before, both attempts might take effect.
create or replace function public.retry_sync_run(p_run_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_from text;
  v_reason text;
  r public.sync_run_log;
  i public.organization_integrations;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  select * into r from public.sync_run_log where id = p_run_id;
  if r.id is not null then
    perform pg_advisory_xact_lock(sync_scheduler.lock_key(r.org_id, r.integration_id));
    select * into r from public.sync_run_log where id = p_run_id for update;
    select * into i from public.organization_integrations where id = r.integration_id;
  end if;
  v_reason := case
    when r.id is null then 'not_found'
    when r.status not in ('failed', 'skipped', 'unknown') then 'status_is_' || r.status
    when sync_scheduler.is_foreign(r) then 'foreign'
    when i.id is null then 'gone'
    when not coalesce(i.enabled, false) then 'disabled'
    when exists (select 1 from public.sync_run_log l where l.integration_id = r.integration_id and l.id <> r.id
                  and sync_scheduler.is_live(l.status, l.released_at)) then 'already_running'
  end;
  if v_reason is not null then
    return jsonb_build_object('done', false, 'reason', v_reason, 'status', r.status);
  end if;
  v_from := r.status;
  -- A finished attempt has had its say: its token is void. That of an unknown one still counts until the next attempt starts, and
  -- its function may still be at work until not_before.
  update public.sync_run_log set status = 'pending', max_attempts = coalesce(greatest(max_attempts, attempt), 3) + 1,
    claimed_by = null, not_before = case when v_from = 'unknown' and not_before > sync_scheduler.clock() then not_before end, released_at = null, finished_at = null, duration_ms = null, skip_reason = null,
    lease_token = case when v_from = 'unknown' then lease_token end
  where id = r.id returning * into r;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'retried', v_from, 'pending', r.attempt, p_actor, p_reason);
  perform sync_scheduler.resolve_incident('unknown', r.id::text);
  return jsonb_build_object('done', true, 'run_id', r.id, 'from', v_from, 'status', r.status, 'max_attempts', r.max_attempts,
    'not_before', r.not_before);
end
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125001000';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
