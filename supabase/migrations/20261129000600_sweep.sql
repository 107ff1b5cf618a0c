-- Sweeps the runs of dead engines and unresponsive functions, and opens and finishes ticks.

-- Sweeps a run whose lease has expired: running -> unknown.
create function sync_scheduler.sweep_expired(p_engine_id text, r public.sync_run_log, p_quiescence interval) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update public.sync_run_log set status = 'unknown', ambiguous = true,
    lease_until = coalesce(lease_until, sync_scheduler.clock()),
    -- A start time in an adopted table may be out of range.
    not_before = least(greatest(sync_scheduler.last_sign_of_life(r), '1970-01-01Z'), sync_scheduler.clock()) + p_quiescence,
    error_code = coalesce(error_code, 'LEASE_ENDED'),
    error_message = coalesce(error_message, sync_scheduler.clip('No outcome was reported before the lease ended.', 'error_message'))
  where id = r.id;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'running', 'unknown', r.attempt, p_engine_id, 'lease_ended');
  perform sync_scheduler.raise_incident('unknown', r.id::text, r.integration_id, r.id,
    jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'error_code', 'LEASE_ENDED'));
end
$$;

-- Returns whether the last attempt of an unknown run provably did nothing: the function never began, and the lease has expired.
-- Returns false if an earlier attempt is ambiguous and no attempts are left, so that the run stays unknown.
create function sync_scheduler.is_proven(r public.sync_run_log) returns boolean
  language sql stable
  return coalesce(r.fenced, false) and r.began_at is null and r.lease_until <= sync_scheduler.clock()
         and (coalesce(r.attempt, 0) < coalesce(r.max_attempts, 3) or not coalesce(r.ambiguous_before, false));

-- Sweeps an unknown run and returns the action. proven: the last attempt did nothing, and the run becomes pending or failed.
-- requeued: the run becomes pending. released: no attempts are left.
create function sync_scheduler.sweep_unknown(p_engine_id text, r public.sync_run_log) returns text
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_left constant boolean := coalesce(r.attempt, 0) < coalesce(r.max_attempts, 3) and not sync_scheduler.is_foreign(r);
  v_to constant text := case when v_left then 'pending' else 'failed' end;
begin
  if sync_scheduler.is_proven(r) then
    update public.sync_run_log set status = v_to, ambiguous = coalesce(ambiguous_before, false), claimed_by = null, not_before = null,
      finished_at = case when v_to = 'failed' then v_now end,
      duration_ms = case when v_to = 'failed'
        then sync_scheduler.elapsed_ms(coalesce(attempt_started_at, created_at), v_now, pg_typeof(r.duration_ms)) end
    where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'unknown', v_to, r.attempt, p_engine_id, 'never_began');
    if not coalesce(r.ambiguous_before, false) then
      perform sync_scheduler.resolve_incident('unknown', r.id::text);
    end if;
    return 'proven';
  elsif v_left then
    update public.sync_run_log set status = 'pending', claimed_by = null, not_before = null where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'unknown', 'pending', r.attempt, p_engine_id, 'on_unknown_retry');
    return 'requeued';
  else
    update public.sync_run_log set released_at = v_now where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'released', 'unknown', 'unknown', r.attempt, p_engine_id,
      case when sync_scheduler.is_foreign(r) then 'foreign' else 'no_attempts_left' end);
    return 'released';
  end if;
end
$$;

-- Sweeps a pending run that cannot start. The run becomes unknown if an earlier attempt may have taken effect,
-- and skipped otherwise. An unknown run is also released, unless on_unknown is hold.
create function sync_scheduler.sweep_pending(p_engine_id text, r public.sync_run_log, p_reason text, p_on_unknown text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_to constant text := case when r.ambiguous then 'unknown' else 'skipped' end;
begin
  update public.sync_run_log set status = v_to, skip_reason = p_reason, claimed_by = null,
    not_before = case when v_to = 'unknown' then v_now end,
    released_at = case when v_to = 'unknown' and p_on_unknown <> 'hold' then v_now end,
    finished_at = case when v_to = 'skipped' then v_now end
  where id = r.id;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'pending', v_to, r.attempt, p_engine_id, p_reason);
  if v_to = 'unknown' then
    perform sync_scheduler.raise_incident('unknown', r.id::text, r.integration_id, r.id,
      jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'error_code', r.error_code));
  end if;
end
$$;

-- Reports a run that the sweep cannot change because of the project's own constraint or trigger. Re-raises any other error.
create function sync_scheduler.sweep_rejected(p_done jsonb, r public.sync_run_log, p_sqlstate text, p_error text) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_detail constant text := format('run %s cannot be swept: %s: %s', r.id, p_sqlstate, left(p_error, 500));
begin
  if not sync_scheduler.may_be_row_fault(p_sqlstate) then
    raise exception using errcode = p_sqlstate, message = p_error;
  end if;
  perform sync_scheduler.raise_incident('rejected', r.integration_id::text, r.integration_id, r.id, jsonb_build_object('error', v_detail));
  return case when jsonb_array_length(p_done -> 'rejected') >= 20 then p_done else jsonb_set(p_done, '{rejected}',
    (p_done -> 'rejected') || jsonb_build_array(jsonb_build_object('integration_id', r.integration_id, 'detail', v_detail))) end;
end
$$;

-- Sweeps at most p_limit runs of each kind (expired, unknown and pending runs), most overdue first.
-- Skips locked rows, so that several engines can sweep concurrently. Skips and reports each row that cannot be swept: up to 1,000
-- such rows of each kind do not prevent the sweep of other rows.
-- A running row without a lease, written by another program, is swept after p_running_guard_seconds.
-- Returns {expired, proven, requeued, released, skipped}.
create function public.sweep_sync_runs(
  p_engine_id text, p_quiescence_seconds numeric default 430, p_running_guard_seconds numeric default 1800, p_limit integer default 100
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off set enable_incremental_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_quiescence constant interval := sync_scheduler.seconds(coalesce(p_quiescence_seconds, 430));
  v_guarded constant timestamptz := v_now - sync_scheduler.seconds(coalesce(p_running_guard_seconds, 1800));
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
  v_read constant integer := v_limit + 1000;
  v_left integer := v_limit;
  v_done jsonb := '{"expired": 0, "proven": 0, "requeued": 0, "released": 0, "skipped": 0, "rejected": []}';
  v_one record;
begin
  for v_one in
    select c.l from (
      select * from (
        select l from public.sync_run_log l where l.status = 'running' and l.lease_until <= v_now
         order by l.lease_until limit v_read for update skip locked) leased
      union all
      select * from (
        select l from public.sync_run_log l where l.status = 'running' and l.lease_until is null
           and coalesce(nullif(l.started_at, 'infinity'), nullif(l.created_at, 'infinity'), '-infinity') <= v_guarded
         limit v_read for update skip locked) foreign_row
    ) c
  loop
    begin
      perform sync_scheduler.sweep_expired(p_engine_id, v_one.l, v_quiescence);
      v_done := sync_scheduler.count_one(v_done, 'expired');
      v_left := v_left - 1;
    exception when others then
      v_done := sync_scheduler.sweep_rejected(v_done, v_one.l, sqlstate, sqlerrm);
    end;
    exit when v_left = 0;
  end loop;

  v_left := v_limit;
  for v_one in
    select l from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'unknown' and l.released_at is null
       and (sync_scheduler.is_proven(l)
            or (coalesce(i.on_unknown, 'retry') <> 'hold' and coalesce(l.not_before, '-infinity') <= v_now))
     order by l.not_before limit v_read for update of l skip locked
  loop
    begin
      v_done := sync_scheduler.count_one(v_done, sync_scheduler.sweep_unknown(p_engine_id, v_one.l));
      v_left := v_left - 1;
    exception when others then
      v_done := sync_scheduler.sweep_rejected(v_done, v_one.l, sqlstate, sqlerrm);
    end;
    exit when v_left = 0;
  end loop;

  v_left := v_limit;
  for v_one in
    select l, coalesce(i.on_unknown, 'retry') as on_unknown,
           case when i.id is null then 'gone' when not coalesce(i.enabled, false) then 'disabled' else 'foreign' end as reason
      from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'pending'
       and (not coalesce(i.enabled, false)
            or (sync_scheduler.is_foreign(l) and coalesce(nullif(l.created_at, 'infinity'), '-infinity') <= v_guarded))
     order by l.created_at, l.id limit v_read for update of l skip locked
  loop
    begin
      perform sync_scheduler.sweep_pending(p_engine_id, v_one.l, v_one.reason, v_one.on_unknown);
      v_done := sync_scheduler.count_one(v_done, 'skipped');
      v_left := v_left - 1;
    exception when others then
      v_done := sync_scheduler.sweep_rejected(v_done, v_one.l, sqlstate, sqlerrm);
    end;
    exit when v_left = 0;
  end loop;
  return v_done;
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

create function sync_scheduler.count_one(p_counts jsonb, p_key text) returns jsonb
  language sql immutable return p_counts || jsonb_build_object(p_key, (p_counts ->> p_key)::integer + 1);

-- Returns the pending runs that any engine may start: due retries, and runs that were claimed but not started in time.
create function public.read_pending_runs(
  p_engine_id text, p_limit integer default 100, p_adopt_after_seconds numeric default 10,
  p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
  set jit = off set enable_incremental_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_adopt_from constant timestamptz := v_now - sync_scheduler.seconds(coalesce(p_adopt_after_seconds, 10));
begin
  return coalesce((
    select jsonb_agg(sync_scheduler.run_json(l, i) order by l.created_at, l.id)
      from (
        select w.id from public.sync_run_log w
          join public.organization_integrations e on e.id = w.integration_id and e.enabled
         where w.status = 'pending' and (w.not_before is null or w.not_before <= v_now)
           and (w.claimed_by is null or coalesce(w.claimed_at, w.created_at) <= v_adopt_from)
           and w.scheduled_for is not null and w.idempotency_key is not null
           and (p_org_id is null or e.org_id = p_org_id)
           and (p_integration_ids is null or w.integration_id = any (p_integration_ids))
         order by w.created_at, w.id limit least(greatest(coalesce(p_limit, 100), 1), 100)
      ) p
      join public.sync_run_log l on l.id = p.id
      join public.organization_integrations i on i.id = l.integration_id), '[]');
end
$$;

-- Deletes records that are older than the retention period, at most p_limit of each kind:
-- finished runs, events of deleted runs, skipped ranges, ticks, resolved incidents. Leaves locked rows to a later tick.
create function public.prune_sync_history(p_limit integer default 1000) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms'
  set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
  v_kept_from constant timestamptz := sync_scheduler.kept_from();
  v_ticks_kept_from constant timestamptz := sync_scheduler.ticks_kept_from();
  v_limit constant integer := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_runs integer;
  v_events integer;
  v_ranges integer;
  v_ticks integer;
  v_incidents integer;
  v_holds text[];
begin
  delete from public.sync_run_log where id in (
    select l.id from public.sync_run_log l where l.created_at < v_kept_from and l.status in ('completed', 'failed', 'skipped')
     order by l.created_at limit v_limit for update skip locked);
  get diagnostics v_runs = row_count;
  delete from public.sync_run_event where id in (
    select e.id from public.sync_run_event e where e.at < v_kept_from
       and not exists (select 1 from public.sync_run_log l where l.id = e.run_id)
     order by e.at limit v_limit * 4 for update skip locked);
  get diagnostics v_events = row_count;
  delete from public.sync_skipped_range where id in (
    select r.id from public.sync_skipped_range r where r."to" < v_kept_from order by r."to" limit v_limit for update skip locked);
  get diagnostics v_ranges = row_count;
  delete from public.sync_tick where id in (
    select t.id from public.sync_tick t where t.started_at < v_ticks_kept_from order by t.started_at limit v_limit * 4
       for update skip locked);
  get diagnostics v_ticks = row_count;
  delete from public.sync_incident where id in (
    select i.id from public.sync_incident i where i.resolved_at < v_kept_from order by i.resolved_at limit v_limit
       for update skip locked);
  get diagnostics v_incidents = row_count;
  with over as (
    delete from public.sync_api_hold where (provider, host, org_id) in (
      select k.provider, k.host, k.org_id from public.sync_api_hold k where k.expires_at <= sync_scheduler.clock()
       order by k.expires_at limit v_limit for update skip locked)
    returning sync_scheduler.api_name(provider, host) || '/' || org_id as subject
  )
  select array_agg(o.subject) into v_holds from over o;
  if v_holds is not null then
    perform sync_scheduler.resolve_incidents('health', v_holds);
  end if;
  return jsonb_build_object('runs', v_runs, 'events', v_events, 'ranges', v_ranges, 'ticks', v_ticks, 'incidents', v_incidents);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- A foreign key in the project may prevent a deletion, so an error only raises a warning.
create function sync_scheduler.prune() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform public.prune_sync_history();
exception when others then
  raise warning 'prune_sync_history: old history could not be deleted: %', sqlerrm;
end
$$;

-- Opens an incident for each due integration whose row has a fault, up to 20 per call. Returns [{integration_id, detail}].
-- Sets a next_run_at before 1970 or after the year 9000 to null, so that the tick recomputes the slot.
create function sync_scheduler.check_due(p_org_id uuid, p_ids uuid[]) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_rejected jsonb := '[]';
  v_one record;
begin
  for v_one in
    (select i.id from public.organization_integrations i where i.enabled and i.next_run_at < '1970-01-01Z'
      order by i.next_run_at, i.id limit 1000)
    union all
    (select i.id from public.organization_integrations i where i.enabled and i.next_run_at > '9000-01-01Z'
      order by i.next_run_at, i.id limit 1000)
  loop
    begin
      update public.organization_integrations set next_run_at = null where id = v_one.id;
    exception when others then
      if not sync_scheduler.may_be_row_fault(sqlstate) then
        raise;
      end if;
      perform sync_scheduler.raise_incident('rejected', v_one.id::text, v_one.id, null,
        jsonb_build_object('error', left(sqlstate || ': ' || sqlerrm, 1000)));
    end;
  end loop;
  if not sync_scheduler.has_unchecked_rows() then
    return v_rejected;
  end if;
  for v_one in
    select d.id, d.fault from (
      select o.id, sync_scheduler.row_fault(o.i) as fault from (
        (select i, i.id from public.organization_integrations i
          where i.enabled and i.next_run_at <= v_now and i.schedule_error is null and i.sync_schedule is not null
            and (p_org_id is null or i.org_id = p_org_id) and (p_ids is null or i.id = any (p_ids))
          order by i.next_run_at, i.id limit 1000)
        union all
        (select i, i.id from public.organization_integrations i
          where i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null
            and (p_org_id is null or i.org_id = p_org_id) and (p_ids is null or i.id = any (p_ids))
          order by i.id limit 1000)) o) d
     where d.fault is not null limit 20
  loop
    perform sync_scheduler.raise_incident('rejected', v_one.id::text, v_one.id, null, jsonb_build_object('error', v_one.fault));
    v_rejected := v_rejected || jsonb_build_array(jsonb_build_object('integration_id', v_one.id, 'detail', v_one.fault));
  end loop;
  return v_rejected;
end
$$;

create function sync_scheduler.has_several_organisations() returns boolean
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select (select i.org_id from public.organization_integrations i where i.enabled order by i.org_id limit 1)
      <> (select i.org_id from public.organization_integrations i where i.enabled order by i.org_id desc limit 1)
$$;

-- Returns the host part of an engine id (<host>-<pid>-<4 hex digits>).
create function sync_scheduler.machine_of(p_engine_id text) returns text
  language sql immutable return regexp_replace(p_engine_id, '-[0-9]+-[0-9a-f]{4}$', '');

-- Returns true only if no tick of any scope would have work. Otherwise, a tick may still turn out to be idle. The function is
-- one cheap statement, because most ticks are idle, and a process that opens only one tick cannot reuse query plans.
create function sync_scheduler.is_quiet(p_now timestamptz, p_within interval) returns boolean
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  v_kept_from constant timestamptz := sync_scheduler.kept_from();
  v_ticks_kept_from constant timestamptz := sync_scheduler.ticks_kept_from();
begin
  -- min and max each read one index entry, regardless of the planner's statistics.
  return coalesce((select min(i.next_run_at) > p_now and max(i.next_run_at) <= '9000-01-01Z'
                     from public.organization_integrations i where i.enabled), true)
    and coalesce((select min(i.next_run_at) > p_now + p_within from public.organization_integrations i where i.enabled and i.warm_up), true)
    and not exists (select 1 from public.organization_integrations i
                     where i.enabled and i.next_run_at is null and i.schedule_error is null and i.sync_schedule is not null)
    and not exists (select 1 from public.sync_run_log l where l.status = 'pending')
    and not exists (select 1 from public.sync_run_log l where l.status = 'running' and l.lease_until <= p_now)
    and not exists (select 1 from public.sync_run_log l where l.status = 'running' and l.lease_until is null)
    and not exists (select 1 from public.sync_run_log l where l.status = 'unknown' and l.released_at is null)
    and not exists (select 1 from public.sync_backfill b where b.status = 'open')
    and not exists (select 1 from public.sync_run_log l where l.created_at < v_kept_from and l.status <> 'unknown')
    and not exists (select 1 from public.sync_run_event e where e.at < v_kept_from)
    and not exists (select 1 from public.sync_skipped_range r where r."to" < v_kept_from)
    and not exists (select 1 from public.sync_tick t where t.started_at < v_ticks_kept_from)
    and not exists (select 1 from public.sync_incident c where c.resolved_at < v_kept_from)
    and not exists (select 1 from public.sync_api_hold k where k.expires_at <= p_now);
end
$$;

-- Opens a tick: sweeps, fetches pending runs and the first page of due integrations, lists the functions to warm up,
-- and writes the tick's row. The tick's id is also the token of its first fetch. An idle tick is finished by the same call.
-- p_options: {engine_version, adopt_after_seconds, quiescence_seconds,
-- running_guard_seconds, warm_up_within_seconds, limit, org_id, integration_ids, with_apis}.
-- Returns {now, schema_version, idle, swept, pending: [run], integrations: [due], more, rejected: [{integration_id,
-- detail}], several_organisations, backfills: boolean, warm_ups: [{function_name, next_run_at}], clock_skew_open, alerts, apis}.
-- clock_skew_open: the engine's machine has an open clock-skew incident.
-- alerts: take_sync_alerts may have messages to return. apis: the result of read_sync_apis, if idle and with_apis is true.
create function public.open_sync_tick(p_tick_id uuid, p_engine_id text, p_options jsonb default '{}') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := coalesce((p_options ->> 'limit')::integer, 100);
  v_org_id constant uuid := (p_options ->> 'org_id')::uuid;
  v_ids constant uuid[] := case when jsonb_typeof(p_options -> 'integration_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'integration_ids') e) end;
  v_within constant numeric := coalesce((p_options ->> 'warm_up_within_seconds')::numeric, 60);
  v_quiet constant boolean := sync_scheduler.is_quiet(v_now, sync_scheduler.seconds(v_within));
  v_swept jsonb := '{"expired": 0, "proven": 0, "requeued": 0, "released": 0, "skipped": 0, "rejected": []}';
  v_rejected jsonb := '[]';
  v_work jsonb := jsonb_build_object('now', sync_scheduler.iso(v_now), 'pending', '[]'::jsonb, 'integrations', '[]'::jsonb, 'more', false);
  v_nothing_due boolean := true;
  v_backfills boolean := false;
  v_idle boolean := true;
begin
  if not v_quiet then
    v_swept := public.sweep_sync_runs(p_engine_id, (p_options ->> 'quiescence_seconds')::numeric,
      (p_options ->> 'running_guard_seconds')::numeric);
    v_rejected := (v_swept -> 'rejected') || sync_scheduler.check_due(v_org_id, v_ids);
    v_work := public.fetch_sync_work(p_engine_id, p_tick_id, v_limit, p_options);
    v_rejected := v_rejected || (v_work -> 'rejected');
    v_nothing_due := jsonb_array_length(v_work -> 'pending') = 0 and jsonb_array_length(v_work -> 'integrations') = 0
      and v_rejected = '[]';
    select exists (
      select 1 from public.sync_backfill b join public.organization_integrations i on i.id = b.integration_id
       where b.status = 'open' and i.enabled and (v_org_id is null or i.org_id = v_org_id) and (v_ids is null or i.id = any (v_ids))
         and (not v_nothing_due or sync_scheduler.backfill_waits(i) is null)
    ) into v_backfills;
    v_idle := v_nothing_due and not v_backfills;
  end if;
  insert into public.sync_tick (id, engine_id, engine_version, started_at, finished_at)
  values (p_tick_id, p_engine_id, p_options ->> 'engine_version', v_now, case when v_idle then v_now end)
  on conflict (id) do nothing;
  if v_idle and not v_quiet then
    perform sync_scheduler.prune();
  end if;
  return v_work || jsonb_build_object('schema_version', sync_scheduler.schema_version(), 'idle', v_idle,
    'swept', v_swept - 'rejected', 'rejected', v_rejected, 'backfills', v_backfills,
    'several_organisations', not v_idle and coalesce(sync_scheduler.has_several_organisations(), false),
    'warm_ups', case when v_quiet then '[]' else public.read_upcoming_warm_ups(v_within) end,
    'clock_skew_open', exists (select 1 from public.sync_incident c
      where c.kind = 'clock_skew' and c.subject = sync_scheduler.machine_of(p_engine_id) and c.resolved_at is null),
    'alerts', exists (select 1 from public.sync_incident a
      where ((a.resolved_at is null and a.notified_at is null and a.alert_gave_up is null)
             or (a.resolved_at is not null and a.resolve_notified_at is null and a.alert_gave_up is distinct from 'resolved'))
        and (a.alert_claimed_until is null or a.alert_claimed_until <= v_now)
        and (a.alert_not_before is null or a.alert_not_before <= v_now or a.resolved_at < v_now - interval '1 day')),
    'apis', case when v_idle and (p_options ->> 'with_apis')::boolean then public.read_sync_apis() end);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Ends the reservations that an engine's latest claims made of the integrations' next slots, so that any engine can fetch these
-- slots immediately. If a row is locked, or a trigger of the project rejects its update, the reservation ends after 15 seconds.
create function sync_scheduler.release_reserved(p_engine_id text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  update public.organization_integrations i set reserved_until = null
   where i.id in (select r.id from public.organization_integrations r
                   where r.reserved_by = p_engine_id and r.reserved_until > v_now
                     and r.id in (select l.integration_id from public.sync_run_log l
                                   where l.created_at > v_now - interval '15 seconds' and l.claimed_by = p_engine_id)
                     for no key update skip locked);
exception when others then
  if not sync_scheduler.may_be_row_fault(sqlstate) then raise; end if;
end
$$;

-- Finishes a tick that was not idle, and records the tick's summary.
create function public.finish_sync_tick(p_tick_id uuid, p_engine_id text, p_summary jsonb, p_clock_skew_ms bigint default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_host constant text := sync_scheduler.machine_of(p_engine_id);
  v_now constant timestamptz := sync_scheduler.clock();
begin
  insert into public.sync_tick as t (id, engine_id, started_at, finished_at, clock_skew_ms, due, triggered, completed, failed,
                                     skipped, unresolved, rescued, missed, cold_starts, summary)
  select p_tick_id, p_engine_id, v_now, v_now, p_clock_skew_ms,
         coalesce(s.due, 0), coalesce(s.triggered, 0), coalesce(s.completed, 0), coalesce(s.failed, 0), coalesce(s.skipped, 0),
         coalesce(s.unresolved, 0), coalesce(s.rescued, 0), coalesce(s.missed, 0), coalesce(s.cold_starts, 0), p_summary
    from jsonb_to_record(case when jsonb_typeof(p_summary) = 'object' then p_summary else '{}' end)
      as s(due integer, triggered integer, completed integer, failed integer, skipped integer,
           unresolved integer, rescued integer, missed bigint, cold_starts integer)
  on conflict (id) do update set finished_at = excluded.finished_at, clock_skew_ms = excluded.clock_skew_ms,
    due = excluded.due, triggered = excluded.triggered, completed = excluded.completed, failed = excluded.failed,
    skipped = excluded.skipped, unresolved = excluded.unresolved, rescued = excluded.rescued, missed = excluded.missed,
    cold_starts = excluded.cold_starts, summary = excluded.summary;
  -- The incident of a rejected row stays open until a claim for the row succeeds.
  begin
    perform sync_scheduler.raise_incident('rejected', r.integration_id::text, r.integration_id, null, jsonb_build_object('error', left(r.detail, 1000)))
      from jsonb_to_recordset(case when jsonb_typeof(p_summary -> 'skips') = 'array' then p_summary -> 'skips' else '[]' end)
        as r(integration_id uuid, reason text, detail text)
     where r.reason = 'rejected' and r.integration_id is not null and r.detail is not null;
  exception when data_exception then
    null;                                               -- an unreadable summary does not open an incident
  end;
  if abs(p_clock_skew_ms) > 5000 then
    perform sync_scheduler.raise_incident('clock_skew', v_host, null, null, jsonb_build_object('clock_skew_ms', p_clock_skew_ms));
  elsif p_clock_skew_ms is not null then
    perform sync_scheduler.resolve_incident('clock_skew', v_host);
  end if;
  perform sync_scheduler.release_reserved(p_engine_id);
  perform sync_scheduler.prune();
  return jsonb_build_object('finished', true);
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- A ticket allows a pg_cron job to start one tick in an Edge Function within two minutes.
-- Every role that may use pg_net can read pg_net's request queue, so a request must not contain a key.

-- Returns a new ticket: 64 hexadecimal digits with 244 random bits.
create function sync_scheduler.issue_ticket() returns text
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_ticket constant text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
  delete from sync_scheduler.ticket where digest in (
    select t.digest from sync_scheduler.ticket t where t.expires_at < sync_scheduler.clock() limit 1000 for update skip locked);
  insert into sync_scheduler.ticket (digest, expires_at)
    values (sha256(convert_to(v_ticket, 'UTF8')), sync_scheduler.clock() + interval '2 minutes');
  return v_ticket;
end
$$;

-- Redeems a ticket and returns {granted}. A ticket is granted only once.
create function public.redeem_sync_ticket(p_ticket text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_expires_at timestamptz;
begin
  delete from sync_scheduler.ticket where digest = sha256(convert_to(p_ticket, 'UTF8')) returning expires_at into v_expires_at;
  return jsonb_build_object('granted', coalesce(v_expires_at >= sync_scheduler.clock(), false));
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

revoke all on function
  public.sweep_sync_runs(text, numeric, numeric, integer),
  public.read_pending_runs(text, integer, numeric, uuid, uuid[]),
  public.prune_sync_history(integer),
  public.open_sync_tick(uuid, text, jsonb),
  public.finish_sync_tick(uuid, text, jsonb, bigint),
  public.redeem_sync_ticket(text)
  from public, anon, authenticated;
grant execute on function
  public.sweep_sync_runs(text, numeric, numeric, integer),
  public.read_pending_runs(text, integer, numeric, uuid, uuid[]),
  public.prune_sync_history(integer),
  public.open_sync_tick(uuid, text, jsonb),
  public.finish_sync_tick(uuid, text, jsonb, bigint),
  public.redeem_sync_ticket(text)
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000600.';
notify pgrst, 'reload schema';
