-- Reads due integrations and claims their slots. A claim turns a slot into a run.
--
-- Every function in this file and in the later migrations finds its rows through an index, up to a hundred rows at a time.
-- PostgreSQL caches query plans for each session. A plan made with outdated statistics would scan the whole table
-- or sort all due rows. The "enable_..." settings prevent such plans: claiming 100 slots takes 8 ms instead of 75 ms.
-- "jit = off" prevents JIT compilation, which would cost more time than it saves.

create function sync_scheduler.due_json(i public.organization_integrations) returns jsonb
  language sql stable return jsonb_build_object(
    'integration_id', i.id, 'org_id', i.org_id, 'integration_type', i.integration_type,
    'sync_schedule', i.sync_schedule, 'timezone', coalesce(i.timezone, 'UTC'),
    'next_run_at', sync_scheduler.iso(i.next_run_at),
    'schedule_version', coalesce(i.schedule_version, 1),
    'schedule_since', sync_scheduler.iso(coalesce(i.schedule_since, i.created_at, sync_scheduler.clock())),
    'catch_up', coalesce(i.catch_up, 'latest'),
    'catch_up_window_ms', sync_scheduler.milliseconds(i.catch_up_window));

-- Returns one page of the integrations that are due or have no computed slot yet. Reserves nothing.
-- Returns {now, integrations: [due], rejected: [{integration_id, detail}], cursor}; callers must not interpret the cursor.
create function public.read_due_integrations(
  p_limit integer default 100, p_cursor text default null, p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 100);
  -- The cursor contains the last slot and integration of the previous page. The slot is '' if it was not computed yet.
  -- The query's lower bounds are plain variables, so that even a generic plan starts reading at the cursor.
  v_last_at constant timestamptz := timestamptz 'epoch' + nullif(split_part(p_cursor, '|', 1), '')::bigint * interval '1 microsecond';
  v_last_id constant uuid := split_part(p_cursor, '|', 2)::uuid;
  v_after_id constant uuid := case when v_last_at is null then v_last_id end;
  v_id_from constant uuid := coalesce(v_last_id, '00000000-0000-0000-0000-000000000000');
  v_due_from constant timestamptz := coalesce(v_last_at, '-infinity');
  v_due_id_from constant uuid := case when v_last_at is null then '00000000-0000-0000-0000-000000000000' else v_last_id end;
  v_rows jsonb;
  v_rejected jsonb;
  v_count integer;
  v_next text;
begin
  with page as (
    select * from (
      (select i, i.id, i.next_run_at from public.organization_integrations i
        where v_last_at is null
          and i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null
          and i.id >= v_id_from and i.id is distinct from v_after_id
          and (i.breaker_until is null or i.breaker_until <= v_now)
          and (p_org_id is null or i.org_id = p_org_id)
          and (p_integration_ids is null or i.id = any (p_integration_ids))
        order by i.id limit v_limit)
      union all
      (select i, i.id, i.next_run_at from public.organization_integrations i
        where i.enabled and i.next_run_at <= v_now and i.schedule_error is null and i.sync_schedule is not null
          and (i.next_run_at, i.id) >= (v_due_from, v_due_id_from)
          and (v_last_at is null or i.id <> v_last_id or i.next_run_at <> v_last_at)
          and (i.breaker_until is null or i.breaker_until <= v_now)
          and (p_org_id is null or i.org_id = p_org_id)
          and (p_integration_ids is null or i.id = any (p_integration_ids))
        order by i.next_run_at, i.id limit v_limit)
    ) u cross join lateral (select sync_scheduler.row_fault(u.i) as fault) f
     order by u.next_run_at nulls first, u.id limit v_limit
  )
  select coalesce(jsonb_agg(sync_scheduler.due_json(p.i) order by p.next_run_at nulls first, p.id) filter (where p.fault is null), '[]'),
         coalesce(jsonb_agg(jsonb_build_object('integration_id', p.id, 'detail', p.fault)) filter (where p.fault is not null), '[]'),
         count(*),
         (array_agg(coalesce((extract(epoch from p.next_run_at) * 1000000)::bigint::text, '') || '|' || p.id::text
                    order by p.next_run_at desc nulls last, p.id desc))[1]
    into v_rows, v_rejected, v_count, v_next
    from page p;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'integrations', v_rows,
    'rejected', v_rejected, 'cursor', case when v_count >= v_limit then v_next end);
end
$$;

-- Returns a run's fields for the engine. warm_up is false while warm-ups of the function are paused.
create function sync_scheduler.run_json(r public.sync_run_log, i public.organization_integrations) returns jsonb
  language sql stable return jsonb_build_object(
    'run_id', r.id, 'org_id', coalesce(r.org_id, i.org_id), 'integration_id', r.integration_id,
    'integration_type', coalesce(r.integration_type, i.integration_type, 'unknown'),
    'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'trigger', coalesce(r.trigger, 'schedule'), 'status', r.status,
    'attempt', coalesce(r.attempt, 0), 'max_attempts', coalesce(r.max_attempts, 3), 'idempotency_key', r.idempotency_key,
    'claimed_by', r.claimed_by, 'drift_ms', r.drift_ms, 'function_name', i.function_name,
    'invoke_timeout_ms', sync_scheduler.milliseconds(i.invoke_timeout),
    'warm_up', case when i.warm_up then not sync_scheduler.warming_is_paused(i.function_name) else false end,
    'health_url', i.health_url);

-- Returns whether a due integration may be fetched now. A reserved integration may be fetched again
-- with the same p_fetch_token. The engine p_own may also fetch integrations that it has reserved.
create function sync_scheduler.may_fetch(
  i public.organization_integrations, p_now timestamptz, p_fetch_token uuid, p_own text, p_org_id uuid, p_ids uuid[], p_excluded uuid[], p_unchecked boolean
) returns boolean language sql stable return
  (i.reserved_until is null or i.reserved_until <= p_now or i.fetch_token = p_fetch_token or i.reserved_by = p_own)
  and (i.breaker_until is null or i.breaker_until <= p_now)
  and (p_org_id is null or i.org_id = p_org_id) and (p_ids is null or i.id = any (p_ids)) and i.org_id <> all (p_excluded)
  and (not p_unchecked or sync_scheduler.row_fault(i) is null);

-- Assigns pending runs to an engine. Other engines may start these runs only after adopt_after_seconds.
-- In the returned runs, `claimed_by` is the previous engine.
create function sync_scheduler.adopt_pending(p_engine_id text, p_fetch_token uuid, p_ids uuid[]) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_runs jsonb;
begin
  if p_ids = '{}' then
    return '[]';
  end if;
  with before as materialized (
    select r.id, case when r.claim_token is distinct from p_fetch_token then r.claimed_by end as claimed_by
      from public.sync_run_log r where r.id = any (p_ids)
  ), adopted as (
    update public.sync_run_log r set claimed_by = p_engine_id, claimed_at = sync_scheduler.clock(), claim_token = p_fetch_token
      from before b, public.organization_integrations i where r.id = b.id and i.id = r.integration_id
    returning r.created_at, r.id, sync_scheduler.run_json(r, i) || jsonb_build_object('claimed_by', b.claimed_by) as json
  )
  select coalesce(jsonb_agg(a.json order by a.created_at, a.id), '[]') into v_runs from adopted a;
  return v_runs;
end
$$;

create function sync_scheduler.reserve_due(p_engine_id text, p_fetch_token uuid, p_ids uuid[], p_fresh_from timestamptz) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_due jsonb;
begin
  if p_ids = '{}' then
    return '[]';
  end if;
  with reserved as (
    update public.organization_integrations i
       set reserved_by = p_engine_id, reserved_until = sync_scheduler.clock() + interval '15 seconds', fetch_token = p_fetch_token
     where i.id = any (p_ids)
    returning i.next_run_at, i.id, sync_scheduler.due_json(i) as json
  )
  select coalesce(jsonb_agg(r.json order by case when r.next_run_at > p_fresh_from then 0 when r.next_run_at is null then 1 else 2 end,
           r.next_run_at, r.id), '[]')
    into v_due from reserved r;
  return v_due;
end
$$;

-- Opens an incident for a row that the project's own trigger or constraint rejects, and returns the row's entry
-- for `rejected`. Re-raises an error that the project's own code cannot have caused.
create function sync_scheduler.reject_row(p_integration_id uuid, p_run_id uuid, p_sqlstate text, p_error text) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_detail constant text := p_sqlstate || ': ' || left(p_error, 900);
begin
  if not sync_scheduler.may_be_row_fault(p_sqlstate) then
    raise exception using errcode = p_sqlstate, message = p_error;
  end if;
  perform sync_scheduler.raise_incident('rejected', p_integration_id::text, p_integration_id, p_run_id, jsonb_build_object('error', v_detail));
  return jsonb_build_array(jsonb_build_object('integration_id', p_integration_id, 'detail', v_detail));
end
$$;

-- Reserves up to p_limit rows for an engine for 15 seconds. The rows are pending runs and due integrations.
-- At most half of them are pending runs.
-- The engine claims the slots in a later call. If the engine dies before that call, no slot is lost.
-- Newly due slots come first, then integrations without a computed slot, then missed slots. Each group is sorted oldest first.
-- A repeated call with the same fetch token returns the same rows.
-- If p_options has integration_ids, the fetch also returns integrations that the same engine has already reserved.
-- A row that cannot be reserved is listed in `rejected` and does not affect other rows.
-- p_options: {org_id, integration_ids, exclude_org_ids, exclude_ids, adopt_after_seconds, drift_alert_seconds}.
-- Returns {now, pending: [run], integrations: [due], rejected: [{integration_id, detail}], more}.
create function public.fetch_sync_work(p_engine_id text, p_fetch_token uuid, p_limit integer, p_options jsonb default '{}') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 100);
  v_most_pending constant integer := (v_limit + 1) / 2;
  v_adopt_from constant timestamptz := v_now - sync_scheduler.seconds(coalesce((p_options ->> 'adopt_after_seconds')::numeric, 10));
  v_fresh_from constant timestamptz := v_now - sync_scheduler.seconds(coalesce((p_options ->> 'drift_alert_seconds')::numeric, 300));
  v_org_id constant uuid := (p_options ->> 'org_id')::uuid;
  v_ids constant uuid[] := case when jsonb_typeof(p_options -> 'integration_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'integration_ids') e) end;
  v_excluded constant uuid[] := case when jsonb_typeof(p_options -> 'exclude_org_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'exclude_org_ids') e) else '{}' end;
  v_unchecked constant boolean := sync_scheduler.has_unchecked_rows();
  v_own constant text := case when v_ids is not null then p_engine_id end;
  v_left_out constant uuid[] := case when jsonb_typeof(p_options -> 'exclude_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'exclude_ids') e) else '{}' end;
  v_pending_ids uuid[];
  v_pending jsonb;
  v_pending_count integer;
  v_due_ids uuid[];
  v_due jsonb;
  v_due_count integer;
  v_id uuid;
  v_of uuid;
  v_rejected jsonb := '[]';
begin
  if v_ids is not null then
    set local plan_cache_mode = force_custom_plan;      -- only a custom plan finds the named integrations by their ids
  end if;
  v_pending_ids := array(
    select w.id from public.sync_run_log w
     cross join lateral (
       select i.id, i.org_id, i.enabled from public.organization_integrations i where i.id = w.integration_id offset 0) e
     where e.enabled and w.status = 'pending' and (w.not_before is null or w.not_before <= v_now)
       and (w.claimed_by is null or coalesce(w.claimed_at, w.created_at) <= v_adopt_from or w.claim_token = p_fetch_token)
       and w.scheduled_for is not null and w.idempotency_key is not null
       and (v_org_id is null or e.org_id = v_org_id) and (v_ids is null or e.id = any (v_ids)) and e.org_id <> all (v_excluded)
       and e.id <> all (v_left_out)
     order by w.created_at, w.id limit v_most_pending for no key update of w skip locked);
  v_pending_count := cardinality(v_pending_ids);
  begin
    v_pending := sync_scheduler.adopt_pending(p_engine_id, p_fetch_token, v_pending_ids);
  exception when others then
    if not sync_scheduler.may_be_row_fault(sqlstate) then
      raise;
    end if;
    v_pending := '[]';
    foreach v_id in array v_pending_ids loop
      begin
        v_pending := v_pending || sync_scheduler.adopt_pending(p_engine_id, p_fetch_token, array[v_id]);
      exception when others then
        select l.integration_id into v_of from public.sync_run_log l where l.id = v_id;
        v_rejected := v_rejected || sync_scheduler.reject_row(v_of, v_id, sqlstate, sqlerrm);
      end;
    end loop;
  end;

  with fresh as materialized (
    select i.id from public.organization_integrations i
     where i.enabled and i.next_run_at > v_fresh_from and i.next_run_at <= v_now and i.schedule_error is null and i.sync_schedule is not null
       and sync_scheduler.may_fetch(i, v_now, p_fetch_token, v_own, v_org_id, v_ids, v_excluded, v_unchecked) and i.id <> all (v_left_out)
     order by i.next_run_at, i.id limit v_limit - v_pending_count for no key update skip locked
  ), uncomputed as materialized (
    select i.id from public.organization_integrations i
     where i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null
       and sync_scheduler.may_fetch(i, v_now, p_fetch_token, v_own, v_org_id, v_ids, v_excluded, v_unchecked) and i.id <> all (v_left_out)
     order by i.id limit v_limit - v_pending_count - (select count(*) from fresh) for no key update skip locked
  ), missed as materialized (
    select i.id from public.organization_integrations i
     where i.enabled and i.next_run_at <= v_fresh_from and i.schedule_error is null and i.sync_schedule is not null
       and sync_scheduler.may_fetch(i, v_now, p_fetch_token, v_own, v_org_id, v_ids, v_excluded, v_unchecked) and i.id <> all (v_left_out)
     order by i.next_run_at, i.id
     limit v_limit - v_pending_count - (select count(*) from fresh) - (select count(*) from uncomputed) for no key update skip locked
  ), due as (
    select id from fresh union all select id from uncomputed union all select id from missed
  )
  select coalesce(array_agg(d.id), '{}') into v_due_ids from due d;
  v_due_count := cardinality(v_due_ids);
  begin
    v_due := sync_scheduler.reserve_due(p_engine_id, p_fetch_token, v_due_ids, v_fresh_from);
  exception when others then
    if not sync_scheduler.may_be_row_fault(sqlstate) then
      raise;
    end if;
    v_due := '[]';
    foreach v_id in array v_due_ids loop
      begin
        v_due := v_due || sync_scheduler.reserve_due(p_engine_id, p_fetch_token, array[v_id], v_fresh_from);
      exception when others then
        v_rejected := v_rejected || sync_scheduler.reject_row(v_id, null, sqlstate, sqlerrm);
      end;
    end loop;
  end;

  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'pending', v_pending, 'integrations', v_due,
    'rejected', v_rejected, 'more', v_pending_count = v_most_pending or v_due_count = v_limit - v_pending_count);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- An element of p_slots in claim_sync_runs.
create type sync_scheduler.slot as (
  integration_id uuid, org_id uuid, schedule_version integer, expected_next_run_at timestamptz, scheduled_for timestamptz,
  trigger text, next_run_at timestamptz, skipped_range jsonb, schedule_error text
);

create function sync_scheduler.skipped_slot(s sync_scheduler.slot, p_reason text) returns jsonb
  language sql stable return jsonb_build_object('integration_id', s.integration_id,
    'scheduled_for', sync_scheduler.iso(s.scheduled_for), 'reason', p_reason);

-- Records that an engine cannot compute an integration's next slot. Rejects a malformed slot.
create function sync_scheduler.reject_slot(s sync_scheduler.slot) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  i public.organization_integrations;
begin
  if s.schedule_error is null then
    raise exception 'claim_sync_runs: % (integration %)', case
        when s.scheduled_for is null and s.next_run_at is null then 'a slot needs scheduled_for or next_run_at'
        when s.scheduled_for < s.expected_next_run_at then 'scheduled_for must not be earlier than the due slot'
        else 'next_run_at must be later than the claimed slot' end, s.integration_id using errcode = '22023';
  end if;
  update public.organization_integrations set schedule_error = sync_scheduler.clip(s.schedule_error, 'schedule_error')
   where id = s.integration_id returning * into i;
  perform sync_scheduler.raise_incident('schedule_error', s.integration_id::text, s.integration_id, null,
    jsonb_build_object('schedule', i.sync_schedule, 'timezone', i.timezone, 'error', left(s.schedule_error, 2000)));
end
$$;

-- Claims scheduled slots. On an error, no slot is claimed. Never waits for the lock of an integration.
-- Each statement handles the whole batch. Statements for single slots would take twice the processor time.
create function sync_scheduler.claim_scheduled_slots(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  -- Every batch locks rows in the same order, so that two batches cannot deadlock.
  v_slots constant sync_scheduler.slot[] := array(
    select row(x.integration_id, x.org_id, x.schedule_version, x.expected_next_run_at, date_trunc('milliseconds', x.scheduled_for),
               x.trigger, x.next_run_at, x.skipped_range, x.schedule_error)::sync_scheduler.slot
      from jsonb_populate_recordset(null::sync_scheduler.slot, p_slots) x order by x.integration_id, x.scheduled_for);
  v_locked uuid[];
  v_go sync_scheduler.slot[];                   -- slots to claim, or to advance past
  v_skipped jsonb;
  v_repeated uuid[];                            -- runs claimed by an earlier call with p_claim_token
  v_invalid sync_scheduler.slot[];
  v_claimed jsonb;
  v_claimed_ids uuid[];
  v_claimed_of uuid[];
  v_stays uuid[] := '{}';                       -- integrations that must not be advanced
  s sync_scheduler.slot;
begin
  -- The advisory lock only saves work: correctness depends on the unique indexes.
  v_locked := array(
    select i.id from unnest(v_slots) u cross join lateral (
      select o.id from public.organization_integrations o
       where o.id = u.integration_id and pg_try_advisory_xact_lock(sync_scheduler.lock_key(u.org_id, u.integration_id))
         for no key update skip locked) i);

  -- Finds a run of the same claim by its idempotency key. With outdated statistics, a search by integration and slot could use
  -- the wrong index and read all runs due at the same time.
  select array_agg(j.slot) filter (where j.reason is null), array_agg(j.run_id) filter (where j.reason = 'claimed'),
         array_agg(j.slot) filter (where j.reason in ('schedule_error', 'malformed')),
         coalesce(jsonb_agg(sync_scheduler.skipped_slot(j.slot, j.reason)) filter (where j.reason <> 'claimed'), '[]')
    into v_go, v_repeated, v_invalid, v_skipped
    from (select u as slot, same.id as run_id, case
            when u.integration_id = lag(u.integration_id) over (order by u.integration_id, u.scheduled_for) then 'lost_race'
            when i.id is null then 'gone'
            when u.integration_id <> all (v_locked) then 'locked'
            when same.claim_token = p_claim_token then 'claimed'     -- a repeated call: the first response was lost
            when not coalesce(i.enabled, false) then 'disabled'
            when coalesce(i.schedule_version, 1) is distinct from u.schedule_version then 'schedule_changed'
            when date_trunc('milliseconds', i.next_run_at) is distinct from u.expected_next_run_at or i.schedule_error is not null
              then 'lost_race'
            when i.breaker_until > v_now then 'breaker_open'
            when u.schedule_error is not null then 'schedule_error'
            when u.scheduled_for > v_now then 'not_due'
            when coalesce(u.scheduled_for, u.next_run_at) is null or u.scheduled_for < u.expected_next_run_at
                 or u.next_run_at <= coalesce(u.scheduled_for, u.expected_next_run_at) then 'malformed'
            when live.id is not null and u.scheduled_for is not null and live.scheduled_for is distinct from u.scheduled_for
              then 'already_running'
          end as reason
          from unnest(v_slots) u
          left join public.organization_integrations i on i.id = u.integration_id
          left join lateral (
            select l.id, l.claim_token from public.sync_run_log l
             where l.idempotency_key = sync_scheduler.idempotency_key(u.integration_id, u.scheduled_for) limit 1) same on true
          left join lateral (
            select l.id, l.scheduled_for from public.sync_run_log l
             where l.integration_id = u.integration_id
               and sync_scheduler.is_live(l.status, l.released_at) limit 1) live on true) j;
  foreach s in array coalesce(v_invalid, '{}') loop
    perform sync_scheduler.reject_slot(s);
  end loop;

  with inserted as (
    insert into public.sync_run_log as l (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger,
                                          status, attempt, max_attempts, claimed_by, claim_token, created_at)
    select gen_random_uuid(), i.id, i.org_id, i.integration_type, u.scheduled_for,
           sync_scheduler.idempotency_key(i.id, u.scheduled_for), coalesce(u.trigger, 'schedule'), 'pending',
           0, coalesce(i.max_attempts, 3), p_engine_id, p_claim_token, v_now
      from unnest(v_go) u join public.organization_integrations i on i.id = u.integration_id
     where u.scheduled_for is not null
     order by i.id
    on conflict do nothing
    returning l.id, l.integration_id, l.scheduled_for, l as run
  ), noted as (
    insert into public.sync_run_event (run_id, integration_id, at, kind, to_status, attempt, actor)
    select c.id, c.integration_id, v_now, 'claimed', 'pending', 0, p_engine_id from inserted c
  )
  select coalesce(jsonb_agg(sync_scheduler.run_json(c.run, i) order by c.scheduled_for, c.id), '[]'),
         coalesce(array_agg(c.id), '{}'), coalesce(array_agg(c.integration_id), '{}')
    into v_claimed, v_claimed_ids, v_claimed_of
    from inserted c join public.organization_integrations i on i.id = c.integration_id;

  foreach s in array array(select u from unnest(v_go) u where u.scheduled_for is not null and u.integration_id <> all (v_claimed_of)) loop
    if exists (select 1 from public.sync_run_log l where l.integration_id = s.integration_id and l.scheduled_for = s.scheduled_for) then
      v_skipped := v_skipped || sync_scheduler.skipped_slot(s, 'already_recorded');
    elsif exists (select 1 from public.sync_run_log l
                   where l.integration_id = s.integration_id and sync_scheduler.is_live(l.status, l.released_at)) then
      v_skipped := v_skipped || sync_scheduler.skipped_slot(s, 'already_running');     -- another run was inserted concurrently
      v_stays := v_stays || s.integration_id;
    else
      raise exception 'claim_sync_runs: a unique index of sync_run_log rejects slot % of integration %',
        sync_scheduler.iso(s.scheduled_for), s.integration_id using errcode = 'unique_violation';
    end if;
  end loop;

  -- If the next slot is already due, the integration stays reserved, because the claimed run must finish first.
  update public.organization_integrations i set next_run_at = u.next_run_at, fetch_token = null,
      reserved_by = case when u.next_run_at <= v_now then p_engine_id end,
      reserved_until = case when u.next_run_at <= v_now then v_now + interval '15 seconds' end
    from unnest(v_go) u where i.id = u.integration_id and u.integration_id <> all (v_stays);
  foreach s in array array(select u from unnest(v_go) u where u.skipped_range is not null and u.integration_id <> all (v_stays)) loop
    insert into public.sync_skipped_range (integration_id, "from", "to", count, reason, recorded_at, recorded_by)
    values (s.integration_id, (s.skipped_range ->> 'from')::timestamptz, (s.skipped_range ->> 'to')::timestamptz,
            (s.skipped_range ->> 'count')::bigint, s.skipped_range ->> 'reason', v_now, p_engine_id);
    perform sync_scheduler.raise_incident('missed', s.integration_id::text, s.integration_id,
      v_claimed_ids[array_position(v_claimed_of, s.integration_id)], s.skipped_range);
  end loop;
  perform sync_scheduler.resolve_incidents('missed', array(
    select u.integration_id::text from unnest(v_go) u
     where u.skipped_range is null and u.trigger = 'schedule' and u.integration_id = any (v_claimed_of)));
  perform sync_scheduler.resolve_incidents('rejected', v_claimed_of::text[]);
  if v_repeated is not null then
    select jsonb_agg(c.json order by c.json ->> 'scheduled_for', c.json ->> 'run_id') into v_claimed
      from (select jsonb_array_elements(v_claimed) as json
             union all
            select sync_scheduler.run_json(r, i) from public.sync_run_log r
              join public.organization_integrations i on i.id = r.integration_id
             where r.id = any (v_repeated)) c;
  end if;

  return jsonb_build_object('claimed', v_claimed, 'skipped', v_skipped,
    'advanced', (select count(*) from unnest(v_go) u where u.scheduled_for is null));
end
$$;

-- A backfill slot is claimed under the same lock as a scheduled slot, but advances the backfill's cursor.
-- It contains a `backfill` object: {id, cursor, next_cursor, done}. cursor: the value that the engine has read.
-- next_cursor: the last slot that the engine has handled.

-- Returns the reason why a backfill must wait; null: the backfill may continue. Scheduled slots take precedence.
create function sync_scheduler.backfill_waits(i public.organization_integrations) returns text
  language sql stable return case
    when not coalesce(i.enabled, false) then 'disabled'
    when i.breaker_until > sync_scheduler.clock() then 'breaker_open'
    when i.sync_schedule is not null and (i.next_run_at is null or i.next_run_at <= sync_scheduler.clock()) then 'schedule_first'
    when exists (select 1 from public.sync_run_log l
                  where l.integration_id = i.id and sync_scheduler.is_live(l.status, l.released_at)) then 'already_running'
  end;

-- Returns the reason why a backfill's slot must not be claimed. Returns null if the slot can be claimed.
-- Waits up to lock_timeout for locks.
create function sync_scheduler.judge_backfill(p_claim_token uuid, p_slot jsonb, p_at timestamptz) returns text
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_integration_id constant uuid := (p_slot ->> 'integration_id')::uuid;
  v_expected constant timestamptz := (p_slot #>> '{backfill,cursor}')::timestamptz;
  v_next constant timestamptz := (p_slot #>> '{backfill,next_cursor}')::timestamptz;
  i public.organization_integrations;
  b public.sync_backfill;
begin
  if not pg_try_advisory_xact_lock(sync_scheduler.lock_key((p_slot ->> 'org_id')::uuid, v_integration_id)) then
    return 'locked';
  end if;
  select * into i from public.organization_integrations where id = v_integration_id for no key update skip locked;
  if not found then
    return case when exists (select 1 from public.organization_integrations where id = v_integration_id) then 'locked' else 'gone' end;
  end if;
  select * into b from public.sync_backfill where id = (p_slot #>> '{backfill,id}')::uuid for update;

  if exists (select 1 from public.sync_run_log l
              where l.integration_id = v_integration_id and l.scheduled_for = p_at and l.claim_token = p_claim_token) then
    return 'claimed';     -- a repeated call: the first response was lost
  elsif p_at is null and b.cursor = v_next then
    return 'moved_on';    -- a repeated call that only advances the cursor
  elsif b.id is null or b.integration_id <> v_integration_id or b.status <> 'open' then
    return 'backfill_over';
  elsif b.cursor is distinct from v_expected then
    return 'lost_race';
  elsif sync_scheduler.backfill_waits(i) is not null then
    return sync_scheduler.backfill_waits(i);
  elsif v_next is null or v_next < v_expected or p_at > v_next then
    raise exception 'claim_sync_runs: the cursor of backfill % must advance at least to the claimed slot', b.id using errcode = '22023';
  elsif p_at < b."from" or p_at >= b."to" or p_at <= v_expected or p_at >= i.next_run_at or p_at > sync_scheduler.clock() then
    raise exception 'claim_sync_runs: slot % does not belong to backfill %', p_at, b.id using errcode = '22023';
  end if;
  return null;
end
$$;

create function sync_scheduler.claim_backfill_slot(p_engine_id text, p_claim_token uuid, p_slot jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_integration_id constant uuid := (p_slot ->> 'integration_id')::uuid;
  v_at constant timestamptz := date_trunc('milliseconds', (p_slot ->> 'scheduled_for')::timestamptz);
  v_reason text := sync_scheduler.judge_backfill(p_claim_token, p_slot, v_at);
  v_run_id uuid;
  v_moves boolean := v_reason is null;
begin
  if v_moves and v_at is not null then
    insert into public.sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
                                     attempt, max_attempts, claimed_by, claim_token, created_at)
    select gen_random_uuid(), i.id, i.org_id, i.integration_type, v_at, sync_scheduler.idempotency_key(i.id, v_at), 'backfill',
           'pending', 0, coalesce(i.max_attempts, 3), p_engine_id, p_claim_token, v_now
      from public.organization_integrations i where i.id = v_integration_id
    on conflict do nothing returning id into v_run_id;
    if v_run_id is not null then
      perform sync_scheduler.record_event(v_run_id, v_integration_id, 'claimed', null, 'pending', 0, p_engine_id, 'backfill',
        jsonb_build_object('backfill_id', p_slot #> '{backfill,id}'));
    elsif exists (select 1 from public.sync_run_log l where l.integration_id = v_integration_id and l.scheduled_for = v_at) then
      v_reason := 'already_recorded';
    else
      v_reason := 'already_running';
      v_moves := false;
    end if;
  elsif v_reason = 'claimed' then
    select id into v_run_id from public.sync_run_log where integration_id = v_integration_id and scheduled_for = v_at;
  end if;
  if v_moves then
    update public.sync_backfill set cursor = (p_slot #>> '{backfill,next_cursor}')::timestamptz,
      claimed = claimed + (v_run_id is not null)::integer,
      status = case when (p_slot #>> '{backfill,done}')::boolean then 'done' else status end,
      finished_at = case when (p_slot #>> '{backfill,done}')::boolean then v_now end
    where id = (p_slot #>> '{backfill,id}')::uuid;
  end if;
  return jsonb_build_object(
    'claimed', coalesce((select jsonb_agg(sync_scheduler.run_json(r, i))
                           from public.sync_run_log r join public.organization_integrations i on i.id = r.integration_id
                          where r.id = v_run_id), '[]'),
    'skipped', case when v_reason is not null and v_reason not in ('claimed', 'moved_on') then jsonb_build_array(jsonb_build_object(
      'integration_id', v_integration_id, 'scheduled_for', sync_scheduler.iso(v_at), 'reason', v_reason)) else '[]' end,
    'advanced', (v_at is null and v_moves)::integer);
end
$$;

-- Returns the open backfills that can continue now, oldest first, at most one per integration.
-- Each backfill contains at most 50 periods of the schedule history, and at most 500 slots that already have a run.
-- Returns {now, backfills: [{backfill_id, integration_id, org_id,
-- schedule_version, cursor, after, to, known_until, history, slots}]}.
-- after: slots up to and including this instant have been handled or are too old. known_until: the exclusive end of the
-- history and the slots. All instants except "now" are epoch milliseconds.
create function public.read_sync_backfills(
  p_limit integer default 100, p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'backfills', coalesce((
    select jsonb_agg(jsonb_build_object(
        'backfill_id', o.id, 'integration_id', o.integration_id, 'org_id', o.org_id, 'schedule_version', o.schedule_version,
        'cursor', sync_scheduler.epoch_ms(o.cursor), 'after', sync_scheduler.epoch_ms(o.after), 'to', sync_scheduler.epoch_ms(o."to"),
        'known_until', least(sync_scheduler.epoch_ms(o."to"), (k.slots -> 500)::bigint, (k.history #> '{49,to}')::bigint + 1),
        'history', k.history, 'slots', k.slots - 500) order by o.created_at, o.id)
      from (
        select b.id, b.integration_id, b.created_at, b.cursor, b."to", i.org_id, coalesce(i.schedule_version, 1) as schedule_version,
               greatest(b.cursor, b."from" - interval '1 millisecond', sync_scheduler.kept_from()) as after
          from public.sync_backfill b join public.organization_integrations i on i.id = b.integration_id
         where b.status = 'open' and sync_scheduler.backfill_waits(i) is null
           and (p_org_id is null or i.org_id = p_org_id)
           and (p_integration_ids is null or i.id = any (p_integration_ids))
           and not exists (select 1 from public.sync_backfill e
                            where e.integration_id = b.integration_id and e.status = 'open' and (e.created_at, e.id) < (b.created_at, b.id))
         order by b.created_at, b.id limit least(greatest(coalesce(p_limit, 100), 1), 100)) o
     cross join lateral (
        select coalesce((select jsonb_agg(sync_scheduler.epoch_ms(s.scheduled_for)) from (
                 select l.scheduled_for from public.sync_run_log l
                  where l.integration_id = o.integration_id and l.scheduled_for > o.after and l.scheduled_for < o."to"
                  order by l.scheduled_for limit 501) s), '[]') as slots,
               sync_scheduler.history_json(o.integration_id, o.after, o."to", 50) as history) k), '[]'));
end
$$;

create function sync_scheduler.claim_slots(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_is_backfill constant jsonpath := '$[*] ? (exists(@.backfill) && @.backfill != null)';
  v_done jsonb;
  v_one jsonb;
  v_slot jsonb;
begin
  if not jsonb_path_exists(p_slots, v_is_backfill) then
    return sync_scheduler.claim_scheduled_slots(p_engine_id, p_claim_token, p_slots);
  end if;
  v_done := sync_scheduler.claim_scheduled_slots(p_engine_id, p_claim_token,
    jsonb_path_query_array(p_slots, '$[*] ? (!exists(@.backfill) || @.backfill == null)'));
  for v_slot in
    select s from jsonb_path_query(p_slots, v_is_backfill) s order by (s ->> 'integration_id')::uuid, s ->> 'scheduled_for'
  loop
    v_one := sync_scheduler.claim_backfill_slot(p_engine_id, p_claim_token, v_slot);
    v_done := jsonb_build_object('claimed', (v_done -> 'claimed') || (v_one -> 'claimed'),
      'skipped', (v_done -> 'skipped') || (v_one -> 'skipped'),
      'advanced', (v_done ->> 'advanced')::integer + (v_one ->> 'advanced')::integer);
  end loop;
  return v_done;
end
$$;

-- Claims at most 100 slots. A repeated call with the same claim token returns the same claims.
-- p_slots: [{integration_id, org_id, schedule_version, expected_next_run_at, scheduled_for | null, trigger, next_run_at,
--            skipped_range: {from, to, count, reason} | null, schedule_error | null}].
-- Returns {now, claimed: [run], skipped: [{integration_id, scheduled_for, reason, detail?}], advanced}.
create function public.claim_sync_runs(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
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
    if not sync_scheduler.is_row_fault(sqlstate) and sqlstate not in ('55P03', '40P01', '40001') then
      raise;
    end if;
    -- Claim each slot separately, so that only the faulty slot fails.
    for v_slot in select s from jsonb_array_elements(p_slots) s order by s ->> 'integration_id' loop
      begin
        v_one := sync_scheduler.claim_slots(p_engine_id, p_claim_token, jsonb_build_array(v_slot));
        v_claimed := v_claimed || (v_one -> 'claimed');
        v_skipped := v_skipped || (v_one -> 'skipped');
        v_advanced := v_advanced + (v_one ->> 'advanced')::integer;
      exception
        when lock_not_available or deadlock_detected or serialization_failure then
          v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('integration_id', v_slot -> 'integration_id',
            'scheduled_for', v_slot -> 'scheduled_for', 'reason', 'locked'));
        when others then
          if not sync_scheduler.is_row_fault(sqlstate) then
            raise;
          end if;
          v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('integration_id', v_slot -> 'integration_id',
            'scheduled_for', v_slot -> 'scheduled_for', 'reason', 'rejected', 'detail', left(sqlstate || ': ' || sqlerrm, 1000)));
      end;
    end loop;
    return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'claimed', v_claimed, 'skipped', v_skipped,
      'advanced', v_advanced);
  end;
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

create function sync_scheduler.release_claimed(p_engine_id text, p_run_ids uuid[]) returns integer
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_released integer;
begin
  update public.sync_run_log set claimed_by = null, claimed_at = null where id in (
    select id from public.sync_run_log
     where id = any (p_run_ids) and status = 'pending' and claimed_by = p_engine_id
     order by id for update skip locked);
  get diagnostics v_released = row_count;
  return v_released;
end
$$;

-- Releases the runs that a stopping engine has claimed but not started, so that any engine can start them immediately.
-- A row that a trigger of the project rejects stays claimed, and does not affect other rows.
create function public.release_sync_claims(p_engine_id text, p_run_ids uuid[]) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_released integer := 0;
  v_id uuid;
begin
  begin
    v_released := sync_scheduler.release_claimed(p_engine_id, p_run_ids[1:1000]);
  exception when others then
    if not sync_scheduler.may_be_row_fault(sqlstate) then
      raise;
    end if;
    foreach v_id in array p_run_ids[1:1000] loop
      begin
        v_released := v_released + sync_scheduler.release_claimed(p_engine_id, array[v_id]);
      exception when others then
        if not sync_scheduler.may_be_row_fault(sqlstate) then
          raise;
        end if;
      end;
    end loop;
  end;
  return jsonb_build_object('released', v_released);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

revoke all on function
  public.fetch_sync_work(text, uuid, integer, jsonb),
  public.read_due_integrations(integer, text, uuid, uuid[]),
  public.read_sync_backfills(integer, uuid, uuid[]),
  public.claim_sync_runs(text, uuid, jsonb),
  public.release_sync_claims(text, uuid[])
  from public, anon, authenticated;
grant execute on function
  public.fetch_sync_work(text, uuid, integer, jsonb),
  public.read_due_integrations(integer, text, uuid, uuid[]),
  public.read_sync_backfills(integer, uuid, uuid[]),
  public.claim_sync_runs(text, uuid, jsonb),
  public.release_sync_claims(text, uuid[])
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000400.';
notify pgrst, 'reload schema';
