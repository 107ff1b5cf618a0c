-- What an operator may do. Each is recorded with who and why, and answers {"done": true, ...} or {"done": false, "reason"}.

create function sync_scheduler.require_actor(p_actor text, p_reason text) returns void language plpgsql set search_path = '' as $$
begin
  if coalesce(btrim(p_actor), '') = '' or coalesce(btrim(p_reason), '') = '' then
    raise exception 'who (p_actor) and why (p_reason) are required' using errcode = '22023',
      hint = 'They are recorded with the action in sync_run_event.';
  end if;
end
$$;

-- failed, skipped or unknown -> pending, with one more attempt. The only way out of a finished state.
create function public.retry_sync_run(p_run_id uuid, p_actor text, p_reason text) returns jsonb
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
  -- A finished attempt has had its say: its token is void. That of an unknown one still counts until the next attempt starts.
  update public.sync_run_log set status = 'pending', max_attempts = coalesce(greatest(max_attempts, attempt), 3) + 1,
    claimed_by = null, not_before = null, released_at = null, finished_at = null, duration_ms = null, skip_reason = null,
    lease_token = case when v_from = 'unknown' then lease_token end
  where id = r.id returning * into r;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'retried', v_from, 'pending', r.attempt, p_actor, p_reason);
  perform sync_scheduler.resolve_incident('unknown', r.id::text);
  return jsonb_build_object('done', true, 'run_id', r.id, 'from', v_from, 'status', r.status, 'max_attempts', r.max_attempts);
end
$$;

-- unknown and held -> released: it stays unknown, and later slots run. Somebody has looked: its incident is resolved.
create function public.release_sync_run(p_run_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
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
end
$$;

-- A run right now, outside the schedule. Its slot is now().
create function public.trigger_sync_run(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
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
end
$$;

-- Pauses an integration: its slots are passed over, on record, until it is resumed.
create function public.pause_integration(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
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
end
$$;

-- Resumes an integration and closes its breaker. No slot that passed while it was paused is fired.
create function public.resume_integration(p_integration_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
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
end
$$;

revoke all on function
  public.retry_sync_run(uuid, text, text),
  public.release_sync_run(uuid, text, text),
  public.trigger_sync_run(uuid, text, text),
  public.pause_integration(uuid, text, text),
  public.resume_integration(uuid, text, text)
  from public, anon, authenticated;
grant execute on function
  public.retry_sync_run(uuid, text, text),
  public.release_sync_run(uuid, text, text),
  public.trigger_sync_run(uuid, text, text),
  public.pause_integration(uuid, text, text),
  public.resume_integration(uuid, text, text)
  to service_role;
