-- The read-only queries for the status displays and the audit. All queries use indexes and return bounded pages.

-- Reads only the ends of indexes, and caps its counts at 10,000.
create view public.sync_scheduler_status with (security_invoker = true) as
with recent as (
  select t.started_at, t.finished_at from public.sync_tick t order by t.started_at desc limit 20
), pace as (
  -- Claims show activity during a long tick. A manual run is not evidence of a tick.
  select max(r.started_at) as last_tick_at,
         greatest(max(r.started_at), max(r.finished_at), (
           select l.created_at from public.sync_run_log l
            where l.trigger is distinct from 'manual' and l.created_at < '9000-01-01Z'
            order by l.created_at desc limit 1)) as last_activity_at,
         greatest(interval '5 minutes', 3 * percentile_cont(0.5) within group (order by r.gap)) as stopped_after
    from (select recent.*, started_at - lag(started_at) over (order by started_at) as gap from recent) r
), hour as (
  select count(*) as ticks, count(distinct t.engine_id) as engines
    from public.sync_tick t where t.started_at > now() - interval '1 hour'
), overdue as (
  select count(*) as n, min(o.next_run_at) as oldest from (
    select i.next_run_at from public.organization_integrations i
     where i.enabled and i.next_run_at < now() - interval '1 minute' and i.schedule_error is null
       and i.sync_schedule is not null and (i.breaker_until is null or i.breaker_until <= now())
     order by i.next_run_at, i.id limit 10000) o
)
select case when p.last_tick_at is null then 'never'
            when now() - p.last_activity_at > p.stopped_after then 'stopped'
            when o.oldest < now() - interval '5 minutes' then 'late'
            else 'ticking' end as verdict,
       p.last_tick_at,
       round(extract(epoch from now() - p.last_tick_at)::numeric, 3) as seconds_since_last_tick,
       p.last_activity_at,
       ceil(extract(epoch from p.stopped_after))::integer as stopped_after_seconds,
       h.ticks::integer as ticks_last_hour,
       h.engines::integer as engines_last_hour,
       o.n::integer as overdue,
       o.oldest as oldest_overdue_at,
       (select coalesce(jsonb_object_agg(k.kind, k.n), '{}') from (
          select i.kind, count(*) as n from public.sync_incident i where i.resolved_at is null group by i.kind) k) as open_incidents,
       (select coalesce(jsonb_object_agg(s.status, s.n), '{}') from (
          select l.status, count(*) as n from (
            select r.status from public.sync_run_log r
             where r.status in ('pending', 'running') or (r.status = 'unknown' and r.released_at is null) limit 10000) l
           group by l.status) s) as live_runs
  from pace p, hour h, overdue o;
comment on view public.sync_scheduler_status is
  'Whether Sync Scheduler is ticking. verdict: ticking (regardless of the outcomes of runs), late (an integration has been due for 5 minutes), stopped (no activity for 5 minutes, or for three times the usual interval between ticks if that is longer) or never. Only service_role may read this view. To show it to other roles, wrap it in your own function: create function public.scheduler_status() returns setof public.sync_scheduler_status language sql stable security definer set search_path = pg_catalog, pg_temp as $f$ select * from public.sync_scheduler_status $f$; then revoke execute from public and anon, and grant it to the roles of your choice.';
revoke all on public.sync_scheduler_status from public, anon, authenticated;
grant select on public.sync_scheduler_status to service_role;

-- Returns a run for display, without its tokens. Rows of an adopted table may be incomplete: an unrecognised status is
-- shown as unknown, a missing slot as the start time, and a missing id as an empty string.
create function sync_scheduler.run_view(l public.sync_run_log) returns jsonb language sql stable return
  jsonb_build_object('run_id', l.id, 'org_id', coalesce(l.org_id::text, ''), 'integration_id', coalesce(l.integration_id::text, ''),
    'integration_type', l.integration_type,
    'scheduled_for', coalesce(sync_scheduler.iso(l.scheduled_for), sync_scheduler.iso(l.started_at), sync_scheduler.iso(l.created_at),
      '1970-01-01T00:00:00.000Z'),
    'trigger', case when l.trigger in ('catch_up', 'manual', 'backfill') then l.trigger else 'schedule' end,
    'status', case when l.status in ('pending', 'running', 'completed', 'failed', 'skipped') then l.status else 'unknown' end,
    'skip_reason', l.skip_reason, 'attempt', coalesce(l.attempt, 0), 'max_attempts', coalesce(l.max_attempts, 0), 'claimed_by', l.claimed_by,
    'created_at', sync_scheduler.iso(l.created_at), 'not_before', sync_scheduler.iso(l.not_before),
    'started_at', sync_scheduler.iso(l.started_at), 'attempt_started_at', sync_scheduler.iso(l.attempt_started_at),
    'began_at', sync_scheduler.iso(l.began_at), 'lease_until', sync_scheduler.iso(l.lease_until),
    'finished_at', sync_scheduler.iso(l.finished_at), 'released_at', sync_scheduler.iso(l.released_at),
    'drift_ms', l.drift_ms, 'duration_ms', l.duration_ms, 'cold_start', coalesce(l.cold_start, false),
    'ambiguous', coalesce(l.ambiguous, false),
    'http_status', l.http_status, 'error_code', l.error_code, 'error_message', left(l.error_message, 500),
    'delay_reason', case when l.status = 'pending' then l.delay_reason end);

-- Returns the status of at most p_limit integrations whose ids are greater than p_after, in id order.
-- `last_run` is the newest finished run that was attempted. Rows with an unrecognised status or without a slot are ignored.
-- `health` describes the API that the newest run used. If no run has used an API, `health` describes an API of the
-- integration's type.
create function sync_scheduler.integration_statuses(
  p_after uuid, p_limit integer, p_ids uuid[], p_org_id uuid default null, p_integration_type text default null, p_search text default null
) returns jsonb[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array(
    select jsonb_build_object('integration_id', i.id, 'org_id', coalesce(i.org_id::text, ''), 'org_name', left(i.org_name::text, 200),
        'integration_type', coalesce(i.integration_type, ''), 'schedule', i.sync_schedule, 'timezone', coalesce(i.timezone, 'UTC'),
        'timezone_is_set', i.timezone is not null,
        'enabled', coalesce(i.enabled, true), 'paused_reason', i.paused_reason, 'next_run_at', sync_scheduler.iso(i.next_run_at),
        'schedule_since', sync_scheduler.iso(i.schedule_since), 'schedule_error', coalesce(i.schedule_error, sync_scheduler.row_fault(i)),
        'rejection', (select left(n.detail ->> 'error', 500) from public.sync_incident n
                       where n.kind = 'rejected' and n.subject = i.id::text and n.resolved_at is null),
        'breaker_until', sync_scheduler.iso(i.breaker_until), 'consecutive_failures', coalesce(i.consecutive_failures, 0),
        'on_unknown', coalesce(i.on_unknown, 'retry'), 'fenced', coalesce(i.fenced, false), 'catch_up', coalesce(i.catch_up, 'latest'),
        'max_attempts', coalesce(i.max_attempts, 3), 'function_name', i.function_name,
        'last_run', case when last.id is not null then sync_scheduler.run_view(last) end,
        'live_run', case when live.id is not null then sync_scheduler.run_view(live) end,
        'last_completed_slot', sync_scheduler.iso(good.at),
        'failing_since', case when last.status in ('failed', 'unknown', 'skipped') then (
            select sync_scheduler.iso(l.scheduled_for) from public.sync_run_log l
             where l.integration_id = i.id and l.scheduled_for > coalesce(good.at, '1900-01-01Z') order by l.scheduled_for limit 1) end)
      || jsonb_build_object('health', (
            select jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode,
                     'passive_until', sync_scheduler.iso(h.passive_until), 'message', left(h.detail ->> 'message', 500),
                     'hold_until', case when k.throttled_until > sync_scheduler.clock() then sync_scheduler.iso(k.throttled_until) end, 'start_limit', k.start_limit,
                     'throttled_until', sync_scheduler.iso(h.throttled_until), 'http_status', h.http_status, 'error_code', h.error_code,
                     'latency_ms', h.latency_ms, 'synced_at', sync_scheduler.iso(h.last_sync_at), 'probed_at', sync_scheduler.iso(h.last_probe_at))
              from public.integration_health h
              left join public.sync_api_hold k on k.provider = h.provider and k.host = sync_scheduler.host_of(h.host)
                and k.org_id = i.org_id and k.expires_at > sync_scheduler.clock()
             where case when coalesce(live.api_host, last.api_host) is not null
                     then h.provider = coalesce(live.api_provider, last.api_provider) and h.host = coalesce(live.api_host, last.api_host)
                     else h.provider = i.integration_type and not sync_scheduler.is_own(h.host) end
             order by array_position(array['unhealthy', 'throttled', 'healthy', 'unknown'], h.status), h.host limit 1))
      from public.organization_integrations i
      left join public.sync_run_log live on live.integration_id = i.id
        and (live.status in ('pending', 'running') or (live.status = 'unknown' and live.released_at is null))
        and live.scheduled_for between '1900-01-01Z' and '9000-01-01Z'
      left join lateral (
        select * from public.sync_run_log l where l.integration_id = i.id and l.id is distinct from live.id
           and l.scheduled_for between '1900-01-01Z' and '9000-01-01Z'
           and (l.status in ('completed', 'failed', 'unknown') or (l.status = 'skipped' and l.attempt > 0))
         order by l.scheduled_for desc limit 1) last on true
      left join lateral (
        select l.scheduled_for as at from public.sync_run_log l where l.integration_id = i.id and l.status = 'completed'
           and l.scheduled_for between '1900-01-01Z' and '9000-01-01Z'
         order by l.scheduled_for desc limit 1) good on true
     where i.id > p_after and (p_org_id is null or i.org_id = p_org_id) and (p_ids is null or i.id = any (p_ids))
       and (p_integration_type is null or i.integration_type = p_integration_type)
       and (coalesce(p_search, '') = '' or strpos(lower(i.org_name::text), p_search) > 0 or strpos(lower(i.integration_type), p_search) > 0
            or starts_with(i.id::text, p_search) or starts_with(i.org_id::text, p_search))
     order by i.id limit p_limit)
$$;

-- Returns null if the integration does not exist.
create function sync_scheduler.integration_status(p_integration_id uuid) returns jsonb
  language sql stable return (sync_scheduler.integration_statuses('00000000-0000-0000-0000-000000000000', 1, array[p_integration_id]))[1];

-- Returns the scheduler's last tick and verdict, as in the view sync_scheduler_status.
create function sync_scheduler.scheduler_health() returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  t public.sync_tick;
  v_activity timestamptz;
  v_stopped_after interval;
begin
  select * into t from public.sync_tick k order by k.started_at desc limit 1;
  select greatest(max(r.started_at), max(r.finished_at), (
           select l.created_at from public.sync_run_log l where l.trigger is distinct from 'manual' and l.created_at < '9000-01-01Z'
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

-- Returns the scheduler's heartbeat and one page of integration statuses, in id order.
-- p_search: part of an organisation's name or of an integration's type, or the start of an id.
-- Returns {now, schema_version, scheduler, total, integrations: [...], cursor}. `total` ignores the filter.
-- A null cursor marks the last page; callers must not interpret the cursor.
create function public.read_sync_status(
  p_limit integer default 500, p_cursor text default null, p_org_id uuid default null, p_integration_ids uuid[] default null,
  p_integration_type text default null, p_search text default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  v_limit constant integer := least(greatest(coalesce(p_limit, 500), 1), 1000);
  v_page constant jsonb[] := sync_scheduler.integration_statuses(coalesce(p_cursor::uuid, '00000000-0000-0000-0000-000000000000'), v_limit + 1,
    p_integration_ids, p_org_id, p_integration_type, lower(btrim(p_search)));
begin
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'schema_version', sync_scheduler.schema_version(),
    'scheduler', sync_scheduler.scheduler_health(), 'total', (select count(*) from public.organization_integrations),
    'integrations', to_jsonb(v_page[1:v_limit]),
    'cursor', case when cardinality(v_page) > v_limit then v_page[v_limit] ->> 'integration_id' end);
end
$$;

-- Returns the names of at most p_limit integrations: [{integration_id, org_id, org_name, integration_type, timezone}].
create function public.read_sync_names(p_limit integer default 20000) returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  select jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'integrations', coalesce(jsonb_agg(jsonb_build_object(
           'integration_id', n.id, 'org_id', coalesce(n.org_id::text, ''), 'org_name', n.org_name, 'integration_type', coalesce(n.integration_type, ''),
           'timezone', coalesce(n.timezone, 'UTC'))), '[]'))
    from (select i.id, i.org_id, left(i.org_name::text, 200) as org_name, i.integration_type, i.timezone
            from public.organization_integrations i order by i.id limit least(greatest(coalesce(p_limit, 20000), 1), 20000)) n
$$;

-- Returns the payload with which the engine would invoke the integration's function now. Operators use it to test the function.
-- Returns {now, on_unknown, fenced, run}. The ids in `run` match no recorded run. Null: the integration does not exist.
create function public.read_sync_invocation(p_integration_id uuid) returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'on_unknown', coalesce(i.on_unknown, 'retry'),
           'fenced', coalesce(i.fenced, false),
           'run', case when i.id is not null then sync_scheduler.run_json(
             jsonb_populate_record(null::public.sync_run_log, jsonb_build_object(
               'id', gen_random_uuid(), 'org_id', i.org_id, 'integration_id', i.id, 'integration_type', i.integration_type,
               'scheduled_for', date_trunc('milliseconds', sync_scheduler.clock()), 'trigger', 'manual', 'status', 'running',
               'attempt', 1, 'max_attempts', coalesce(i.max_attempts, 3), 'idempotency_key', 'trial:' || gen_random_uuid())), i)
             || jsonb_build_object('config', coalesce(i.config, '{}')) end)
    from (select) one left join public.organization_integrations i on i.id = p_integration_id
$$;

-- Returns {now, from, to, integrations: [{integration_id, truncated,
--   runs: [[slot, status, started, finished, attempt, run_id]], ranges: [[from, to, count, reason]]}]}, oldest first.
-- Each integration has at most its newest p_runs_each runs. Instants in runs and ranges are epoch milliseconds.
create function public.read_sync_activity(
  p_integration_ids uuid[], p_from timestamptz default null, p_to timestamptz default null, p_runs_each integer default 100
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_to constant timestamptz := coalesce(p_to, v_now + interval '1 millisecond');
  v_from constant timestamptz := coalesce(p_from, v_to - interval '1 day');
  v_each constant integer := least(greatest(coalesce(p_runs_each, 100), 1), 2000);
begin
  if cardinality(p_integration_ids) > 1000 then
    raise exception 'read_sync_activity: p_integration_ids must have at most 1000 integrations' using errcode = '22023';
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

-- Returns the start lag over the last day and the run counts for each of the last p_days UTC days, oldest first.
-- Returns {now, lag: {runs, p50_ms, p95_ms, max_ms, sampled}, days: [{day, runs, completed, failed, unknown,
-- skipped, retrying, in_progress, skipped_slots, capped}]}.
-- retrying: live runs after a failed attempt. in_progress: live runs in or before their first attempt.
-- skipped_slots: excludes the slots of paused integrations.
-- sampled: the lag covers only the newest 100,000 runs. capped: a count exceeded 10,000.
create function public.read_sync_figures(p_days integer default 90, p_integration_id uuid default null)
returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_days constant integer := least(greatest(coalesce(p_days, 90), 1), 400);
  v_cap constant integer := 10000;
  v_day timestamptz;
  v_runs bigint; v_failed bigint; v_unknown bigint; v_skipped bigint; v_retrying bigint; v_in_progress bigint; v_skipped_slots bigint;
  v_rows jsonb[] := '{}';
  v_lag jsonb; v_live jsonb;
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
  select coalesce(jsonb_object_agg(c.day, jsonb_build_array(c.retrying, c.in_progress)), '{}') into v_live
    from (select to_char(l.scheduled_for at time zone 'UTC', 'YYYY-MM-DD') as day,
                 count(*) filter (where coalesce(l.attempt, 0) > case l.status when 'running' then 1 else 0 end) as retrying,
                 count(*) filter (where coalesce(l.attempt, 0) <= case l.status when 'running' then 1 else 0 end) as in_progress
            from (select * from public.sync_run_log g where g.status in ('pending', 'running') offset 0) l
           where p_integration_id is null or l.integration_id = p_integration_id group by 1) c;
  for n in reverse v_days - 1 .. 0 loop
    v_day := date_trunc('day', v_now, 'UTC') - make_interval(days => n);
    if p_integration_id is null then
      select count(*) into v_runs from (select 1 from public.sync_run_log l
        where l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day' limit v_cap) c;
      select count(*) filter (where c.status = 'failed'), count(*) filter (where c.status = 'unknown'),
             count(*) filter (where c.status = 'skipped') into v_failed, v_unknown, v_skipped
        from (select l.status from public.sync_run_log l
               where l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day'
                 and l.status in ('failed', 'unknown', 'skipped') limit v_cap) c;
      select coalesce(sum(c.count), 0) into v_skipped_slots
        from (select r.count from public.sync_skipped_range r
               where r."to" >= v_day and r."to" < v_day + interval '1 day' and r.reason is distinct from 'disabled' limit v_cap) c;
    else
      select count(*), count(*) filter (where l.status = 'failed'), count(*) filter (where l.status = 'unknown'),
             count(*) filter (where l.status = 'skipped')
        into v_runs, v_failed, v_unknown, v_skipped from public.sync_run_log l
       where l.integration_id = p_integration_id and l.scheduled_for >= v_day and l.scheduled_for < v_day + interval '1 day';
      select coalesce(sum(r.count), 0) into v_skipped_slots from public.sync_skipped_range r
       where r.integration_id = p_integration_id and r."from" < v_day + interval '1 day' and r."to" >= v_day
         and r."to" < v_day + interval '1 day' and r.reason is distinct from 'disabled';
    end if;
    v_retrying := coalesce((v_live -> to_char(v_day at time zone 'UTC', 'YYYY-MM-DD') ->> 0)::bigint, 0);
    v_in_progress := coalesce((v_live -> to_char(v_day at time zone 'UTC', 'YYYY-MM-DD') ->> 1)::bigint, 0);
    v_rows := v_rows || jsonb_build_object('day', to_char(v_day at time zone 'UTC', 'YYYY-MM-DD'), 'runs', v_runs,
      'completed', greatest(v_runs - v_failed - v_unknown - v_skipped - v_retrying - v_in_progress, 0), 'failed', v_failed,
      'unknown', v_unknown, 'skipped', v_skipped, 'retrying', v_retrying, 'in_progress', v_in_progress, 'skipped_slots', v_skipped_slots,
      'capped', p_integration_id is null and (v_runs >= v_cap or v_failed + v_unknown + v_skipped >= v_cap));
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'lag', v_lag, 'days', to_jsonb(v_rows));
end
$$;

-- Returns one page of runs with slots in [p_since, p_until), newest slot first.
-- p_statuses: a JSON array of statuses; null: every status. p_late_ms: selects only runs that started more than p_late_ms after
-- their slot, or have been pending for longer than that. Returns {now, runs: [run_view with org_name, timezone], cursor}.
-- A null cursor marks the last page.
create function public.read_sync_runs(
  p_since timestamptz default null, p_until timestamptz default null, p_statuses jsonb default null, p_late_ms bigint default null,
  p_org_id uuid default null, p_integration_ids uuid[] default null, p_limit integer default 100, p_cursor text default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
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
  if p_org_id is not null and (p_integration_ids is not null or not coalesce(v_statuses <@ array['failed', 'unknown'], false)) then
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
        and (p_org_id is null or l.org_id = p_org_id)
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
    'runs', coalesce((select jsonb_agg(sync_scheduler.run_view(r) || jsonb_build_object('org_id', coalesce(r.org_id::text, i.org_id::text, ''),
                 'org_name', left(i.org_name::text, 200), 'timezone', coalesce(i.timezone, 'UTC')) order by r.scheduled_for desc, r.id desc)
        from unnest(v_rows[1:v_limit]) r left join public.organization_integrations i on i.id = r.integration_id), '[]'),
    'cursor', case when cardinality(v_rows) > v_limit then
      sync_scheduler.iso((v_rows[v_limit]).scheduled_for) || '|' || (v_rows[v_limit]).id end);
end
$$;

-- Returns the newest p_limit events of a run, oldest first.
create function sync_scheduler.events_view(p_run_id uuid, p_limit integer) returns jsonb
  language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
  select coalesce(jsonb_agg(jsonb_build_object('at', sync_scheduler.iso(e.at), 'kind', e.kind, 'from_status', e.from_status,
           'to_status', e.to_status, 'attempt', e.attempt, 'actor', e.actor, 'reason', e.reason, 'detail', e.detail) order by e.id), '[]')
    from (select * from public.sync_run_event v where v.run_id = p_run_id order by v.id desc limit p_limit) e
$$;

create function sync_scheduler.incident_view(c public.sync_incident) returns jsonb language sql stable return
  jsonb_build_object('kind', c.kind, 'subject', c.subject, 'run_id', c.run_id, 'opened_at', sync_scheduler.iso(c.opened_at),
    'last_seen_at', sync_scheduler.iso(c.last_seen_at), 'resolved_at', sync_scheduler.iso(c.resolved_at),
    'occurrences', c.occurrences, 'detail', c.detail);

-- Returns one run with its events. p_run: the run's id or its first digits (at least 4).
-- If several runs match, `run` is null, and `candidates` lists up to ten of these runs.
-- Returns {now, run, events, incidents, integration, candidates}. If no run matches, `run` is null and `candidates` is empty.
create function public.read_sync_run(p_run text) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
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
    'integration', sync_scheduler.integration_status(r.integration_id));
end
$$;

-- Returns the data that explains one integration's slots in [p_from, p_to), with at most the newest p_limit runs.
-- Operator actions from before p_from are included. Instants in the history are epoch milliseconds.
create function public.read_sync_story(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer default 200)
returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
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
    'scheduler', sync_scheduler.scheduler_health(),
    'integration', sync_scheduler.integration_status(p_integration_id),
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

-- Returns the slots with a run and the skipped ranges in [p_from, p_to), at most p_limit of each. Merges adjacent ranges.
-- Both lists are complete up to the returned instant "to".
create function sync_scheduler.record_json(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer)
returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  v_to timestamptz := p_to;
  v_slots timestamptz[];
  v_ranges tstzrange[];
begin
  v_slots := array(select l.scheduled_for from public.sync_run_log l
                    where l.integration_id = p_integration_id and l.scheduled_for >= p_from and l.scheduled_for < p_to
                    order by l.scheduled_for limit p_limit + 1);
  if cardinality(v_slots) > p_limit then
    v_to := greatest(date_trunc('milliseconds', v_slots[p_limit + 1]), p_from + interval '1 millisecond');
  end if;
  v_ranges := array(
    select m.span from unnest((
        select range_agg(tstzrange(greatest(r."from", p_from), least(r."to", v_to), '[]'))
          from public.sync_skipped_range r
         where r.integration_id = p_integration_id and r."from" < v_to and r."to" >= p_from)) as m(span)
     order by lower(m.span) limit p_limit + 1);
  if cardinality(v_ranges) > p_limit then
    v_to := greatest(date_trunc('milliseconds', lower(v_ranges[p_limit + 1])), p_from + interval '1 millisecond');
  end if;
  return jsonb_build_object('from', sync_scheduler.epoch_ms(p_from), 'to', sync_scheduler.epoch_ms(v_to),
    'slots', coalesce((select jsonb_agg(sync_scheduler.epoch_ms(s.at)) from unnest(v_slots) s(at) where s.at < v_to), '[]'),
    'ranges', coalesce((select jsonb_agg(jsonb_build_array(sync_scheduler.epoch_ms(lower(g.span)), sync_scheduler.epoch_ms(upper(g.span))))
                          from unnest(v_ranges) g(span) where lower(g.span) < v_to), '[]'));
end
$$;

-- Returns one page of the data for an audit of [p_from, p_to), from one snapshot. Deleted integrations are included.
-- A page contains about p_limit slots and ranges. An integration with more slots continues on the next page.
-- Callers must not interpret the cursor.
-- Returns {now, kept_from, from, to, integrations: [{integration_id, org_id, integration_type, deleted, next_run_at,
--          schedule_since, from, to, history, slots, ranges}], cursor}. Instants inside integrations are epoch milliseconds.
create function public.read_sync_audit(
  p_from timestamptz, p_to timestamptz default null, p_cursor text default null, p_limit integer default 20000,
  p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_from constant timestamptz := greatest(date_trunc('milliseconds', p_from), sync_scheduler.kept_from());
  v_to constant timestamptz := least(date_trunc('milliseconds', p_to), v_now + interval '1 millisecond');
  v_limit constant integer := least(greatest(coalesce(p_limit, 20000), 1), 100000);
  v_integrations constant integer := 500;
  v_last_id constant uuid := split_part(p_cursor, '|', 1)::uuid;
  v_resume_at constant timestamptz := nullif(split_part(p_cursor, '|', 2), '')::timestamptz;
  v_room integer := v_limit;
  v_seen integer := 0;
  v_page jsonb[] := '{}';
  v_cursor text;
  v_record jsonb;
  v_start timestamptz;
  v_one record;
begin
  for v_one in
    select h.integration_id as id, i.id is null as deleted, i.next_run_at, i.schedule_since,
           coalesce(i.org_id, l.org_id) as org_id, coalesce(i.integration_type, l.integration_type) as integration_type
      from (select s.integration_id from public.sync_schedule_history s
             where s.integration_id >= coalesce(v_last_id, '00000000-0000-0000-0000-000000000000')
               and (v_last_id is null or v_resume_at is not null or s.integration_id <> v_last_id)
               and s."from" < v_to and (s."to" is null or s."to" >= v_from)
               and (p_integration_ids is null or s.integration_id = any (p_integration_ids))
             group by s.integration_id) h
      left join public.organization_integrations i on i.id = h.integration_id
      left join lateral (select r.org_id, r.integration_type from public.sync_run_log r
                          where i.id is null and r.integration_id = h.integration_id limit 1) l on true
     where p_org_id is null or coalesce(i.org_id, l.org_id) = p_org_id
     order by h.integration_id limit v_integrations
  loop
    v_start := case when v_one.id = v_last_id then v_resume_at else v_from end;
    v_record := sync_scheduler.record_json(v_one.id, v_start, v_to, v_room);
    v_page := v_page || (v_record || jsonb_build_object('integration_id', v_one.id, 'org_id', v_one.org_id,
      'integration_type', v_one.integration_type, 'deleted', v_one.deleted,
      'next_run_at', sync_scheduler.epoch_ms(v_one.next_run_at), 'schedule_since', sync_scheduler.epoch_ms(v_one.schedule_since),
      'history', sync_scheduler.history_json(v_one.id, v_start, v_to, 10000)));
    v_seen := v_seen + 1;
    v_room := v_room - jsonb_array_length(v_record -> 'slots') - jsonb_array_length(v_record -> 'ranges');
    if (v_record ->> 'to')::bigint < sync_scheduler.epoch_ms(v_to) then
      v_cursor := v_one.id || '|' || sync_scheduler.iso(to_timestamp((v_record ->> 'to')::numeric / 1000));
      exit;
    elsif v_room <= 0 or v_seen = v_integrations then
      v_cursor := v_one.id || '|';
      exit;
    end if;
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'kept_from', sync_scheduler.iso(sync_scheduler.kept_from()),
    'from', sync_scheduler.iso(v_from), 'to', sync_scheduler.iso(v_to), 'integrations', to_jsonb(v_page), 'cursor', v_cursor);
end
$$;

revoke all on function
  public.read_sync_status(integer, text, uuid, uuid[], text, text),
  public.read_sync_names(integer),
  public.read_sync_invocation(uuid),
  public.read_sync_activity(uuid[], timestamptz, timestamptz, integer),
  public.read_sync_figures(integer, uuid),
  public.read_sync_runs(timestamptz, timestamptz, jsonb, bigint, uuid, uuid[], integer, text),
  public.read_sync_run(text),
  public.read_sync_story(uuid, timestamptz, timestamptz, integer),
  public.read_sync_audit(timestamptz, timestamptz, text, integer, uuid, uuid[])
  from public, anon, authenticated;
grant execute on function
  public.read_sync_status(integer, text, uuid, uuid[], text, text),
  public.read_sync_names(integer),
  public.read_sync_invocation(uuid),
  public.read_sync_activity(uuid[], timestamptz, timestamptz, integer),
  public.read_sync_figures(integer, uuid),
  public.read_sync_runs(timestamptz, timestamptz, jsonb, bigint, uuid, uuid[], integer, text),
  public.read_sync_run(text),
  public.read_sync_story(uuid, timestamptz, timestamptz, integer),
  public.read_sync_audit(timestamptz, timestamptz, text, integer, uuid, uuid[])
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000900.';
notify pgrst, 'reload schema';
