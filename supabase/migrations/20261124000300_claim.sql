-- Reading what is due, and claiming it. The claim is where a slot becomes a run.

-- Integrations that are due or whose first slot is not computed yet, a page at a time. The cursor is opaque.
create function public.read_due_integrations(
  p_limit integer default 100, p_cursor text default null, p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 100);
  v_after_at timestamptz := case when p_cursor is null then null else nullif(split_part(p_cursor, '|', 1), '')::timestamptz end;
  v_after_id uuid := case when p_cursor is null then null else split_part(p_cursor, '|', 2)::uuid end;
  v_rows jsonb;
  v_count integer;
  v_last text;
begin
  with page as (
    select * from (
      (select i.* from public.organization_integrations i
        where i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null
          and (p_cursor is null or (v_after_at is null and i.id > v_after_id))
          and (i.breaker_until is null or i.breaker_until <= v_now)
          and (p_org_id is null or i.org_id = p_org_id)
          and (p_integration_ids is null or i.id = any (p_integration_ids))
        order by i.id limit v_limit)
      union all
      (select i.* from public.organization_integrations i
        where i.enabled and i.next_run_at <= v_now and i.schedule_error is null and i.sync_schedule is not null
          and (p_cursor is null or v_after_at is null or (i.next_run_at, i.id) > (v_after_at, v_after_id))
          and (i.breaker_until is null or i.breaker_until <= v_now)
          and (p_org_id is null or i.org_id = p_org_id)
          and (p_integration_ids is null or i.id = any (p_integration_ids))
        order by i.next_run_at, i.id limit v_limit)
    ) u order by u.next_run_at nulls first, u.id limit v_limit
  )
  select jsonb_agg(jsonb_build_object(
           'integration_id', p.id, 'org_id', p.org_id, 'integration_type', p.integration_type,
           'sync_schedule', p.sync_schedule, 'timezone', coalesce(p.timezone, 'UTC'),
           'next_run_at', sync_scheduler.iso(p.next_run_at),
           'schedule_version', coalesce(p.schedule_version, 1),
           'schedule_since', sync_scheduler.iso(coalesce(p.schedule_since, p.created_at, v_now)),
           'catch_up', coalesce(p.catch_up, 'latest'),
           'catch_up_window_ms', sync_scheduler.milliseconds(p.catch_up_window)
         ) order by p.next_run_at nulls first, p.id),
         count(*),
         (array_agg(coalesce(p.next_run_at::text, '') || '|' || p.id::text order by p.next_run_at desc nulls last, p.id desc))[1]
    into v_rows, v_count, v_last
    from page p;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'integrations', coalesce(v_rows, '[]'),
    'cursor', case when v_count >= v_limit then v_last end);
end
$$;

-- A run as the engine works with it.
create function sync_scheduler.run_json(r public.sync_run_log, i public.organization_integrations) returns jsonb
  language sql stable as $$
  select jsonb_build_object(
    'run_id', r.id, 'org_id', r.org_id, 'integration_id', r.integration_id,
    'integration_type', coalesce(r.integration_type, i.integration_type, 'unknown'),
    'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'trigger', coalesce(r.trigger, 'schedule'), 'status', r.status,
    'attempt', coalesce(r.attempt, 0), 'max_attempts', coalesce(r.max_attempts, 3), 'idempotency_key', r.idempotency_key,
    'claimed_by', r.claimed_by, 'drift_ms', r.drift_ms, 'function_name', i.function_name,
    'invoke_timeout_ms', sync_scheduler.milliseconds(i.invoke_timeout), 'warm_up', coalesce(i.warm_up, false),
    'config', coalesce(i.config, '{}'))
$$;

-- One decision about one due integration: claim a slot, or only move on. Returns {"claimed": run} or {"skipped": reason}.
create function sync_scheduler.claim_slot(p_engine_id text, p_claim_token uuid, p_slot jsonb) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_id constant uuid := (p_slot ->> 'integration_id')::uuid;
  v_expected constant timestamptz := (p_slot ->> 'expected_next_run_at')::timestamptz;
  v_for constant timestamptz := date_trunc('milliseconds', (p_slot ->> 'scheduled_for')::timestamptz);
  v_next constant timestamptz := (p_slot ->> 'next_run_at')::timestamptz;
  v_range constant jsonb := nullif(p_slot -> 'passed_over', 'null');
  i public.organization_integrations;
  r public.sync_run_log;
begin
  -- The lock makes losers return at once; the unique constraint is what makes it safe.
  if not pg_try_advisory_xact_lock(sync_scheduler.lock_key((p_slot ->> 'org_id')::uuid, v_id)) then
    return jsonb_build_object('skipped', 'locked');
  end if;
  select * into i from public.organization_integrations where id = v_id for update skip locked;
  if not found then
    return jsonb_build_object('skipped', case
      when exists (select 1 from public.organization_integrations where id = v_id) then 'locked' else 'gone' end);
  end if;

  -- A claim whose answer was lost is asked again with the same token.
  if v_for is not null then
    select * into r from public.sync_run_log
     where integration_id = v_id and scheduled_for = v_for and claim_token = p_claim_token;
    if found then
      return jsonb_build_object('claimed', sync_scheduler.run_json(r, i));
    end if;
  end if;

  if not coalesce(i.enabled, false) then
    return jsonb_build_object('skipped', 'disabled');
  elsif coalesce(i.schedule_version, 1) is distinct from (p_slot ->> 'schedule_version')::integer then
    return jsonb_build_object('skipped', 'schedule_changed');
  elsif date_trunc('milliseconds', i.next_run_at) is distinct from v_expected or i.schedule_error is not null then
    return jsonb_build_object('skipped', 'lost_race');
  elsif i.breaker_until > v_now then
    return jsonb_build_object('skipped', 'breaker_open');
  end if;

  if p_slot ->> 'schedule_error' is not null then
    update public.organization_integrations set schedule_error = left(p_slot ->> 'schedule_error', 2000) where id = v_id;
    perform sync_scheduler.raise_incident('schedule_error', v_id::text, v_id, null,
      jsonb_build_object('schedule', i.sync_schedule, 'timezone', i.timezone, 'error', p_slot ->> 'schedule_error'));
    return jsonb_build_object('skipped', 'schedule_error');
  end if;

  if v_for is null and v_next is null then
    raise exception 'claim_sync_runs: a slot for integration % has neither scheduled_for nor next_run_at', v_id
      using errcode = '22023';
  end if;
  if v_for is not null and v_for > v_now then
    return jsonb_build_object('skipped', 'not_due');
  end if;
  if v_next <= coalesce(v_for, v_expected, '-infinity') then
    raise exception 'claim_sync_runs: next_run_at must be later than the slot it follows (integration %)', v_id
      using errcode = '22023';
  end if;

  if v_for is not null then
    if exists (select 1 from public.sync_run_log l where l.integration_id = v_id and l.scheduled_for is distinct from v_for
                and (l.status in ('pending', 'running') or (l.status = 'unknown' and l.released_at is null))) then
      return jsonb_build_object('skipped', 'already_running');
    end if;
    insert into public.sync_run_log (integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
                                     attempt, max_attempts, claimed_by, claim_token, created_at)
    values (v_id, i.org_id, i.integration_type, v_for, sync_scheduler.idempotency_key(v_id, v_for),
            coalesce(p_slot ->> 'trigger', 'schedule'), 'pending', 0, coalesce(i.max_attempts, 3), p_engine_id, p_claim_token, v_now)
    on conflict do nothing
    returning * into r;
    if r.id is null and not exists (
      select 1 from public.sync_run_log l where l.integration_id = v_id and l.scheduled_for = v_for
    ) then
      return jsonb_build_object('skipped', 'already_running');   -- somebody else's live row came in between
    end if;
  end if;

  update public.organization_integrations set next_run_at = v_next where id = v_id;
  if v_range is not null then
    insert into public.sync_skipped_range (integration_id, "from", "to", count, reason, recorded_at, recorded_by)
    values (v_id, (v_range ->> 'from')::timestamptz, (v_range ->> 'to')::timestamptz, (v_range ->> 'count')::bigint,
            v_range ->> 'reason', v_now, p_engine_id);
    perform sync_scheduler.raise_incident('missed', v_id::text, v_id, r.id, v_range);
  elsif v_for is not null and p_slot ->> 'trigger' = 'schedule' then
    perform sync_scheduler.resolve_incident('missed', v_id::text);
  end if;

  if v_for is null then
    return jsonb_build_object('advanced', true);
  elsif r.id is null then
    return jsonb_build_object('skipped', 'already_recorded');
  end if;
  perform sync_scheduler.record_event(r.id, v_id, 'claimed', null, 'pending', 0, p_engine_id);
  return jsonb_build_object('claimed', sync_scheduler.run_json(r, i));
end
$$;

-- Claims a batch of at most 100 slots. Repeating with the same claim token gives the same claims.
-- p_slots: [{integration_id, org_id, schedule_version, expected_next_run_at, scheduled_for | null, trigger, next_run_at,
--            passed_over: {from, to, count, reason} | null, schedule_error | null}]
-- Returns {now, claimed: [run], skipped: [{integration_id, scheduled_for, reason}], advanced}.
create function public.claim_sync_runs(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_slot jsonb;
  v_answer jsonb;
  v_claimed jsonb := '[]';
  v_skipped jsonb := '[]';
  v_advanced integer := 0;
begin
  if jsonb_typeof(p_slots) is distinct from 'array' or jsonb_array_length(p_slots) > 100 then
    raise exception 'claim_sync_runs: p_slots must be a JSON array of at most 100 slots' using errcode = '22023';
  end if;
  -- In one order everywhere, so that two batches cannot deadlock.
  for v_slot in select s from jsonb_array_elements(p_slots) s order by s ->> 'integration_id' loop
    v_answer := sync_scheduler.claim_slot(p_engine_id, p_claim_token, v_slot);
    if v_answer ? 'claimed' then
      v_claimed := v_claimed || jsonb_build_array(v_answer -> 'claimed');
    elsif v_answer ? 'advanced' then
      v_advanced := v_advanced + 1;
    else
      v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('integration_id', v_slot ->> 'integration_id',
        'scheduled_for', v_slot ->> 'scheduled_for', 'reason', v_answer ->> 'skipped'));
    end if;
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'claimed', v_claimed, 'skipped', v_skipped,
    'advanced', v_advanced);
end
$$;

-- Gives back runs that were claimed but not started (a stopping engine), so that any engine may start them at once.
create function public.release_sync_claims(p_engine_id text, p_run_ids uuid[]) returns jsonb
  language sql security definer set search_path = '' as $$
  with given_back as (
    update public.sync_run_log set claimed_by = null
     where id = any (p_run_ids[1:1000]) and status = 'pending' and claimed_by = p_engine_id
    returning id
  )
  select jsonb_build_object('released', count(*)) from given_back
$$;
