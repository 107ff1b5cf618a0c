-- The operator actions. Each action is recorded with its actor and reason.
-- Each function returns {"done": true, ...} or {"done": false, "reason"}.

create function sync_scheduler.require_actor(p_actor text, p_reason text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(btrim(p_actor), '') = '' or coalesce(btrim(p_reason), '') = '' then
    raise exception 'who (p_actor) and why (p_reason) are required' using errcode = '22023',
      hint = 'sync_run_event records each action with its actor and reason.';
  end if;
end
$$;

-- Retries a failed, skipped or unknown run with one more attempt. Only this function changes a finished run.
-- An unknown run waits until its function can no longer be running. Otherwise, both attempts could take effect.
create function public.retry_sync_run(p_run_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
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
  -- An unknown attempt's lease token stays valid until the next attempt starts, because the function may still be running.
  -- For failed and skipped runs, not_before is the current time, so that a retry of an old slot is not reported as overdue.
  update public.sync_run_log set status = 'pending', max_attempts = coalesce(greatest(max_attempts, attempt), 3) + 1,
    claimed_by = null, not_before = greatest(case when v_from = 'unknown' then not_before end, v_now), released_at = null, finished_at = null, duration_ms = null, skip_reason = null,
    lease_token = case when v_from = 'unknown' then lease_token end
  where id = r.id returning * into r;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'retried', v_from, 'pending', r.attempt, p_actor, p_reason);
  perform sync_scheduler.resolve_incident('unknown', r.id::text);
  return jsonb_build_object('done', true, 'run_id', r.id, 'from', v_from, 'status', r.status, 'max_attempts', r.max_attempts,
    'not_before', nullif(r.not_before, v_now));
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Releases an unknown run, so that later slots may run. The run stays unknown, and its incident is resolved.
create function public.release_sync_run(p_run_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  r public.sync_run_log;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  select * into r from public.sync_run_log where id = p_run_id for update;
  if r.id is null or r.status <> 'unknown' or r.released_at is not null then
    return jsonb_build_object('done', false, 'status', r.status, 'reason', case
      when r.id is null then 'not_found' when r.status <> 'unknown' then 'status_is_' || r.status else 'already_released' end);
  end if;
  update public.sync_run_log set released_at = sync_scheduler.clock() where id = r.id;
  perform sync_scheduler.resolve_incident('unknown', r.id::text);
  perform sync_scheduler.record_event(r.id, r.integration_id, 'released', 'unknown', 'unknown', r.attempt, p_actor, p_reason);
  return jsonb_build_object('done', true, 'run_id', r.id, 'status', 'unknown');
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Creates a run outside the schedule. The run's slot is the current time.
create function public.trigger_sync_run(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_reason text;
  i public.organization_integrations;
  r public.sync_run_log;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  select * into i from public.organization_integrations where id = p_integration_id;
  if i.id is not null then
    perform pg_advisory_xact_lock(sync_scheduler.lock_key(i.org_id, i.id));
  end if;
  v_reason := case
    when i.id is null then 'not_found'
    when not coalesce(i.enabled, false) then 'disabled'
    when exists (select 1 from public.sync_run_log l where l.integration_id = i.id
                  and sync_scheduler.is_live(l.status, l.released_at)) then 'already_running'
  end;
  if v_reason is null then
    insert into public.sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
                                     attempt, max_attempts, created_at)
    values (gen_random_uuid(), i.id, i.org_id, i.integration_type, v_now, sync_scheduler.idempotency_key(i.id, v_now), 'manual', 'pending',
            0, coalesce(i.max_attempts, 3), v_now)
    on conflict do nothing returning * into r;
    v_reason := case when r.id is null then 'already_recorded' end;
  end if;
  if v_reason is not null then
    return jsonb_build_object('done', false, 'reason', v_reason);
  end if;
  perform sync_scheduler.record_event(r.id, i.id, 'triggered', null, 'pending', 0, p_actor, p_reason);
  return jsonb_build_object('done', true, 'run_id', r.id, 'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'status', 'pending');
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Pauses an integration. Its slots are skipped and recorded until it is resumed.
create function public.pause_integration(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  i public.organization_integrations;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  update public.organization_integrations set enabled = false, paused_reason = sync_scheduler.clip(p_reason, 'paused_reason')
   where id = p_integration_id and enabled returning * into i;
  if i.id is null then
    return jsonb_build_object('done', false, 'reason', case when exists (
      select 1 from public.organization_integrations where id = p_integration_id) then 'already_paused' else 'not_found' end);
  end if;
  perform sync_scheduler.record_event(null, i.id, 'paused', null, null, null, p_actor, p_reason);
  return jsonb_build_object('done', true, 'integration_id', i.id);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Resumes an integration and closes its circuit breaker. Slots that became due during the pause do not run.
create function public.resume_integration(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  i public.organization_integrations;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  update public.organization_integrations set enabled = true, paused_reason = null, breaker_until = null, consecutive_failures = 0
   where id = p_integration_id
     and (not coalesce(enabled, false) or breaker_until is not null or paused_reason is not null) returning * into i;
  if i.id is null then
    return jsonb_build_object('done', false, 'reason', case when exists (
      select 1 from public.organization_integrations where id = p_integration_id) then 'not_paused' else 'not_found' end);
  end if;
  perform sync_scheduler.record_event(null, i.id, 'resumed', null, null, null, p_actor, p_reason);
  perform sync_scheduler.resolve_incident('breaker', i.id::text);
  return jsonb_build_object('done', true, 'integration_id', i.id);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Requests a backfill of the slots in [p_from, p_to) that have no run. An identical open request is not duplicated.
-- Returns {done, backfill_id, from, to, enabled} or {done: false, reason}.
create function public.request_sync_backfill(
  p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_actor text, p_reason text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_from constant timestamptz := date_trunc('milliseconds', p_from);
  v_to constant timestamptz := least(date_trunc('milliseconds', p_to), v_now);
  v_reason text;
  i public.organization_integrations;
  b public.sync_backfill;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  select * into i from public.organization_integrations where id = p_integration_id;
  v_reason := case
    when i.id is null then 'not_found'
    when v_from is null or p_to is null or v_from >= date_trunc('milliseconds', p_to) then 'empty'
    when v_from >= v_now then 'not_past'
    when v_from < sync_scheduler.kept_from() then 'beyond_retention'
  end;
  if v_reason is not null then
    return jsonb_build_object('done', false, 'reason', v_reason, 'kept_from', sync_scheduler.iso(sync_scheduler.kept_from()));
  end if;
  perform pg_advisory_xact_lock(sync_scheduler.lock_key(i.org_id, i.id));
  select * into b from public.sync_backfill
   where integration_id = i.id and status = 'open' and requested_by = p_actor and "from" = v_from
     and ("to" = v_to or ("to" = created_at and date_trunc('milliseconds', p_to) >= created_at));
  if b.id is null then
    insert into public.sync_backfill (integration_id, "from", "to", requested_by, reason, created_at)
    values (i.id, v_from, v_to, p_actor, p_reason, v_now) returning * into b;
    perform sync_scheduler.record_event(null, i.id, 'backfill_requested', null, null, null, p_actor, p_reason,
      jsonb_build_object('backfill_id', b.id, 'from', sync_scheduler.iso(b."from"), 'to', sync_scheduler.iso(b."to")));
  end if;
  return jsonb_build_object('done', true, 'backfill_id', b.id, 'from', sync_scheduler.iso(b."from"), 'to', sync_scheduler.iso(b."to"),
    'enabled', coalesce(i.enabled, false));
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Cancels a backfill request. A run in progress continues, but no further slot is claimed.
create function public.cancel_sync_backfill(p_backfill_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
  b public.sync_backfill;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  update public.sync_backfill set status = 'cancelled', finished_at = sync_scheduler.clock(), cancelled_by = p_actor, cancel_reason = p_reason
   where id = p_backfill_id and status = 'open' returning * into b;
  if b.id is null then
    select * into b from public.sync_backfill where id = p_backfill_id;
    return jsonb_build_object('done', false, 'status', b.status, 'reason',
      case when b.id is null then 'not_found' when b.status = 'done' then 'already_done' else 'already_cancelled' end);
  end if;
  perform sync_scheduler.record_event(null, b.integration_id, 'backfill_cancelled', null, null, null, p_actor, p_reason,
    jsonb_build_object('backfill_id', b.id, 'claimed', b.claimed));
  return jsonb_build_object('done', true, 'backfill_id', b.id, 'claimed', b.claimed);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

create function sync_scheduler.after_integration_gone() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update public.sync_backfill set status = 'cancelled', finished_at = sync_scheduler.clock(), cancelled_by = 'database', cancel_reason = 'gone'
   where integration_id = old.id and status = 'open';
  return null;
end
$$;
create trigger sync_scheduler_after_gone after delete on public.organization_integrations
  for each row execute function sync_scheduler.after_integration_gone();

revoke all on function
  public.retry_sync_run(uuid, text, text),
  public.release_sync_run(uuid, text, text),
  public.trigger_sync_run(uuid, text, text),
  public.pause_integration(uuid, text, text),
  public.resume_integration(uuid, text, text),
  public.request_sync_backfill(uuid, timestamptz, timestamptz, text, text),
  public.cancel_sync_backfill(uuid, text, text)
  from public, anon, authenticated;
grant execute on function
  public.retry_sync_run(uuid, text, text),
  public.release_sync_run(uuid, text, text),
  public.trigger_sync_run(uuid, text, text),
  public.pause_integration(uuid, text, text),
  public.resume_integration(uuid, text, text),
  public.request_sync_backfill(uuid, timestamptz, timestamptz, text, text),
  public.cancel_sync_backfill(uuid, text, text)
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000700.';
notify pgrst, 'reload schema';
