-- What a dead engine or a silent function left behind, and the frame of a tick around it.

-- running, lease ended -> unknown. A row that somebody else wrote without a lease is live for the running guard.
create function sync_scheduler.sweep_expired(p_engine_id text, r public.sync_run_log, p_quiescence interval) returns void
  language plpgsql set search_path = '' as $$
begin
  update public.sync_run_log set status = 'unknown', ambiguous = true,
    lease_until = coalesce(lease_until, sync_scheduler.clock()),
    not_before = coalesce(sync_scheduler.last_sign_of_life(r), sync_scheduler.clock()) + p_quiescence,
    error_code = coalesce(error_code, 'LEASE_ENDED'),
    error_message = coalesce(error_message, sync_scheduler.clip('No outcome was reported before the lease ended.', 'error_message'))
  where id = r.id;
  perform sync_scheduler.record_event(r.id, r.integration_id, 'swept', 'running', 'unknown', r.attempt, p_engine_id, 'lease_ended');
  perform sync_scheduler.raise_incident('unknown', r.id::text, r.integration_id, r.id,
    jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'error_code', 'LEASE_ENDED'));
end
$$;

-- Whether the fence proves that the last attempt of an unknown run did nothing: the function never began and, its lease
-- over, never may. With no attempts left the proof is of no use when an earlier attempt stays ambiguous.
create function sync_scheduler.is_proven(r public.sync_run_log) returns boolean
  language sql stable
  return coalesce(r.fenced, false) and r.began_at is null and r.lease_until <= sync_scheduler.clock()
         and (coalesce(r.attempt, 0) < coalesce(r.max_attempts, 3) or not coalesce(r.ambiguous_before, false));

-- unknown -> pending or failed when proven, else pending again or released when a retry is allowed. Returns what was done.
create function sync_scheduler.sweep_unknown(p_engine_id text, r public.sync_run_log) returns text
  language plpgsql set search_path = '' as $$
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

-- pending -> skipped; unknown, and released unless it is to hold, when an earlier attempt may have happened.
create function sync_scheduler.sweep_pending(p_engine_id text, r public.sync_run_log, p_reason text, p_on_unknown text)
returns void language plpgsql set search_path = '' as $$
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

-- Decides every run whose time has ended, at most p_limit of each kind, longest waiting first. Safe with many engines:
-- rows held by others are left. A row that cannot be swept is left too, with a warning, so that it never stops a tick.
-- Returns {expired, proven, requeued, released, skipped}.
create function public.sweep_sync_runs(
  p_engine_id text, p_quiescence_seconds numeric default 430, p_running_guard_seconds numeric default 1800, p_limit integer default 100
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_quiescence constant interval := sync_scheduler.seconds(coalesce(p_quiescence_seconds, 430));
  v_guarded constant timestamptz := v_now - sync_scheduler.seconds(coalesce(p_running_guard_seconds, 1800));
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
  v_done jsonb := '{"expired": 0, "proven": 0, "requeued": 0, "released": 0, "skipped": 0}';
  v_one record;
begin
  for v_one in
    select c.l from (
      select * from (
        select l from public.sync_run_log l where l.status = 'running' and l.lease_until <= v_now
         order by l.lease_until limit v_limit for update skip locked) leased
      union all
      select * from (
        select l from public.sync_run_log l where l.status = 'running' and l.lease_until is null
           and coalesce(l.started_at, l.created_at, '-infinity') <= v_guarded
         limit v_limit for update skip locked) foreign_row
    ) c
  loop
    begin
      perform sync_scheduler.sweep_expired(p_engine_id, v_one.l, v_quiescence);
      v_done := sync_scheduler.count_one(v_done, 'expired');
    exception when others then
      raise warning 'sweep_sync_runs: run % cannot be swept: %', (v_one.l).id, sqlerrm;
    end;
  end loop;

  for v_one in
    select l from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'unknown' and l.released_at is null
       and (sync_scheduler.is_proven(l)
            or (coalesce(i.on_unknown, 'retry') <> 'hold' and coalesce(l.not_before, '-infinity') <= v_now))
     order by l.not_before limit v_limit for update of l skip locked
  loop
    begin
      v_done := sync_scheduler.count_one(v_done, sync_scheduler.sweep_unknown(p_engine_id, v_one.l));
    exception when others then
      raise warning 'sweep_sync_runs: run % cannot be swept: %', (v_one.l).id, sqlerrm;
    end;
  end loop;

  for v_one in
    select l, coalesce(i.on_unknown, 'retry') as on_unknown,
           case when i.id is null then 'gone' when not coalesce(i.enabled, false) then 'disabled' else 'foreign' end as reason
      from public.sync_run_log l
      left join public.organization_integrations i on i.id = l.integration_id
     where l.status = 'pending'
       and (not coalesce(i.enabled, false)
            or (sync_scheduler.is_foreign(l) and coalesce(l.created_at, '-infinity') <= v_guarded))
     order by l.created_at, l.id limit v_limit for update of l skip locked
  loop
    begin
      perform sync_scheduler.sweep_pending(p_engine_id, v_one.l, v_one.reason, v_one.on_unknown);
      v_done := sync_scheduler.count_one(v_done, 'skipped');
    exception when others then
      raise warning 'sweep_sync_runs: run % cannot be swept: %', (v_one.l).id, sqlerrm;
    end;
  end loop;
  return v_done;
end
$$;

create function sync_scheduler.count_one(p_counts jsonb, p_key text) returns jsonb
  language sql immutable return p_counts || jsonb_build_object(p_key, (p_counts ->> p_key)::integer + 1);

-- Runs that wait to be started by any engine: retries whose time has come, and claims that their engine never started.
create function public.read_pending_runs(
  p_engine_id text, p_limit integer default 100, p_adopt_after_seconds numeric default 10,
  p_org_id uuid default null, p_integration_ids uuid[] default null, p_exclude uuid[] default '{}'
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_adopt_from constant timestamptz := v_now - sync_scheduler.seconds(coalesce(p_adopt_after_seconds, 10));
  v_exclude constant uuid[] := coalesce(p_exclude, '{}');
begin
  return coalesce((
    select jsonb_agg(sync_scheduler.run_json(l, i) order by l.created_at, l.id)
      from (
        select w.id from public.sync_run_log w
          join public.organization_integrations e on e.id = w.integration_id and e.enabled
         where w.status = 'pending' and (w.not_before is null or w.not_before <= v_now)
           and (w.claimed_by is null or w.created_at <= v_adopt_from)
           and w.scheduled_for is not null and w.idempotency_key is not null
           and (p_org_id is null or e.org_id = p_org_id)
           and (p_integration_ids is null or w.integration_id = any (p_integration_ids))
           and w.id <> all (v_exclude)
         order by w.created_at, w.id limit least(greatest(coalesce(p_limit, 100), 1), 100)
      ) p
      join public.sync_run_log l on l.id = p.id
      join public.organization_integrations i on i.id = l.integration_id), '[]');
end
$$;

-- The version of the schema: the newest migration. Each migration that changes a contract replaces it.
create function sync_scheduler.schema_version() returns text language sql immutable return '20261124000700';

-- Deletes history that is older than it needs to be, a batch of each kind: finished runs, events of runs that are gone,
-- ranges, ticks, resolved incidents. Never waits for anybody: what another session holds is left for the next time.
create function public.prune_sync_history(
  p_keep_runs_days integer default 400, p_keep_ticks_days integer default 30, p_limit integer default 1000
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_runs_before constant timestamptz := sync_scheduler.clock() - make_interval(days => greatest(p_keep_runs_days, 1));
  v_ticks_before constant timestamptz := sync_scheduler.clock() - make_interval(days => greatest(p_keep_ticks_days, 1));
  v_limit constant integer := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_runs integer;
  v_events integer;
  v_ranges integer;
  v_ticks integer;
  v_incidents integer;
begin
  delete from public.sync_run_log where id in (
    select l.id from public.sync_run_log l where l.created_at < v_runs_before and l.status in ('completed', 'failed', 'skipped')
     order by l.created_at limit v_limit for update skip locked);
  get diagnostics v_runs = row_count;
  delete from public.sync_run_event where id in (
    select e.id from public.sync_run_event e where e.at < v_runs_before
       and not exists (select 1 from public.sync_run_log l where l.id = e.run_id)
     order by e.at limit v_limit * 4 for update skip locked);
  get diagnostics v_events = row_count;
  delete from public.sync_skipped_range where id in (
    select r.id from public.sync_skipped_range r where r."to" < v_runs_before order by r."to" limit v_limit for update skip locked);
  get diagnostics v_ranges = row_count;
  delete from public.sync_tick where id in (
    select t.id from public.sync_tick t where t.started_at < v_ticks_before order by t.started_at limit v_limit * 4
       for update skip locked);
  get diagnostics v_ticks = row_count;
  delete from public.sync_incident where id in (
    select i.id from public.sync_incident i where i.resolved_at < v_runs_before order by i.resolved_at limit v_limit
       for update skip locked);
  get diagnostics v_incidents = row_count;
  return jsonb_build_object('runs', v_runs, 'events', v_events, 'ranges', v_ranges, 'ticks', v_ticks, 'incidents', v_incidents);
end
$$;

-- Retention, at the end of a tick, where it delays no run. It must not fail one either (a foreign key of the project's
-- own may refuse a deletion).
create function sync_scheduler.prune() returns void language plpgsql set search_path = '' as $$
begin
  perform public.prune_sync_history();
exception when others then
  raise warning 'prune_sync_history: %', sqlerrm;
end
$$;

-- The first call of a tick: sweep, what waits, the first page of what is due, and the tick's row. A tick that finds
-- nothing is finished by this very call.
-- p_options: {engine_version, adopt_after_seconds, quiescence_seconds, running_guard_seconds, limit, org_id, integration_ids}
-- Returns {now, schema_version, idle, swept, pending: [run], integrations: [...], cursor}.
create function public.open_sync_tick(p_tick_id uuid, p_engine_id text, p_options jsonb default '{}') returns jsonb
  language plpgsql security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := coalesce((p_options ->> 'limit')::integer, 100);
  v_org_id constant uuid := (p_options ->> 'org_id')::uuid;
  v_ids constant uuid[] := case when jsonb_typeof(p_options -> 'integration_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'integration_ids') e) end;
  v_swept jsonb;
  v_pending jsonb;
  v_due jsonb;
  v_idle boolean;
begin
  v_swept := public.sweep_sync_runs(p_engine_id, (p_options ->> 'quiescence_seconds')::numeric,
    (p_options ->> 'running_guard_seconds')::numeric);
  v_pending := public.read_pending_runs(p_engine_id, v_limit, (p_options ->> 'adopt_after_seconds')::numeric, v_org_id, v_ids);
  v_due := public.read_due_integrations(v_limit, null, v_org_id, v_ids);
  v_idle := jsonb_array_length(v_pending) = 0 and jsonb_array_length(v_due -> 'integrations') = 0;
  insert into public.sync_tick (id, engine_id, engine_version, started_at, finished_at)
  values (p_tick_id, p_engine_id, p_options ->> 'engine_version', v_now, case when v_idle then v_now end)
  on conflict (id) do nothing;
  if v_idle then
    perform sync_scheduler.prune();
  end if;
  return v_due || jsonb_build_object('schema_version', sync_scheduler.schema_version(), 'idle', v_idle, 'swept', v_swept,
    'pending', v_pending);
end
$$;

-- The last call of a tick that found something: its counts and its summary.
create function public.finish_sync_tick(p_tick_id uuid, p_engine_id text, p_summary jsonb, p_clock_skew_ms bigint default null)
returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  -- <host>-<pid>-<4 hex digits>: the clock is the host's, whatever process looks at it.
  v_host constant text := regexp_replace(p_engine_id, '-[0-9]+-[0-9a-f]{4}$', '');
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
  if abs(p_clock_skew_ms) > 5000 then
    perform sync_scheduler.raise_incident('clock_skew', v_host, null, null, jsonb_build_object('clock_skew_ms', p_clock_skew_ms));
  elsif p_clock_skew_ms is not null then
    perform sync_scheduler.resolve_incident('clock_skew', v_host);
  end if;
  perform sync_scheduler.prune();
  return jsonb_build_object('finished', true);
end
$$;

revoke all on function
  public.sweep_sync_runs(text, numeric, numeric, integer),
  public.read_pending_runs(text, integer, numeric, uuid, uuid[], uuid[]),
  public.prune_sync_history(integer, integer, integer),
  public.open_sync_tick(uuid, text, jsonb),
  public.finish_sync_tick(uuid, text, jsonb, bigint)
  from public, anon, authenticated;
grant execute on function
  public.sweep_sync_runs(text, numeric, numeric, integer),
  public.read_pending_runs(text, integer, numeric, uuid, uuid[], uuid[]),
  public.prune_sync_history(integer, integer, integer),
  public.open_sync_tick(uuid, text, jsonb),
  public.finish_sync_tick(uuid, text, jsonb, bigint)
  to service_role;
