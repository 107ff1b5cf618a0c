-- What a dead engine or a silent function left behind, and the frame of a tick around it.

-- Decides every run whose time has ended, at most p_limit of each kind. Safe with many engines: rows held by others are left.
-- Returns {expired, proven, requeued, released, skipped}.
create function public.sweep_sync_runs(
  p_engine_id text, p_quiescence_seconds numeric default 430, p_running_guard_seconds numeric default 1800, p_limit integer default 100
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_quiescence constant interval := make_interval(secs => p_quiescence_seconds);
  v_guard constant interval := make_interval(secs => p_running_guard_seconds);
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
  v_expired integer := 0;
  v_proven integer := 0;
  v_requeued integer := 0;
  v_released integer := 0;
  v_skipped integer := 0;
  v_on_unknown text;
  v_to text;
  r public.sync_run_log;
begin
  -- running, lease ended -> unknown. A row that somebody else wrote without a lease is live for the running guard.
  for r in
    select * from public.sync_run_log l where l.status = 'running'
       and (l.lease_until <= v_now or (l.lease_until is null and coalesce(l.started_at, l.created_at) + v_guard <= v_now))
     order by l.id limit v_limit for update skip locked
  loop
    update public.sync_run_log set status = 'unknown', ambiguous = true,
      lease_until = coalesce(lease_until, v_now),
      not_before = coalesce(sync_scheduler.last_sign_of_life(r), created_at) + v_quiescence,
      error_code = coalesce(error_code, 'LEASE_ENDED'),
      error_message = coalesce(error_message, 'No outcome was reported before the lease ended.')
    where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'running', 'unknown', r.attempt, p_engine_id, 'lease_ended');
    perform sync_scheduler.raise_incident('unknown', r.id::text, r.integration_id, r.id,
      jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'error_code', 'LEASE_ENDED'));
    v_expired := v_expired + 1;
  end loop;

  -- unknown: proven not executed by the fence, or a retry is allowed, or nothing more can be done.
  for r in
    select l.* from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'unknown' and l.released_at is null
       and ((l.fenced and l.began_at is null and l.lease_until <= v_now)
            or (coalesce(i.on_unknown, 'retry') = 'retry' and l.not_before <= v_now))
     order by l.id limit v_limit for update of l skip locked
  loop
    if r.fenced and r.began_at is null and r.lease_until <= v_now then
      -- The function never began and, its lease over, never may: this attempt did nothing.
      v_to := case when r.attempt < r.max_attempts then 'pending' when r.ambiguous_before then 'unknown' else 'failed' end;
      update public.sync_run_log set status = v_to, ambiguous = ambiguous_before, claimed_by = null, not_before = null,
        fenced = fenced and v_to <> 'unknown',
        released_at = case when v_to = 'unknown' then v_now end,
        finished_at = case when v_to = 'failed' then v_now end,
        duration_ms = case when v_to = 'failed'
          then (extract(epoch from v_now - coalesce(attempt_started_at, created_at)) * 1000)::bigint end
      where id = r.id;
      perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'unknown', v_to, r.attempt, p_engine_id, 'never_began');
      if v_to <> 'unknown' then
        perform sync_scheduler.resolve_incident('unknown', r.id::text);
        v_proven := v_proven + 1;
      else
        v_released := v_released + 1;
      end if;
    elsif r.attempt < r.max_attempts then
      update public.sync_run_log set status = 'pending', claimed_by = null, not_before = null where id = r.id;
      perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'unknown', 'pending', r.attempt, p_engine_id, 'on_unknown_retry');
      v_requeued := v_requeued + 1;
    else
      update public.sync_run_log set released_at = v_now where id = r.id;
      perform sync_scheduler.record_event(r.id, r.integration_id, 'released', 'unknown', 'unknown', r.attempt, p_engine_id, 'no_attempts_left');
      v_released := v_released + 1;
    end if;
  end loop;

  -- pending, integration disabled or gone -> skipped (unknown if it may have happened).
  for r in
    select l.* from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'pending' and not coalesce(i.enabled, false)
     order by l.id limit v_limit for update of l skip locked
  loop
    v_to := case when r.ambiguous then 'unknown' else 'skipped' end;
    update public.sync_run_log set status = v_to,
      skip_reason = case when exists (select 1 from public.organization_integrations where id = r.integration_id)
                         then 'disabled' else 'gone' end,
      not_before = case when v_to = 'unknown' then coalesce(sync_scheduler.last_sign_of_life(r), created_at) + v_quiescence end,
      released_at = case when v_to = 'unknown' then v_now end,
      finished_at = case when v_to = 'skipped' then v_now end
    where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'pending', v_to, r.attempt, p_engine_id, 'disabled');
    v_skipped := v_skipped + 1;
  end loop;

  return jsonb_build_object('expired', v_expired, 'proven', v_proven, 'requeued', v_requeued, 'released', v_released,
    'skipped', v_skipped);
end
$$;

-- Runs that wait to be started by any engine: retries whose time has come, and claims that their engine never started.
create function public.read_pending_runs(
  p_engine_id text, p_limit integer default 100, p_adopt_after_seconds numeric default 10,
  p_org_id uuid default null, p_integration_ids uuid[] default null, p_exclude uuid[] default '{}'
) returns jsonb language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(sync_scheduler.run_json(l, i) order by l.created_at, l.id), '[]')
    from (
      select l.* from public.sync_run_log l
        join public.organization_integrations e on e.id = l.integration_id and e.enabled
       where l.status = 'pending' and (l.not_before is null or l.not_before <= sync_scheduler.clock())
         and (l.claimed_by is null or l.created_at + make_interval(secs => p_adopt_after_seconds) <= sync_scheduler.clock())
         and (p_org_id is null or l.org_id = p_org_id)
         and (p_integration_ids is null or l.integration_id = any (p_integration_ids))
         and l.id <> all (p_exclude)
       order by l.created_at, l.id limit least(greatest(p_limit, 1), 100)
    ) l
    join public.organization_integrations i on i.id = l.integration_id
$$;

-- The version of the schema: the newest migration. Each migration that changes a contract replaces it.
create function sync_scheduler.schema_version() returns text language sql immutable as $$ select '20261124000700' $$;

-- Deletes history that is older than it needs to be, in batches: finished runs, their events, ranges, ticks, incidents.
create function public.prune_sync_history(
  p_keep_runs_days integer default 400, p_keep_ticks_days integer default 30, p_limit integer default 1000
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_runs_before constant timestamptz := sync_scheduler.clock() - make_interval(days => greatest(p_keep_runs_days, 1));
  v_ticks_before constant timestamptz := sync_scheduler.clock() - make_interval(days => greatest(p_keep_ticks_days, 1));
  v_runs integer;
  v_events integer;
  v_ranges integer;
  v_ticks integer;
  v_incidents integer;
begin
  delete from public.sync_run_log where id in (
    select id from public.sync_run_log where created_at < v_runs_before and status in ('completed', 'failed', 'skipped')
     order by created_at limit p_limit for update skip locked);
  get diagnostics v_runs = row_count;
  delete from public.sync_run_event where id in (
    select e.id from public.sync_run_event e where e.at < v_runs_before
       and not exists (select 1 from public.sync_run_log l where l.id = e.run_id)
     order by e.at limit p_limit * 4);
  get diagnostics v_events = row_count;
  delete from public.sync_skipped_range where id in (
    select id from public.sync_skipped_range where "to" < v_runs_before order by id limit p_limit);
  get diagnostics v_ranges = row_count;
  delete from public.sync_tick where id in (
    select id from public.sync_tick where started_at < v_ticks_before order by started_at limit p_limit * 4);
  get diagnostics v_ticks = row_count;
  delete from public.sync_incident where id in (
    select id from public.sync_incident where resolved_at < v_runs_before order by id limit p_limit);
  get diagnostics v_incidents = row_count;
  return jsonb_build_object('runs', v_runs, 'events', v_events, 'ranges', v_ranges, 'ticks', v_ticks, 'incidents', v_incidents);
end
$$;

-- The first call of a tick: sweep, what waits, the first page of what is due, and the tick's row. A tick that finds
-- nothing is finished by this very call. Prunes once an hour.
-- p_options: {engine_version, adopt_after_seconds, quiescence_seconds, running_guard_seconds, limit, org_id, integration_ids}
-- Returns {now, schema_version, idle, swept, pending: [run], integrations: [...], cursor}.
create function public.open_sync_tick(p_tick_id uuid, p_engine_id text, p_options jsonb default '{}') returns jsonb
  language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := coalesce((p_options ->> 'limit')::integer, 100);
  v_adopt_after constant numeric := coalesce((p_options ->> 'adopt_after_seconds')::numeric, 10);
  v_org_id constant uuid := (p_options ->> 'org_id')::uuid;
  v_ids constant uuid[] := case when jsonb_typeof(p_options -> 'integration_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'integration_ids') e) end;
  v_last timestamptz;
  v_swept jsonb;
  v_pending jsonb;
  v_due jsonb;
  v_idle boolean;
begin
  select max(started_at) into v_last from public.sync_tick;
  v_swept := public.sweep_sync_runs(p_engine_id, coalesce((p_options ->> 'quiescence_seconds')::numeric, 430),
    coalesce((p_options ->> 'running_guard_seconds')::numeric, 1800));
  v_pending := public.read_pending_runs(p_engine_id, v_limit, v_adopt_after, v_org_id, v_ids);
  v_due := public.read_due_integrations(v_limit, null, v_org_id, v_ids);
  v_idle := jsonb_array_length(v_pending) = 0 and jsonb_array_length(v_due -> 'integrations') = 0;
  insert into public.sync_tick (id, engine_id, engine_version, started_at, finished_at)
  values (p_tick_id, p_engine_id, p_options ->> 'engine_version', v_now, case when v_idle then v_now end)
  on conflict (id) do nothing;
  if v_last is null or date_trunc('hour', v_last) < date_trunc('hour', v_now) then
    perform public.prune_sync_history();
  end if;
  return v_due || jsonb_build_object('schema_version', sync_scheduler.schema_version(), 'idle', v_idle, 'swept', v_swept,
    'pending', v_pending);
end
$$;

-- The last call of a tick that found something: its counts and its summary.
create function public.finish_sync_tick(p_tick_id uuid, p_engine_id text, p_summary jsonb, p_clock_skew_ms bigint default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  insert into public.sync_tick as t (id, engine_id, started_at, finished_at, clock_skew_ms, due, triggered, completed, failed,
                                     skipped, unresolved, rescued, missed, cold_starts, summary)
  select p_tick_id, p_engine_id, sync_scheduler.clock(), sync_scheduler.clock(), p_clock_skew_ms,
         coalesce(s.due, 0), coalesce(s.triggered, 0), coalesce(s.completed, 0), coalesce(s.failed, 0), coalesce(s.skipped, 0),
         coalesce(s.unresolved, 0), coalesce(s.rescued, 0), coalesce(s.missed, 0), coalesce(s.cold_starts, 0), p_summary
    from jsonb_to_record(p_summary) as s(due integer, triggered integer, completed integer, failed integer, skipped integer,
                                         unresolved integer, rescued integer, missed bigint, cold_starts integer)
  on conflict (id) do update set finished_at = excluded.finished_at, clock_skew_ms = excluded.clock_skew_ms,
    due = excluded.due, triggered = excluded.triggered, completed = excluded.completed, failed = excluded.failed,
    skipped = excluded.skipped, unresolved = excluded.unresolved, rescued = excluded.rescued, missed = excluded.missed,
    cold_starts = excluded.cold_starts, summary = excluded.summary;
  if abs(p_clock_skew_ms) > 5000 then
    perform sync_scheduler.raise_incident('clock_skew', p_engine_id, null, null, jsonb_build_object('clock_skew_ms', p_clock_skew_ms));
  elsif p_clock_skew_ms is not null then
    perform sync_scheduler.resolve_incident('clock_skew', p_engine_id);
  end if;
  return jsonb_build_object('finished', true);
end
$$;
