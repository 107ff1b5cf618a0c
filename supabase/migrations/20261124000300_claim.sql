-- Reading what is due, and claiming it. The claim is where a slot becomes a run.
--
-- Every function here and in the next files looks rows up by an index, one or a hundred at a time. A session keeps its
-- plans, and one made while a table was nearly empty, or by what is known of due slots that have moved on since, would read
-- the whole table, or sort all that is due for one page: hence the "enable_..." settings (measured: a claim of 100 slots
-- 8 ms instead of 75), and "jit = off", which only ever costs.

-- Integrations that are due or whose first slot is not computed yet, a page at a time. The cursor is opaque.
create function public.read_due_integrations(
  p_limit integer default 100, p_cursor text default null, p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 100);
  -- Where the last page ended: its last slot ('' among those not computed yet) and its last integration. Plain bounds, so
  -- that a plan made for all pages still starts reading at the cursor.
  v_last_at constant timestamptz := nullif(split_part(p_cursor, '|', 1), '')::timestamptz;
  v_last_id constant uuid := split_part(p_cursor, '|', 2)::uuid;
  v_after_id constant uuid := case when v_last_at is null then v_last_id end;
  v_id_from constant uuid := coalesce(v_last_id, '00000000-0000-0000-0000-000000000000');
  v_due_from constant timestamptz := coalesce(v_last_at, '-infinity');
  v_due_id_from constant uuid := case when v_last_at is null then '00000000-0000-0000-0000-000000000000' else v_last_id end;
  v_rows jsonb;
  v_count integer;
  v_next text;
begin
  with page as (
    select * from (
      (select i.* from public.organization_integrations i
        where v_last_at is null
          and i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null
          and i.id >= v_id_from and i.id is distinct from v_after_id
          and (i.breaker_until is null or i.breaker_until <= v_now)
          and (p_org_id is null or i.org_id = p_org_id)
          and (p_integration_ids is null or i.id = any (p_integration_ids))
        order by i.id limit v_limit)
      union all
      (select i.* from public.organization_integrations i
        where i.enabled and i.next_run_at <= v_now and i.schedule_error is null and i.sync_schedule is not null
          and (i.next_run_at, i.id) >= (v_due_from, v_due_id_from)
          and (v_last_at is null or i.id <> v_last_id or i.next_run_at <> v_last_at)
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
         (array_agg(coalesce(to_char(p.next_run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '') || '|' || p.id::text
                    order by p.next_run_at desc nulls last, p.id desc))[1]
    into v_rows, v_count, v_next
    from page p;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'integrations', coalesce(v_rows, '[]'),
    'cursor', case when v_count >= v_limit then v_next end);
end
$$;

-- A run as the engine works with it.
create function sync_scheduler.run_json(r public.sync_run_log, i public.organization_integrations) returns jsonb
  language sql stable return jsonb_build_object(
    'run_id', r.id, 'org_id', coalesce(r.org_id, i.org_id), 'integration_id', r.integration_id,
    'integration_type', coalesce(r.integration_type, i.integration_type, 'unknown'),
    'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'trigger', coalesce(r.trigger, 'schedule'), 'status', r.status,
    'attempt', coalesce(r.attempt, 0), 'max_attempts', coalesce(r.max_attempts, 3), 'idempotency_key', r.idempotency_key,
    'claimed_by', r.claimed_by, 'drift_ms', r.drift_ms, 'function_name', i.function_name,
    'invoke_timeout_ms', sync_scheduler.milliseconds(i.invoke_timeout), 'warm_up', coalesce(i.warm_up, false),
    'config', coalesce(i.config, '{}'));

-- The slots of a claim, as rows.
create type sync_scheduler.slot as (
  integration_id uuid, org_id uuid, schedule_version integer, expected_next_run_at timestamptz, scheduled_for timestamptz,
  trigger text, next_run_at timestamptz, passed_over jsonb, schedule_error text
);

-- Whether a slot may be claimed, or its integration only moved on; null: yes. Takes the locks, and never waits for one.
create function sync_scheduler.judge_slot(p_claim_token uuid, s sync_scheduler.slot) returns text
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  i public.organization_integrations;
begin
  -- The lock makes losers return at once; the unique constraint is what makes it safe.
  if not pg_try_advisory_xact_lock(sync_scheduler.lock_key(s.org_id, s.integration_id)) then
    return 'locked';
  end if;
  select * into i from public.organization_integrations where id = s.integration_id for no key update skip locked;
  if not found then
    return case when exists (select 1 from public.organization_integrations where id = s.integration_id) then 'locked' else 'gone' end;
  end if;

  if exists (select 1 from public.sync_run_log l
              where l.integration_id = s.integration_id and l.scheduled_for = s.scheduled_for and l.claim_token = p_claim_token) then
    return 'claimed';     -- the answer to this very claim was lost, and it is asked again
  elsif not coalesce(i.enabled, false) then
    return 'disabled';
  elsif coalesce(i.schedule_version, 1) is distinct from s.schedule_version then
    return 'schedule_changed';
  elsif date_trunc('milliseconds', i.next_run_at) is distinct from s.expected_next_run_at or i.schedule_error is not null then
    return 'lost_race';
  elsif i.breaker_until > v_now then
    return 'breaker_open';
  elsif s.schedule_error is not null then
    update public.organization_integrations set schedule_error = sync_scheduler.clip(s.schedule_error, 'schedule_error')
     where id = s.integration_id;
    perform sync_scheduler.raise_incident('schedule_error', s.integration_id::text, s.integration_id, null,
      jsonb_build_object('schedule', i.sync_schedule, 'timezone', i.timezone, 'error', left(s.schedule_error, 2000)));
    return 'schedule_error';
  elsif s.scheduled_for > v_now then
    return 'not_due';
  elsif s.scheduled_for is null and s.next_run_at is null then
    raise exception 'claim_sync_runs: a slot of integration % has neither scheduled_for nor next_run_at', s.integration_id
      using errcode = '22023';
  elsif s.scheduled_for < s.expected_next_run_at then
    raise exception 'claim_sync_runs: scheduled_for must not be before the slot that is due (integration %)', s.integration_id
      using errcode = '22023';
  elsif s.next_run_at <= coalesce(s.scheduled_for, s.expected_next_run_at) then
    raise exception 'claim_sync_runs: next_run_at must be later than the slot it follows (integration %)', s.integration_id
      using errcode = '22023';
  elsif exists (select 1 from public.sync_run_log l
                 where l.integration_id = s.integration_id and l.scheduled_for is distinct from s.scheduled_for
                   and s.scheduled_for is not null and sync_scheduler.is_live(l.status, l.released_at)) then
    return 'already_running';
  end if;
  return null;
end
$$;

-- Claims slots, all or none. Returns {claimed: [run], skipped: [{integration_id, scheduled_for, reason}], advanced}.
create function sync_scheduler.claim_slots(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  s sync_scheduler.slot;
  v_reason text;
  v_last uuid;
  v_go sync_scheduler.slot[] := '{}';           -- slots to claim, or only to move on from
  v_skipped jsonb[] := '{}';
  v_repeated uuid[] := '{}';                    -- runs of this very claim, asked for again
  v_claimed uuid[];                             -- runs inserted, and of which integrations
  v_claimed_of uuid[];
  v_stays uuid[] := '{}';                       -- integrations that must not move on
begin
  -- In one order everywhere, so that two batches cannot deadlock.
  for s in
    select * from jsonb_populate_recordset(null::sync_scheduler.slot, p_slots) x order by x.integration_id, x.scheduled_for
  loop
    s.scheduled_for := date_trunc('milliseconds', s.scheduled_for);
    v_reason := case when s.integration_id = v_last then 'lost_race' else sync_scheduler.judge_slot(p_claim_token, s) end;
    v_last := s.integration_id;
    if v_reason is null then
      v_go := v_go || s;
    elsif v_reason = 'claimed' then
      v_repeated := v_repeated || (select id from public.sync_run_log
                                    where integration_id = s.integration_id and scheduled_for = s.scheduled_for);
    else
      v_skipped := v_skipped || sync_scheduler.skipped_slot(s, v_reason);
    end if;
  end loop;

  with inserted as (
    insert into public.sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
                                     attempt, max_attempts, claimed_by, claim_token, created_at)
    select gen_random_uuid(), i.id, i.org_id, i.integration_type, g.scheduled_for,
           sync_scheduler.idempotency_key(i.id, g.scheduled_for), coalesce(g.trigger, 'schedule'), 'pending',
           0, coalesce(i.max_attempts, 3), p_engine_id, p_claim_token, v_now
      from unnest(v_go) g join public.organization_integrations i on i.id = g.integration_id
     where g.scheduled_for is not null
     order by i.id
    on conflict do nothing
    returning id, integration_id
  )
  select coalesce(array_agg(id), '{}'), coalesce(array_agg(integration_id), '{}') into v_claimed, v_claimed_of from inserted;

  foreach s in array v_go loop
    continue when s.scheduled_for is null or s.integration_id = any (v_claimed_of);
    if exists (select 1 from public.sync_run_log l where l.integration_id = s.integration_id and l.scheduled_for = s.scheduled_for) then
      v_skipped := v_skipped || sync_scheduler.skipped_slot(s, 'already_recorded');
    elsif exists (select 1 from public.sync_run_log l
                   where l.integration_id = s.integration_id and sync_scheduler.is_live(l.status, l.released_at)) then
      v_skipped := v_skipped || sync_scheduler.skipped_slot(s, 'already_running');     -- it came in between
      v_stays := v_stays || s.integration_id;
    else
      raise exception 'claim_sync_runs: a unique index of sync_run_log refuses slot % of integration %',
        sync_scheduler.iso(s.scheduled_for), s.integration_id using errcode = 'unique_violation';
    end if;
  end loop;

  update public.organization_integrations i set next_run_at = g.next_run_at
    from unnest(v_go) g where i.id = g.integration_id and not g.integration_id = any (v_stays);
  insert into public.sync_run_event (run_id, integration_id, at, kind, to_status, attempt, actor)
  select c.run_id, c.integration_id, v_now, 'claimed', 'pending', 0, p_engine_id
    from unnest(v_claimed, v_claimed_of) as c(run_id, integration_id);
  foreach s in array v_go loop
    continue when s.passed_over is null or s.integration_id = any (v_stays);
    insert into public.sync_skipped_range (integration_id, "from", "to", count, reason, recorded_at, recorded_by)
    values (s.integration_id, (s.passed_over ->> 'from')::timestamptz, (s.passed_over ->> 'to')::timestamptz,
            (s.passed_over ->> 'count')::bigint, s.passed_over ->> 'reason', v_now, p_engine_id);
    perform sync_scheduler.raise_incident('missed', s.integration_id::text, s.integration_id,
      v_claimed[array_position(v_claimed_of, s.integration_id)], s.passed_over);
  end loop;
  perform sync_scheduler.resolve_incidents('missed', array(
    select g.integration_id::text from unnest(v_go) g
     where g.passed_over is null and g.trigger = 'schedule' and g.integration_id = any (v_claimed_of)));

  return jsonb_build_object(
    'claimed', coalesce((select jsonb_agg(sync_scheduler.run_json(r, i) order by r.scheduled_for, r.id)
                           from public.sync_run_log r join public.organization_integrations i on i.id = r.integration_id
                          where r.id = any (v_claimed || v_repeated)), '[]'),
    'skipped', to_jsonb(v_skipped),
    'advanced', (select count(*) from unnest(v_go) g where g.scheduled_for is null));
end
$$;

create function sync_scheduler.skipped_slot(s sync_scheduler.slot, p_reason text) returns jsonb
  language sql stable return jsonb_build_object('integration_id', s.integration_id,
    'scheduled_for', sync_scheduler.iso(s.scheduled_for), 'reason', p_reason);

-- Claims a batch of at most 100 slots. Repeating with the same claim token gives the same claims.
-- p_slots: [{integration_id, org_id, schedule_version, expected_next_run_at, scheduled_for | null, trigger, next_run_at,
--            passed_over: {from, to, count, reason} | null, schedule_error | null}]
-- Returns {now, claimed: [run], skipped: [{integration_id, scheduled_for, reason, detail?}], advanced}.
create function public.claim_sync_runs(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_slot jsonb;
  v_one jsonb;
  v_claimed jsonb := '[]';
  v_skipped jsonb := '[]';
  v_advanced integer := 0;
begin
  if jsonb_typeof(p_slots) is distinct from 'array' or jsonb_array_length(p_slots) > 100 then
    raise exception 'claim_sync_runs: p_slots must be a JSON array of at most 100 slots' using errcode = '22023';
  elsif p_engine_id is null or p_claim_token is null then
    raise exception 'claim_sync_runs: p_engine_id and p_claim_token are required' using errcode = '22023';
  end if;
  begin
    return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()))
      || sync_scheduler.claim_slots(p_engine_id, p_claim_token, p_slots);
  exception when others then
    -- One slot cannot be claimed, and took the batch with it. Each by itself, then, so that it stays alone.
    for v_slot in select s from jsonb_array_elements(p_slots) s order by s ->> 'integration_id' loop
      begin
        v_one := sync_scheduler.claim_slots(p_engine_id, p_claim_token, jsonb_build_array(v_slot));
        v_claimed := v_claimed || (v_one -> 'claimed');
        v_skipped := v_skipped || (v_one -> 'skipped');
        v_advanced := v_advanced + (v_one ->> 'advanced')::integer;
      exception
        when lock_not_available or deadlock_detected then
          v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('integration_id', v_slot -> 'integration_id',
            'scheduled_for', v_slot -> 'scheduled_for', 'reason', 'locked'));
        when others then
          v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('integration_id', v_slot -> 'integration_id',
            'scheduled_for', v_slot -> 'scheduled_for', 'reason', 'rejected', 'detail', sqlstate || ': ' || sqlerrm));
      end;
    end loop;
    return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'claimed', v_claimed, 'skipped', v_skipped,
      'advanced', v_advanced);
  end;
end
$$;

-- Gives back runs that were claimed but not started (a stopping engine), so that any engine may start them at once.
create function public.release_sync_claims(p_engine_id text, p_run_ids uuid[]) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_released integer;
begin
  update public.sync_run_log set claimed_by = null where id in (
    select id from public.sync_run_log
     where id = any (p_run_ids[1:1000]) and status = 'pending' and claimed_by = p_engine_id
     order by id for update skip locked);
  get diagnostics v_released = row_count;
  return jsonb_build_object('released', v_released);
end
$$;

revoke all on function
  public.read_due_integrations(integer, text, uuid, uuid[]),
  public.claim_sync_runs(text, uuid, jsonb),
  public.release_sync_claims(text, uuid[])
  from public, anon, authenticated;
grant execute on function
  public.read_due_integrations(integer, text, uuid, uuid[]),
  public.claim_sync_runs(text, uuid, jsonb),
  public.release_sync_claims(text, uuid[])
  to service_role;
