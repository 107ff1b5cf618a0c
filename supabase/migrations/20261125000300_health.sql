-- Health of the accounting APIs: what real syncs say of them first, and runs of a throttled API spread out.
--
-- A row of integration_health is one API: a provider and a host, whatever the number of tenants behind it. The engine says
-- which one a run uses (Domain/Providers) and what a vendor's answer means; what follows from it is decided here.
--
-- Locks: a run's row first, an API's after it. Learning never waits for an API's row (whoever holds it learns the same), starting
-- may wait, and only after all its runs are locked: so no two of them can wait for each other.

alter table public.integration_health
  add column since timestamptz not null default now(),  -- since when the status is what it is
  add column start_limit integer check (start_limit > 0),  -- runs at once; null: no limit but the engine's own
  add column limit_ceiling integer not null default 5,  -- at this many the limit is given up
  add column limited_until timestamptz,                 -- little is left of its quota until then
  add column passive_until timestamptz,                 -- no probes until then
  add column throttles integer not null default 0,      -- episodes in a row, a day without one ends the row
  add column last_throttled_at timestamptz,
  add column probe_token uuid,
  add column probing_until timestamptz,
  add column probes bigint not null default 0;
comment on table public.integration_health is
  'What is known of each accounting API (provider and host), from real syncs first, from probes only after silence. throttled: it asked us to slow down; its runs go one at a time, and it is not probed until passive_until.';
create index integration_health_limited on public.integration_health (provider, host) where start_limit is not null;

-- The run log may be the project's own: a column of one of these names that cannot hold them stops the migration.
do $columns$
declare
  v_conflict text;
begin
  select string_agg(format('sync_run_log.%s is %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ') into v_conflict
    from pg_attribute a
   where a.attrelid = 'public.sync_run_log'::regclass and a.attname in ('api_provider', 'api_host', 'delay_reason')
     and (format_type(a.atttypid, a.atttypmod) not in ('text', 'character varying') or a.attnotnull);
  if v_conflict is not null then
    raise exception 'Sync Scheduler cannot use sync_run_log: %, it needs text that may be null', v_conflict
      using hint = 'Nothing was changed. Alter or rename the column, then apply the migration again.';
  end if;
end
$columns$;
alter table public.sync_run_log
  add column if not exists api_provider text,
  add column if not exists api_host text,
  add column if not exists delay_reason text;
comment on column public.sync_run_log.api_host is 'Host of the accounting API that the run uses, where it is known; with api_provider a row of integration_health.';
comment on column public.sync_run_log.delay_reason is 'Why a pending run is kept waiting until not_before: api_throttled, api_limit. Null: it is not.';

create function sync_scheduler.api_name(p_provider text, p_host text) returns text
  language sql immutable return p_provider || '/' || p_host;

-- What a health incident shows.
create function sync_scheduler.health_detail(h public.integration_health) returns jsonb language sql stable return
  jsonb_strip_nulls(jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode,
    'error_code', h.error_code, 'error_message', h.detail ->> 'message', 'http_status', h.http_status,
    'until', sync_scheduler.iso(h.throttled_until), 'probes_again', sync_scheduler.iso(coalesce(h.passive_until, h.next_probe_at)),
    'failures', h.consecutive_failures));

-- A sync reached the API. Most often that is no news, and then nothing is written: a busy API gets one write a minute.
create function sync_scheduler.learn_reached(p_provider text, p_host text, p_count integer) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  h public.integration_health;
begin
  select * into h from public.integration_health where provider = p_provider and host = p_host;
  if h.status = 'healthy' and h.start_limit is null and h.consecutive_failures = 0 and h.last_sync_at > v_now - interval '1 minute' then
    return;
  elsif h.host is null then
    insert into public.integration_health (provider, host, status, last_sync_at, since, updated_at)
    values (p_provider, p_host, 'healthy', v_now, v_now, v_now) on conflict do nothing;
    return;
  end if;
  select * into h from public.integration_health where provider = p_provider and host = p_host for update skip locked;
  if not found or h.throttled_until > v_now then
    return;                                             -- of before the throttle: it proves nothing about now
  end if;
  update public.integration_health set
    status = 'healthy', since = case when status = 'healthy' then since else v_now end,
    last_sync_at = v_now, consecutive_failures = 0, throttled_until = null, error_code = null, http_status = null,
    detail = detail - 'message',
    start_limit = case when limited_until > v_now then start_limit
                       when start_limit + p_count < limit_ceiling then start_limit + p_count end,
    limited_until = case when limited_until > v_now then limited_until end,
    updated_at = v_now
  where provider = p_provider and host = p_host;
  if h.status <> 'healthy' then
    perform sync_scheduler.resolve_incident('health', sync_scheduler.api_name(p_provider, p_host));
  end if;
end
$$;

-- A sync failed for certain. Where nothing is probed that is all there is to go by; else a probe is to look, as soon as it may.
create function sync_scheduler.learn_failed(r public.sync_run_log) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  h public.integration_health;
begin
  select * into h from public.integration_health where provider = r.api_provider and host = r.api_host for update skip locked;
  if not found or h.status = 'throttled' then
    return;
  elsif h.mode = 'active' then
    update public.integration_health set next_probe_at = least(next_probe_at, v_now)
     where provider = h.provider and host = h.host and next_probe_at > v_now;
    return;
  end if;
  update public.integration_health set status = 'unhealthy', since = case when status = 'unhealthy' then since else v_now end,
    consecutive_failures = consecutive_failures + 1, error_code = r.error_code, http_status = r.http_status,
    detail = detail || jsonb_build_object('message', coalesce(r.error_message, 'A scheduled sync failed.')), updated_at = v_now
  where provider = h.provider and host = h.host returning * into h;
  perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(h.provider, h.host), null, r.id,
    sync_scheduler.health_detail(h));
end
$$;

-- It throttles. Its type is not probed any more for an hour, twice as long each time it happens again within a day, at most a day;
-- for a vendor known by name that goes for all its hosts. Real syncs go one at a time from when it may be asked again.
-- p_sign: {sign, code, message, http_status, wait_ms, ceiling, quota}
create function sync_scheduler.learn_throttled(h public.integration_health, p_sign jsonb, p_run_id uuid) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_wait constant interval := sync_scheduler.seconds(
    least(greatest(coalesce((p_sign ->> 'wait_ms')::numeric, 60000), 1000), 3600000) / 1000);
  v_is_new constant boolean := h.status <> 'throttled' or coalesce(h.throttled_until <= v_now, true);
  v_throttles constant integer := case
    when not v_is_new then h.throttles
    when h.last_throttled_at > v_now - interval '1 day' then least(h.throttles, 20) + 1 else 1 end;
  v_passive_until constant timestamptz := greatest(h.passive_until, v_now + v_wait
    + least(interval '1 hour' * power(2, v_throttles - 1), interval '1 day'));
begin
  update public.integration_health set
    status = 'throttled', since = case when h.status = 'throttled' then since else v_now end, mode = 'passive',
    throttled_until = greatest(throttled_until, v_now + v_wait), passive_until = v_passive_until, throttles = v_throttles,
    last_throttled_at = v_now, start_limit = 1, limit_ceiling = coalesce((p_sign ->> 'ceiling')::integer, 5),
    consecutive_failures = 0, error_code = p_sign ->> 'code', http_status = (p_sign ->> 'http_status')::integer,
    detail = detail || jsonb_strip_nulls(jsonb_build_object('message', p_sign ->> 'message', 'quota', p_sign -> 'quota')),
    updated_at = v_now
  where provider = h.provider and host = h.host returning * into h;
  update public.integration_health o set mode = 'passive', passive_until = greatest(o.passive_until, v_passive_until)
    from (select host from public.integration_health
           where provider = h.provider and host <> h.host and h.provider <> 'generic' order by host for update skip locked) s
   where o.provider = h.provider and o.host = s.host;
  perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(h.provider, h.host), null, p_run_id,
    sync_scheduler.health_detail(h));
end
$$;

-- It could not be reached, or answered with a fault of its own. Once is a hiccup, twice in a row is unhealthy; a sync of an API that
-- is not probed needs no second witness.
create function sync_scheduler.learn_unreachable(h public.integration_health, p_sign jsonb, p_run_id uuid) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_is_down constant boolean := h.consecutive_failures > 0 or (h.mode = 'passive' and p_run_id is not null);
begin
  update public.integration_health set
    status = case when v_is_down then 'unhealthy' else status end,
    since = case when v_is_down and h.status <> 'unhealthy' then v_now else since end,
    consecutive_failures = consecutive_failures + 1, error_code = p_sign ->> 'code',
    http_status = (p_sign ->> 'http_status')::integer,
    next_probe_at = case when p_run_id is null then next_probe_at else least(next_probe_at, v_now) end,
    detail = detail || jsonb_strip_nulls(jsonb_build_object('message', p_sign ->> 'message')), updated_at = v_now
  where provider = h.provider and host = h.host returning * into h;
  if v_is_down then
    perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(h.provider, h.host), null, p_run_id,
      sync_scheduler.health_detail(h));
  end if;
end
$$;

-- It answers, and says what is left of its quota: when that is little, its syncs go one at a time until there is more.
create function sync_scheduler.learn_quota(h public.integration_health, p_sign jsonb) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_low constant timestamptz := case when (p_sign ->> 'low')::boolean then v_now + sync_scheduler.seconds(
    least(greatest(coalesce((p_sign ->> 'wait_ms')::numeric, 60000), 1000), 3600000) / 1000) end;
begin
  update public.integration_health set
    detail = detail || jsonb_strip_nulls(jsonb_build_object('quota', p_sign -> 'quota')),
    start_limit = case when v_low is not null then 1 else start_limit end,
    limited_until = greatest(limited_until, v_low), updated_at = v_now
  where provider = h.provider and host = h.host
    and (v_low is not null or updated_at < v_now - interval '1 minute');
end
$$;

-- What vendors' answers meant, as the engine judged them. p_settlements: {run_id, lease_token, health: sign}, where one says so.
-- A sign that cannot be read must not keep an outcome from being recorded.
create function sync_scheduler.learn_signs(p_settlements jsonb) returns void
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_one record;
  h public.integration_health;
begin
  for v_one in
    select r.id, coalesce(r.api_provider, s.health ->> 'provider') as provider, coalesce(r.api_host, s.health ->> 'host') as host, s.health
      from jsonb_to_recordset(p_settlements) as s(run_id uuid, lease_token uuid, health jsonb)
      join public.sync_run_log r on r.id = s.run_id and r.lease_token = s.lease_token
     where s.health is not null and coalesce(r.api_provider, s.health ->> 'provider') is not null
       and coalesce(r.api_host, s.health ->> 'host') is not null
     order by 2, 3, r.id
  loop
    insert into public.integration_health (provider, host, since, updated_at) values (v_one.provider, v_one.host, v_now, v_now)
      on conflict do nothing;
    select * into h from public.integration_health where provider = v_one.provider and host = v_one.host for update skip locked;
    continue when not found;
    case v_one.health ->> 'sign'
      when 'throttled' then perform sync_scheduler.learn_throttled(h, v_one.health, v_one.id);
      when 'unreachable' then perform sync_scheduler.learn_unreachable(h, v_one.health, v_one.id);
      else perform sync_scheduler.learn_quota(h, v_one.health);
    end case;
  end loop;
exception
  when lock_not_available or deadlock_detected then
    raise;
  when others then
    raise warning 'settle_sync_runs: what a vendor said is not recorded: %', sqlerrm;
end
$$;

-- As before, and what it means for the API: every outcome that a run ends with, except the ordinary ones (settle_runs).
alter function sync_scheduler.count_outcome(public.sync_run_log) rename to count_of_integration;
create function sync_scheduler.count_outcome(r public.sync_run_log) returns void
  language plpgsql set search_path = '' as $$
begin
  perform sync_scheduler.count_of_integration(r);
  if r.api_host is null then
    return;
  elsif r.status = 'completed' then
    perform sync_scheduler.learn_reached(r.api_provider, r.api_host, 1);
  elsif r.status = 'failed' then
    perform sync_scheduler.learn_failed(r);
  end if;
end
$$;

-- As before, and the ordinary outcomes tell of the API, one look for each.
create or replace function sync_scheduler.settle_runs(p_engine_id text, p_settlements jsonb, p_quiescence interval) returns jsonb
  language plpgsql set search_path = '' set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_ids constant uuid[] := array(select (s ->> 'run_id')::uuid from jsonb_array_elements(p_settlements) s);
  v_done text[];                                -- settled here: run and token
  v_settled jsonb;
  v_rest jsonb;
  v_providers text[];
  v_hosts text[];
  v_api record;
begin
  perform 1 from public.sync_run_log where id = any (v_ids) order by id for update;
  with settled as (
    update public.sync_run_log r set
      status = 'completed',
      http_status = coalesce(s.http_status, r.http_status),
      error_code = null, error_message = null,
      response = coalesce(sync_scheduler.clip_json(s.response), r.response),
      cold_start = coalesce(s.cold_start, r.cold_start), warm_up_ms = coalesce(s.warm_up_ms, r.warm_up_ms),
      not_before = null, finished_at = v_now,
      duration_ms = sync_scheduler.elapsed_ms(coalesce(r.attempt_started_at, r.started_at, r.created_at), v_now,
        pg_typeof(r.duration_ms)),
      released_at = null
    from jsonb_to_recordset(p_settlements) as s(run_id uuid, lease_token uuid, outcome text, http_status integer, response jsonb,
           cold_start boolean, warm_up_ms integer),
         public.organization_integrations i
    where r.id = s.run_id and r.lease_token = s.lease_token and s.outcome = 'completed' and r.status = 'running'
      and r.ambiguous is not true
      and i.id = r.integration_id and coalesce(i.consecutive_failures, 0) = 0 and i.breaker_until is null
    returning r.id, r.lease_token, r.integration_id, r.attempt, r.duration_ms, s.http_status, r.api_provider, r.api_host
  ), noted as (
    insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
    select d.id, d.integration_id, v_now, 'settled', 'running', 'completed', d.attempt, p_engine_id, 'completed',
           jsonb_strip_nulls(jsonb_build_object('http_status', d.http_status))
      from settled d
  )
  select array_agg(d.id::text || d.lease_token::text), jsonb_agg(jsonb_build_object('run_id', d.id, 'accepted', true, 'status', 'completed',
           'attempt', d.attempt, 'duration_ms', d.duration_ms, 'retry_at', null) order by d.id),
         array_agg(d.api_provider) filter (where d.api_host is not null),
         array_agg(d.api_host) filter (where d.api_host is not null)
    into v_done, v_settled, v_providers, v_hosts
    from settled d;
  if v_hosts is not null then
    for v_api in
      select u.p, u.h, count(*)::integer as n from unnest(v_providers, v_hosts) as u(p, h) group by u.p, u.h order by u.p, u.h
    loop
      perform sync_scheduler.learn_reached(v_api.p, v_api.h, v_api.n);
    end loop;
  end if;
  select jsonb_agg(s) into v_rest from jsonb_array_elements(p_settlements) s
   where (s ->> 'outcome' = 'completed'
          and (s ->> 'run_id')::uuid::text || (s ->> 'lease_token')::uuid::text = any (v_done)) is not true;
  if v_rest is not null then
    v_settled := sync_scheduler.in_order(coalesce(v_settled, '[]') || sync_scheduler.settle_each(p_engine_id, v_rest, p_quiescence));
  end if;
  if p_settlements @? '$[*].health' then
    perform sync_scheduler.learn_signs(p_settlements);
  end if;
  return coalesce(v_settled, '[]');
end
$$;

-- Runs of an API with a limit that may not start now. They stay pending, free for every engine, and come back one after the other:
-- who waits for the first time behind those that wait already, who has waited before at the next opportunity.
-- Returns [{run_id, reason: api_throttled | api_limit, status, retry_at}].
create function sync_scheduler.hold_back(p_engine_id text, p_starts jsonb, p_adopt_after interval) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_step constant interval := interval '3 seconds';
  v_held jsonb := '[]';
  v_room integer;
  v_waiting integer;
  v_reason text;
  v_at timestamptz;
  h public.integration_health;
  r public.sync_run_log;
begin
  for h in
    select * from public.integration_health a
     where a.start_limit is not null
       and (a.provider, a.host) in (select s.api_provider, s.api_host
                                      from jsonb_to_recordset(p_starts) as s(api_provider text, api_host text))
     order by a.provider, a.host for update
  loop
    v_reason := case when h.throttled_until > v_now then 'api_throttled' else 'api_limit' end;
    v_room := case when h.throttled_until > v_now then 0 else h.start_limit - (
      select count(*) from public.sync_run_log l
       where l.status = 'running' and l.api_provider = h.provider and l.api_host = h.host) end;
    v_waiting := (select count(*) from public.sync_run_log l
                   where l.status = 'pending' and l.api_provider = h.provider and l.api_host = h.host and l.not_before > v_now
                     and l.delay_reason is not null);
    for r in
      select l.* from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid, api_provider text, api_host text)
        join public.sync_run_log l on l.id = s.run_id
        join public.organization_integrations i on i.id = l.integration_id
       where s.api_provider = h.provider and s.api_host = h.host
         and sync_scheduler.start_refusal(l, i.enabled, p_engine_id, s.lease_token, p_adopt_after) is null
       order by l.scheduled_for, l.id
    loop
      if v_room > 0 then
        v_room := v_room - 1;
        continue;
      end if;
      v_waiting := v_waiting + 1;
      v_at := greatest(h.throttled_until, v_now) + v_step * case when r.delay_reason is null then v_waiting else 1 end;
      update public.sync_run_log set not_before = v_at, claimed_by = null, delay_reason = v_reason,
        api_provider = h.provider, api_host = h.host
      where id = r.id;
      if r.delay_reason is distinct from v_reason then
        perform sync_scheduler.record_event(r.id, r.integration_id, 'delayed', 'pending', 'pending', r.attempt, p_engine_id, v_reason,
          jsonb_strip_nulls(jsonb_build_object('provider', h.provider, 'host', h.host, 'until', sync_scheduler.iso(v_at),
            'at_once', h.start_limit)));
      end if;
      v_held := v_held || jsonb_build_array(jsonb_build_object('run_id', r.id, 'reason', v_reason, 'status', 'pending',
        'retry_at', sync_scheduler.iso(v_at)));
    end loop;
  end loop;
  return v_held;
end
$$;

-- As before, with the API that each run uses, and without the runs of an API that may not start now. Where no API has a
-- limit, that costs one look into an empty index.
create or replace function sync_scheduler.start_runs(
  p_engine_id text, p_starts jsonb, p_adopt_after interval, p_drift_alert_ms numeric
) returns jsonb language plpgsql set search_path = '' set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_ids constant uuid[] := array(select (s ->> 'run_id')::uuid from jsonb_array_elements(p_starts) s);
  v_starts jsonb := p_starts;
  v_held jsonb := '[]';
  v_made text[];                                -- the starts that were made here: run and token
  v_started jsonb;
  v_on_time text[];
  v_late public.sync_run_log[];
  v_rest jsonb;
  v_one jsonb;
  v_run public.sync_run_log;
begin
  perform 1 from public.sync_run_log where id = any (v_ids) order by id for update;
  if exists (select 1 from public.integration_health where start_limit is not null) then
    v_held := sync_scheduler.hold_back(p_engine_id, p_starts, p_adopt_after);
    if v_held <> '[]' then
      select coalesce(jsonb_agg(s), '[]') into v_starts from jsonb_array_elements(p_starts) s
       where not v_held @> jsonb_build_array(jsonb_build_object('run_id', s -> 'run_id'));
    end if;
  end if;
  with started as (
    update public.sync_run_log r set
      status = 'running', attempt = coalesce(r.attempt, 0) + 1, claimed_by = p_engine_id,
      lease_token = s.lease_token, lease_seconds = ceil(s.lease_seconds),
      lease_until = v_now + sync_scheduler.seconds(s.lease_seconds),
      started_at = coalesce(r.started_at, v_now), attempt_started_at = v_now,
      drift_ms = coalesce(r.drift_ms, sync_scheduler.elapsed_ms(r.scheduled_for, v_now, pg_typeof(r.drift_ms))),
      began_at = null, begin_nonce = null, heartbeat_at = null, not_before = null, released_at = null,
      finished_at = null, duration_ms = null, http_status = null, error_code = null, error_message = null, response = null,
      cold_start = coalesce(s.cold_start, false), warm_up_ms = null,
      fenced = coalesce(i.fenced, false), ambiguous_before = coalesce(r.ambiguous, false),
      api_provider = s.api_provider, api_host = s.api_host, delay_reason = null
    from jsonb_to_recordset(v_starts) as s(run_id uuid, lease_token uuid, lease_seconds numeric, cold_start boolean,
           warm_up_ms integer, api_provider text, api_host text),
         public.organization_integrations i
    where r.id = s.run_id and i.id = r.integration_id and s.lease_seconds > 0 and s.lease_token is not null
      and s.warm_up_ms is null
      and sync_scheduler.start_refusal(r, i.enabled, p_engine_id, s.lease_token, p_adopt_after) is null
    returning r as run, r.lease_token as token, sync_scheduler.run_json(r, i) as json
  ), noted as (
    insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor)
    select (d.run).id, (d.run).integration_id, v_now, 'started', 'pending', 'running', (d.run).attempt, p_engine_id
      from started d
  )
  select array_agg((d.run).id::text || d.token::text), jsonb_agg(d.json order by (d.run).scheduled_for, (d.run).id),
         array_agg((d.run).integration_id::text) filter (where (d.run).attempt = 1
           and (d.run).trigger is distinct from 'backfill' and ((d.run).drift_ms > p_drift_alert_ms) is not true),
         array_agg(d.run) filter (where (d.run).attempt = 1 and (d.run).trigger is distinct from 'backfill'
           and (d.run).drift_ms > p_drift_alert_ms)
    into v_made, v_started, v_on_time, v_late
    from started d;
  if v_on_time is not null then
    perform sync_scheduler.resolve_incidents('drift', v_on_time);
  end if;
  foreach v_run in array coalesce(v_late, '{}') loop
    perform sync_scheduler.raise_incident('drift', v_run.integration_id::text, v_run.integration_id, v_run.id,
      jsonb_build_object('scheduled_for', sync_scheduler.iso(v_run.scheduled_for), 'drift_ms', v_run.drift_ms));
  end loop;

  select jsonb_agg(s) into v_rest from jsonb_array_elements(v_starts) s
   where ((s ->> 'run_id')::uuid::text || (s ->> 'lease_token')::uuid::text = any (v_made)) is not true;
  if v_rest is null then
    return jsonb_build_object('started', coalesce(v_started, '[]'), 'skipped', v_held);
  end if;
  v_one := sync_scheduler.start_each(p_engine_id, v_rest, p_adopt_after, p_drift_alert_ms);
  update public.sync_run_log r set api_provider = s.api_provider, api_host = s.api_host, delay_reason = null
    from jsonb_to_recordset(v_rest) as s(run_id uuid, lease_token uuid, api_provider text, api_host text)
   where r.id = s.run_id and r.lease_token = s.lease_token and r.status = 'running'
     and (r.api_host is distinct from s.api_host or r.api_provider is distinct from s.api_provider or r.delay_reason is not null);
  return jsonb_build_object('started', sync_scheduler.in_order(coalesce(v_started, '[]') || (v_one -> 'started')),
    'skipped', v_held || (v_one -> 'skipped'));
end
$$;

-- As before, with what says which API it uses.
create or replace function sync_scheduler.run_json(r public.sync_run_log, i public.organization_integrations) returns jsonb
  language sql stable return jsonb_build_object(
    'run_id', r.id, 'org_id', coalesce(r.org_id, i.org_id), 'integration_id', r.integration_id,
    'integration_type', coalesce(r.integration_type, i.integration_type, 'unknown'),
    'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'trigger', coalesce(r.trigger, 'schedule'), 'status', r.status,
    'attempt', coalesce(r.attempt, 0), 'max_attempts', coalesce(r.max_attempts, 3), 'idempotency_key', r.idempotency_key,
    'claimed_by', r.claimed_by, 'drift_ms', r.drift_ms, 'function_name', i.function_name,
    'invoke_timeout_ms', sync_scheduler.milliseconds(i.invoke_timeout),
    'warm_up', case when i.warm_up then not sync_scheduler.warming_is_paused(i.function_name) else false end,
    'health_url', i.health_url,
    'config', coalesce(i.config, '{}'));

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000300';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
