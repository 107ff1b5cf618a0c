-- What people look at: how every integration stands, what its runs came to, and why. All of it only reads, in bounded
-- pages, by index.

-- What people call the organisation. Free text of the project: whoever shows it escapes it.
alter table public.organization_integrations add column if not exists org_name text;

-- Lists of runs, newest slot first; the few that need somebody; the last success, however long ago.
create index sync_run_log_by_slot on public.sync_run_log (scheduled_for desc, id desc);
create index sync_run_log_trouble on public.sync_run_log (scheduled_for desc, id desc) where status in ('failed', 'unknown');
create index sync_run_log_completed on public.sync_run_log (integration_id, scheduled_for desc) where status = 'completed';
create index sync_incident_integration on public.sync_incident (integration_id, id);
create index sync_incident_run on public.sync_incident (run_id) where run_id is not null;

-- A run as people see it, without the tokens that can act on it. What an adopted table says in words of its own is unknown.
create function sync_scheduler.run_view(l public.sync_run_log) returns jsonb language sql stable return
  jsonb_build_object('run_id', l.id, 'org_id', l.org_id, 'integration_id', l.integration_id, 'integration_type', l.integration_type,
    'scheduled_for', sync_scheduler.iso(l.scheduled_for),
    'trigger', case when l.trigger in ('catch_up', 'manual', 'backfill') then l.trigger else 'schedule' end,
    'status', case when l.status in ('pending', 'running', 'completed', 'failed', 'skipped') then l.status else 'unknown' end,
    'skip_reason', l.skip_reason, 'attempt', coalesce(l.attempt, 0), 'max_attempts', coalesce(l.max_attempts, 0), 'claimed_by', l.claimed_by,
    'created_at', sync_scheduler.iso(l.created_at), 'not_before', sync_scheduler.iso(l.not_before),
    'started_at', sync_scheduler.iso(l.started_at), 'attempt_started_at', sync_scheduler.iso(l.attempt_started_at),
    'began_at', sync_scheduler.iso(l.began_at), 'lease_until', sync_scheduler.iso(l.lease_until),
    'finished_at', sync_scheduler.iso(l.finished_at), 'released_at', sync_scheduler.iso(l.released_at),
    'drift_ms', l.drift_ms, 'duration_ms', l.duration_ms, 'cold_start', coalesce(l.cold_start, false),
    'ambiguous', coalesce(l.ambiguous, false),
    'http_status', l.http_status, 'error_code', l.error_code, 'error_message', left(l.error_message, 500));

-- How integrations stand, in the order of their ids, at most p_limit after p_after; one statement, so that a thousand are read at
-- once. `last_run`: the newest slot's run that is over. `health`: what is known of the provider, the worst of its hosts.
create function sync_scheduler.standings(
  p_after uuid, p_limit integer, p_ids uuid[], p_org_id uuid default null, p_integration_type text default null, p_search text default null
) returns jsonb[] language sql stable set search_path = '' as $$
  select array(
    select jsonb_build_object('integration_id', i.id, 'org_id', i.org_id, 'org_name', left(i.org_name::text, 200),
        'integration_type', i.integration_type, 'schedule', i.sync_schedule, 'timezone', coalesce(i.timezone, 'UTC'),
        'enabled', coalesce(i.enabled, false), 'paused_reason', i.paused_reason, 'next_run_at', sync_scheduler.iso(i.next_run_at),
        'schedule_since', sync_scheduler.iso(i.schedule_since), 'schedule_error', i.schedule_error,
        'breaker_until', sync_scheduler.iso(i.breaker_until), 'consecutive_failures', coalesce(i.consecutive_failures, 0),
        'on_unknown', coalesce(i.on_unknown, 'retry'), 'fenced', coalesce(i.fenced, false), 'catch_up', coalesce(i.catch_up, 'latest'),
        'max_attempts', coalesce(i.max_attempts, 3), 'function_name', i.function_name,
        'last_run', case when last.id is not null then sync_scheduler.run_view(last) end,
        'live_run', case when live.id is not null then sync_scheduler.run_view(live) end,
        'last_completed_slot', sync_scheduler.iso(good.at),
        'failing_since', case when last.status in ('failed', 'unknown') then (
            select sync_scheduler.iso(l.scheduled_for) from public.sync_run_log l
             where l.integration_id = i.id and l.scheduled_for > coalesce(good.at, '-infinity') order by l.scheduled_for limit 1) end)
      || jsonb_build_object('health', (
            select jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status,
                     'throttled_until', sync_scheduler.iso(h.throttled_until), 'http_status', h.http_status, 'error_code', h.error_code,
                     'latency_ms', h.latency_ms, 'checked_at', sync_scheduler.iso(greatest(h.last_sync_at, h.last_probe_at)))
              from public.integration_health h where h.provider = i.integration_type
             order by array_position(array['unhealthy', 'throttled', 'healthy', 'unknown'], h.status), h.host limit 1))
      from public.organization_integrations i
      left join public.sync_run_log live on live.integration_id = i.id
        and (live.status in ('pending', 'running') or (live.status = 'unknown' and live.released_at is null))
      left join lateral (
        select * from public.sync_run_log l where l.integration_id = i.id and l.id is distinct from live.id
         order by l.scheduled_for desc limit 1) last on true
      left join lateral (
        select l.scheduled_for as at from public.sync_run_log l where l.integration_id = i.id and l.status = 'completed'
         order by l.scheduled_for desc limit 1) good on true
     where i.id > p_after and (p_org_id is null or i.org_id = p_org_id) and (p_ids is null or i.id = any (p_ids))
       and (p_integration_type is null or i.integration_type = p_integration_type)
       and (coalesce(p_search, '') = '' or strpos(lower(i.org_name::text), p_search) > 0 or strpos(lower(i.integration_type), p_search) > 0
            or starts_with(i.id::text, p_search) or starts_with(i.org_id::text, p_search))
     order by i.id limit p_limit)
$$;

-- How one integration stands; null: there is none.
create function sync_scheduler.standing_of(p_integration_id uuid) returns jsonb
  language sql stable return (sync_scheduler.standings('00000000-0000-0000-0000-000000000000', 1, array[p_integration_id]))[1];

-- Whether anything ticks: the last tick by any engine, and when a tick is missed so long that ticks have stopped (as in the
-- view sync_scheduler_status).
create function sync_scheduler.pulse_view() returns jsonb language plpgsql stable set search_path = '' set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  t public.sync_tick;
  v_activity timestamptz;
  v_stopped_after interval;
begin
  select * into t from public.sync_tick k order by k.started_at desc limit 1;
  select greatest(max(r.started_at), max(r.finished_at), (
           select l.created_at from public.sync_run_log l where l.trigger is distinct from 'manual' and l.created_at is not null
            order by l.created_at desc limit 1)),
         greatest(interval '5 minutes', 3 * percentile_cont(0.5) within group (order by r.gap))
    into v_activity, v_stopped_after
    from (select k.*, k.started_at - lag(k.started_at) over (order by k.started_at) as gap
            from (select started_at, finished_at from public.sync_tick order by started_at desc limit 20) k) r;
  return jsonb_build_object(
    'verdict', case when t.id is null then 'never' when v_now - v_activity > v_stopped_after then 'stopped' else 'ticking' end,
    'last_activity_at', case when t.id is not null then sync_scheduler.iso(v_activity) end,
    'stopped_after_ms', sync_scheduler.milliseconds(v_stopped_after),
    'last_tick', case when t.id is not null then jsonb_build_object('tick_id', t.id, 'engine_id', t.engine_id,
      'engine_version', t.engine_version, 'started_at', sync_scheduler.iso(t.started_at),
      'finished_at', sync_scheduler.iso(t.finished_at), 'clock_skew_ms', t.clock_skew_ms, 'due', t.due, 'triggered', t.triggered,
      'completed', t.completed, 'failed', t.failed, 'skipped', t.skipped, 'unresolved', t.unresolved, 'rescued', t.rescued,
      'missed', t.missed, 'cold_starts', t.cold_starts,
      'errors', case when jsonb_typeof(t.summary -> 'errors') = 'array' then jsonb_path_query_array(t.summary, '$.errors[0 to 9]') else '[]' end) end,
    'engines', coalesce((select jsonb_agg(jsonb_build_object('engine_id', e.engine_id, 'engine_version', e.version,
          'ticks', e.ticks, 'last_tick_at', sync_scheduler.iso(e.last_at)) order by e.last_at desc)
        from (select k.engine_id, max(k.engine_version) as version, count(*) as ticks, max(k.started_at) as last_at
                from public.sync_tick k where k.started_at > v_now - interval '1 hour'
               group by k.engine_id order by max(k.started_at) desc limit 20) e), '[]'),
    'open_incidents', (select coalesce(jsonb_object_agg(k.kind, k.n), '{}') from (
        select c.kind, count(*) as n from public.sync_incident c where c.resolved_at is null group by c.kind) k));
end
$$;

-- How everything stands: one page of integrations in the order of their ids, and the pulse. The cursor is opaque; null: that
-- was the last page. p_search: part of an organisation's name or type, or the beginning of an id.
-- Returns {now, schema_version, scheduler, total, integrations: [...], cursor}; `total` counts all, whatever the filter.
create function public.read_sync_status(
  p_limit integer default 500, p_cursor text default null, p_org_id uuid default null, p_integration_ids uuid[] default null,
  p_integration_type text default null, p_search text default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_limit constant integer := least(greatest(coalesce(p_limit, 500), 1), 1000);
  v_page constant jsonb[] := sync_scheduler.standings(coalesce(p_cursor::uuid, '00000000-0000-0000-0000-000000000000'), v_limit + 1,
    p_integration_ids, p_org_id, p_integration_type, lower(btrim(p_search)));
begin
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'schema_version', sync_scheduler.schema_version(),
    'scheduler', sync_scheduler.pulse_view(), 'total', (select count(*) from public.organization_integrations),
    'integrations', to_jsonb(v_page[1:v_limit]),
    'cursor', case when cardinality(v_page) > v_limit then v_page[v_limit] ->> 'integration_id' end);
end
$$;

-- What people may write to name an integration: [{integration_id, org_id, org_name, integration_type}], at most p_limit.
create function public.read_sync_names(p_limit integer default 20000) returns jsonb
  language sql stable security definer set search_path = '' set jit = off as $$
  select jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'integrations', coalesce(jsonb_agg(jsonb_build_object(
           'integration_id', n.id, 'org_id', n.org_id, 'org_name', n.org_name, 'integration_type', n.integration_type)), '[]'))
    from (select i.id, i.org_id, left(i.org_name::text, 200) as org_name, i.integration_type
            from public.organization_integrations i order by i.id limit least(greatest(coalesce(p_limit, 20000), 1), 20000)) n
$$;

-- Runs of some slots in short, integration by integration: enough for a strip of the last day.
-- Returns {now, from, to, integrations: [{integration_id, truncated,
--   runs: [[slot, status, started, finished, attempt, run_id]], ranges: [[from, to, count, reason]]}]}, oldest first; instants are
-- epoch milliseconds. Of an integration with more than p_runs_each runs, the newest.
create function public.read_sync_activity(
  p_integration_ids uuid[], p_from timestamptz default null, p_to timestamptz default null, p_runs_each integer default 100
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_to constant timestamptz := coalesce(p_to, v_now + interval '1 millisecond');
  v_from constant timestamptz := coalesce(p_from, v_to - interval '1 day');
  v_each constant integer := least(greatest(coalesce(p_runs_each, 100), 1), 2000);
begin
  if cardinality(p_integration_ids) > 1000 then
    raise exception 'read_sync_activity: at most 1000 integrations' using errcode = '22023';
  end if;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'from', sync_scheduler.iso(v_from), 'to', sync_scheduler.iso(v_to),
    'integrations', coalesce((
      select jsonb_agg(jsonb_build_object('integration_id', w.id, 'runs', coalesce(r.runs, '[]'), 'truncated', coalesce(r.n > v_each, false),
               'ranges', coalesce(s.ranges, '[]')))
        from unnest(p_integration_ids) as w(id)
       cross join lateral (
         select count(*) as n, jsonb_agg(jsonb_build_array(sync_scheduler.epoch_ms(l.scheduled_for), l.status,
                  sync_scheduler.epoch_ms(l.started_at), sync_scheduler.epoch_ms(l.finished_at), l.attempt, l.id)
                  order by l.scheduled_for) filter (where l.newest <= v_each) as runs
           from (select l.*, row_number() over (order by l.scheduled_for desc) as newest from (
                   select g.* from public.sync_run_log g
                    where g.integration_id = w.id and g.scheduled_for >= v_from and g.scheduled_for < v_to
                    order by g.scheduled_for desc limit v_each + 1) l) l) r
       cross join lateral (
         select jsonb_agg(jsonb_build_array(sync_scheduler.epoch_ms(g."from"), sync_scheduler.epoch_ms(g."to"), g.count, g.reason)
                  order by g."from") as ranges
           from (select * from public.sync_skipped_range k
                  where k.integration_id = w.id and k."from" < v_to and k."to" >= v_from order by k."from" desc limit v_each) g) s), '[]'));
end
$$;

-- How late runs of the last day started, and what the days before were like; of one integration, or of all.
-- Returns {now, lag: {runs, p50_ms, p95_ms, max_ms, sampled}, days: [{day, runs, failed, unknown, passed_over, capped}]}: days are
-- UTC, oldest first, `sampled`: of the newest 100,000 runs only; `capped`: of some count there were more than 10,000.
create function public.read_sync_figures(p_days integer default 90, p_integration_id uuid default null)
returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_days constant integer := least(greatest(coalesce(p_days, 90), 1), 400);
  v_cap constant integer := 10000;
  v_day timestamptz;
  v_runs bigint; v_failed bigint; v_unknown bigint; v_passed_over bigint;
  v_rows jsonb[] := '{}';
  v_lag jsonb;
begin
  select jsonb_build_object('runs', count(*), 'p50_ms', percentile_disc(0.5) within group (order by d.drift_ms),
           'p95_ms', percentile_disc(0.95) within group (order by d.drift_ms), 'max_ms', max(d.drift_ms), 'sampled', count(*) >= 100000)
    into v_lag
    from (select l.drift_ms from public.sync_run_log l
           where p_integration_id is null and l.scheduled_for > v_now - interval '1 day' and l.drift_ms is not null
             and l.trigger in ('schedule', 'catch_up') order by l.scheduled_for desc, l.id desc limit 100000) d
   where p_integration_id is null;
  if p_integration_id is not null then
    select jsonb_build_object('runs', count(*), 'p50_ms', percentile_disc(0.5) within group (order by l.drift_ms),
             'p95_ms', percentile_disc(0.95) within group (order by l.drift_ms), 'max_ms', max(l.drift_ms), 'sampled', false)
      into v_lag
      from public.sync_run_log l
     where l.integration_id = p_integration_id and l.scheduled_for > v_now - interval '1 day' and l.drift_ms is not null
       and l.trigger in ('schedule', 'catch_up');
  end if;
  for n in reverse v_days - 1 .. 0 loop
    v_day := date_trunc('day', v_now, 'UTC') - make_interval(days => n);
    if p_integration_id is null then
      select count(*) into v_runs from (select 1 from public.sync_run_log l
        where l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day' limit v_cap) c;
      select count(*) filter (where c.status = 'failed'), count(*) filter (where c.status = 'unknown') into v_failed, v_unknown
        from (select l.status from public.sync_run_log l
               where l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day' and l.status in ('failed', 'unknown')
               limit v_cap) c;
      select coalesce(sum(c.count), 0) into v_passed_over
        from (select r.count from public.sync_skipped_range r
               where r."to" >= v_day and r."to" < v_day + interval '1 day' limit v_cap) c;
    else
      select count(*), count(*) filter (where l.status = 'failed'), count(*) filter (where l.status = 'unknown')
        into v_runs, v_failed, v_unknown from public.sync_run_log l
       where l.integration_id = p_integration_id and l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day';
      select coalesce(sum(r.count), 0) into v_passed_over from public.sync_skipped_range r
       where r.integration_id = p_integration_id and r."from" < v_day + interval '1 day' and r."to" >= v_day
         and r."to" < v_day + interval '1 day';
    end if;
    v_rows := v_rows || jsonb_build_object('day', to_char(v_day at time zone 'UTC', 'YYYY-MM-DD'), 'runs', v_runs, 'failed', v_failed,
      'unknown', v_unknown, 'passed_over', v_passed_over,
      'capped', p_integration_id is null and (v_runs >= v_cap or v_failed + v_unknown >= v_cap));
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'lag', v_lag, 'days', to_jsonb(v_rows));
end
$$;

-- One page of runs, the newest slot first. p_since and p_until bound the slots, p_until exclusive. p_statuses: an array of texts.
-- p_late_ms: only runs that started later than that, or have not started and are due since longer.
-- Returns {now, runs: [run_view with org_name, timezone], cursor}; the cursor is opaque, null: that was the last page.
create function public.read_sync_runs(
  p_since timestamptz default null, p_until timestamptz default null, p_statuses jsonb default null, p_late_ms bigint default null,
  p_org_id uuid default null, p_integration_ids uuid[] default null, p_limit integer default 100, p_cursor text default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
  v_since constant timestamptz := coalesce(p_since, '-infinity');
  v_until timestamptz := coalesce(p_until, 'infinity');
  v_before uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  v_statuses constant text[] := case when jsonb_typeof(p_statuses) = 'array' then array(select jsonb_array_elements_text(p_statuses)) end;
  v_late_before constant timestamptz := case when p_late_ms is not null then v_now - make_interval(secs => p_late_ms / 1000.0) end;
  v_ids uuid[] := p_integration_ids;
  v_rows public.sync_run_log[];
begin
  if p_cursor is not null then
    v_until := least(v_until, split_part(p_cursor, '|', 1)::timestamptz + interval '1 millisecond');
    v_before := split_part(p_cursor, '|', 2)::uuid;
  end if;
  if p_org_id is not null then
    v_ids := array(select i.id from public.organization_integrations i
                    where i.org_id = p_org_id and (p_integration_ids is null or i.id = any (p_integration_ids)) order by i.id limit 1000);
  end if;
  if v_ids is not null then
    v_rows := array(select l from unnest(v_ids) w(id) cross join lateral (
        select * from public.sync_run_log g
         where g.integration_id = w.id and g.scheduled_for >= v_since and g.scheduled_for < v_until
           and (p_cursor is null or (date_trunc('milliseconds', g.scheduled_for), g.id) < (split_part(p_cursor, '|', 1)::timestamptz, v_before))
           and (v_statuses is null or g.status = any (v_statuses))
           and (p_late_ms is null or g.drift_ms > p_late_ms or (g.started_at is null and g.status = 'pending' and g.scheduled_for < v_late_before))
         order by g.scheduled_for desc limit v_limit + 1) l
      order by l.scheduled_for desc, l.id desc limit v_limit + 1);
  elsif v_statuses <@ array['failed', 'unknown'] then
    v_rows := array(select l from public.sync_run_log l
      where l.scheduled_for >= v_since and l.scheduled_for < v_until and l.status in ('failed', 'unknown')
        and (p_cursor is null or (date_trunc('milliseconds', l.scheduled_for), l.id) < (split_part(p_cursor, '|', 1)::timestamptz, v_before))
        and l.status = any (v_statuses) and (p_late_ms is null or l.drift_ms > p_late_ms)
      order by l.scheduled_for desc, l.id desc limit v_limit + 1);
  elsif v_statuses <@ array['pending', 'running'] then
    v_rows := array(select l from (select * from public.sync_run_log g where g.status in ('pending', 'running') offset 0) l
      where l.scheduled_for >= v_since and l.scheduled_for < v_until and l.status = any (v_statuses)
        and (p_cursor is null or (date_trunc('milliseconds', l.scheduled_for), l.id) < (split_part(p_cursor, '|', 1)::timestamptz, v_before))
        and (p_late_ms is null or l.drift_ms > p_late_ms or (l.started_at is null and l.status = 'pending' and l.scheduled_for < v_late_before))
      order by l.scheduled_for desc, l.id desc limit v_limit + 1);
  else
    v_rows := array(select l from public.sync_run_log l
      where l.scheduled_for >= v_since and l.scheduled_for < v_until
        and (p_cursor is null or (date_trunc('milliseconds', l.scheduled_for), l.id) < (split_part(p_cursor, '|', 1)::timestamptz, v_before))
        and (v_statuses is null or l.status = any (v_statuses))
        and (p_late_ms is null or l.drift_ms > p_late_ms or (l.started_at is null and l.status = 'pending' and l.scheduled_for < v_late_before))
      order by l.scheduled_for desc, l.id desc limit v_limit + 1);
  end if;
  return jsonb_build_object('now', sync_scheduler.iso(v_now),
    'runs', coalesce((select jsonb_agg(sync_scheduler.run_view(r) || jsonb_build_object('org_name', left(i.org_name::text, 200),
                 'timezone', coalesce(i.timezone, 'UTC')) order by r.scheduled_for desc, r.id desc)
        from unnest(v_rows[1:v_limit]) r left join public.organization_integrations i on i.id = r.integration_id), '[]'),
    'cursor', case when cardinality(v_rows) > v_limit then
      sync_scheduler.iso((v_rows[v_limit]).scheduled_for) || '|' || (v_rows[v_limit]).id end);
end
$$;

-- What happened to a run, oldest first, the newest p_limit of it.
create function sync_scheduler.events_view(p_run_id uuid, p_limit integer) returns jsonb
  language sql stable set search_path = '' set enable_seqscan = off as $$
  select coalesce(jsonb_agg(jsonb_build_object('at', sync_scheduler.iso(e.at), 'kind', e.kind, 'from_status', e.from_status,
           'to_status', e.to_status, 'attempt', e.attempt, 'actor', e.actor, 'reason', e.reason, 'detail', e.detail) order by e.id), '[]')
    from (select * from public.sync_run_event v where v.run_id = p_run_id order by v.id desc limit p_limit) e
$$;

create function sync_scheduler.incident_view(c public.sync_incident) returns jsonb language sql stable return
  jsonb_build_object('kind', c.kind, 'subject', c.subject, 'run_id', c.run_id, 'opened_at', sync_scheduler.iso(c.opened_at),
    'last_seen_at', sync_scheduler.iso(c.last_seen_at), 'resolved_at', sync_scheduler.iso(c.resolved_at),
    'occurrences', c.occurrences, 'detail', c.detail);

-- One run with all that happened to it. p_run: its id, or the beginning of it (4 digits at least); of several, none is returned,
-- but `candidates` names up to ten. Returns {now, run, events, incidents, integration, candidates}; run null: not found.
create function public.read_sync_run(p_run text) returns jsonb
  language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
  v_digits constant text := lower(replace(btrim(p_run), '-', ''));
  v_found public.sync_run_log[] := '{}';
  r public.sync_run_log;
begin
  if v_digits ~ '^[0-9a-f]{4,32}$' then
    v_found := array(select l from public.sync_run_log l
      where l.id between rpad(v_digits, 32, '0')::uuid and rpad(v_digits, 32, 'f')::uuid order by l.id limit 10);
  end if;
  if cardinality(v_found) = 1 then
    r := v_found[1];
  end if;
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()),
    'candidates', coalesce((select jsonb_agg(f.id) from unnest(v_found) f), '[]'),
    'run', case when r.id is not null then sync_scheduler.run_view(r) || jsonb_build_object('idempotency_key', r.idempotency_key,
      'warm_up_ms', r.warm_up_ms, 'heartbeat_at', sync_scheduler.iso(r.heartbeat_at), 'fenced', r.fenced, 'response', r.response) end,
    'events', sync_scheduler.events_view(r.id, 500),
    'incidents', coalesce((select jsonb_agg(sync_scheduler.incident_view(c) order by c.id) from (
        select * from public.sync_incident k where k.run_id = r.id order by k.id desc limit 50) c), '[]'),
    'integration', sync_scheduler.standing_of(r.integration_id));
end
$$;

-- All that explains what one integration did for the slots in [p_from, p_to): its schedule's history, the rows of its slots with
-- what happened to them, ranges passed over, incidents, what people did to it (also before), requests to run past slots, and
-- when no engine ticked. Newest p_limit runs. Instants of history are epoch milliseconds.
create function public.read_sync_story(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer default 200)
returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_to constant timestamptz := least(p_to, v_now + interval '1 millisecond');
  v_from constant timestamptz := greatest(p_from, v_to - interval '62 days', sync_scheduler.kept_from());
  v_limit constant integer := least(greatest(coalesce(p_limit, 200), 1), 1000);
  v_runs public.sync_run_log[];
begin
  v_runs := array(select l from public.sync_run_log l
    where l.integration_id = p_integration_id and l.scheduled_for >= v_from and l.scheduled_for < v_to
    order by l.scheduled_for desc limit v_limit + 1);
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'from', sync_scheduler.iso(v_from), 'to', sync_scheduler.iso(v_to),
    'scheduler', sync_scheduler.pulse_view(),
    'integration', sync_scheduler.standing_of(p_integration_id),
    'history', sync_scheduler.history_json(p_integration_id, v_from, v_to, 200),
    'runs', coalesce((select jsonb_agg(sync_scheduler.run_view(r) || jsonb_build_object('events', sync_scheduler.events_view(r.id, 40))
        order by r.scheduled_for) from unnest(v_runs[1:v_limit]) r), '[]'),
    'runs_truncated', cardinality(v_runs) > v_limit,
    'ranges', coalesce((select jsonb_agg(jsonb_build_object('from', sync_scheduler.iso(g."from"), 'to', sync_scheduler.iso(g."to"),
          'count', g.count, 'reason', g.reason, 'recorded_at', sync_scheduler.iso(g.recorded_at), 'recorded_by', g.recorded_by) order by g."from")
        from (select * from public.sync_skipped_range k where k.integration_id = p_integration_id and k."from" < v_to and k."to" >= v_from
               order by k."from" desc limit 200) g), '[]'),
    'incidents', coalesce((select jsonb_agg(sync_scheduler.incident_view(c) order by c.id) from (
        select * from public.sync_incident k where k.integration_id = p_integration_id and k.opened_at < v_to
           and (k.resolved_at is null or k.resolved_at >= v_from) order by k.id desc limit 50) c), '[]'),
    'actions', coalesce((select jsonb_agg(jsonb_build_object('at', sync_scheduler.iso(e.at), 'kind', e.kind, 'actor', e.actor,
          'reason', e.reason, 'detail', e.detail) order by e.id) from (
        select * from public.sync_run_event v where v.integration_id = p_integration_id and v.run_id is null
         order by v.id desc limit 50) e), '[]'),
    'backfills', coalesce((select jsonb_agg(jsonb_build_object('backfill_id', b.id, 'from', sync_scheduler.iso(b."from"),
          'to', sync_scheduler.iso(b."to"), 'cursor', sync_scheduler.iso(b.cursor), 'status', b.status, 'claimed', b.claimed,
          'requested_by', b.requested_by, 'reason', b.reason, 'created_at', sync_scheduler.iso(b.created_at)) order by b.created_at)
        from (select * from public.sync_backfill k where k.integration_id = p_integration_id and k.status = 'open'
               order by k.created_at limit 10) b), '[]'),
    'silences', coalesce((select jsonb_agg(jsonb_build_object('from', sync_scheduler.iso(s.at), 'to', sync_scheduler.iso(s.next)) order by s.at)
        from (select t.started_at as at, lead(t.started_at) over (order by t.started_at) as next from public.sync_tick t
               where t.started_at >= v_from - interval '1 day' and t.started_at < v_to + interval '1 day') s
       where coalesce(s.next, v_now) - s.at > interval '5 minutes' and coalesce(s.next, v_now) >= v_from), '[]'));
end
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000100';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function
  public.read_sync_status(integer, text, uuid, uuid[], text, text),
  public.read_sync_names(integer),
  public.read_sync_activity(uuid[], timestamptz, timestamptz, integer),
  public.read_sync_figures(integer, uuid),
  public.read_sync_runs(timestamptz, timestamptz, jsonb, bigint, uuid, uuid[], integer, text),
  public.read_sync_run(text),
  public.read_sync_story(uuid, timestamptz, timestamptz, integer)
  from public, anon, authenticated;
grant execute on function
  public.read_sync_status(integer, text, uuid, uuid[], text, text),
  public.read_sync_names(integer),
  public.read_sync_activity(uuid[], timestamptz, timestamptz, integer),
  public.read_sync_figures(integer, uuid),
  public.read_sync_runs(timestamptz, timestamptz, jsonb, bigint, uuid, uuid[], integer, text),
  public.read_sync_run(text),
  public.read_sync_story(uuid, timestamptz, timestamptz, integer)
  to service_role;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
