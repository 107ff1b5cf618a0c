-- Probes of accounting APIs, after silence: one for an API, whatever the number of tenants and of engines, never less than 15 minutes
-- after the one before, never while a sync of it runs or is about to, and none for an API that throttles.

create index organization_integrations_apis on public.organization_integrations
  (integration_type, (coalesce(health_url, '')), (coalesce(health_method, 'HEAD'))) where enabled;

-- A row of integration_health as people and probes read it.
create function sync_scheduler.health_json(h public.integration_health) returns jsonb language sql stable return
  jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode, 'since', sync_scheduler.iso(h.since),
    'last_sync_at', sync_scheduler.iso(h.last_sync_at), 'last_probe_at', sync_scheduler.iso(h.last_probe_at),
    'next_probe_at', sync_scheduler.iso(h.next_probe_at), 'throttled_until', sync_scheduler.iso(h.throttled_until),
    'passive_until', sync_scheduler.iso(h.passive_until), 'start_limit', h.start_limit,
    'consecutive_failures', h.consecutive_failures, 'latency_ms', h.latency_ms, 'http_status', h.http_status,
    'error_code', h.error_code, 'message', h.detail ->> 'message', 'quota', h.detail -> 'quota', 'probes', h.probes);

-- What can be probed: every kind of integration that is enabled, each once, from the index, at most 1,000. And what is known.
-- Returns {now, sources: [{integration_type, health_url, health_method}], health: [row of integration_health]}.
create function public.read_sync_apis() returns jsonb
  language sql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
  with recursive source as (
    (select i.integration_type::text as type, coalesce(i.health_url, '') as url, coalesce(i.health_method, 'HEAD') as method
       from public.organization_integrations i where i.enabled and i.integration_type is not null
      order by i.integration_type, coalesce(i.health_url, ''), coalesce(i.health_method, 'HEAD') limit 1)
    union all
    select n.type, n.url, n.method from source s cross join lateral (
      select i.integration_type::text as type, coalesce(i.health_url, '') as url, coalesce(i.health_method, 'HEAD') as method
        from public.organization_integrations i
       where i.enabled and (i.integration_type, coalesce(i.health_url, ''), coalesce(i.health_method, 'HEAD')) > (s.type, s.url, s.method)
       order by i.integration_type, coalesce(i.health_url, ''), coalesce(i.health_method, 'HEAD') limit 1) n
  ), some_of as (
    select * from source limit 1000
  )
  select jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()),
    'sources', coalesce((select jsonb_agg(jsonb_build_object('integration_type', s.type, 'health_url', nullif(s.url, ''),
      'health_method', s.method) order by s.type, s.url, s.method) from some_of s), '[]'),
    'health', coalesce((select jsonb_agg(sync_scheduler.health_json(a.h) order by (a.h).provider, (a.h).host) from (
      select h from public.integration_health h order by h.provider, h.host limit 1000) a), '[]'))
$$;

-- Why an API may not be probed now; null: it may. The interval and what a sync says of it are checked here, for every engine alike.
-- p_types, p_urls: what integrations of it look like, to see whether one is due within the minute. p_asked: a person asks, and
-- need not wait for silence or for a backoff; the 15 minutes, a throttle and a sync hold for people, too.
create function sync_scheduler.probe_refusal(h public.integration_health, p_types text[], p_urls text[], p_asked boolean) returns text
  language sql stable set search_path = '' as $$
  select case
    when h.throttled_until > c.now then 'throttled'
    when h.mode = 'passive' and (h.passive_until is null or h.passive_until > c.now) then 'passive'
    when h.last_probe_at > c.now - interval '15 minutes' then 'too_soon'
    when h.next_probe_at > c.now and not p_asked then case when h.consecutive_failures > 0 then 'backoff' else 'interval' end
    when h.last_sync_at > c.now - interval '15 minutes' and h.consecutive_failures = 0 and not p_asked then 'known_from_syncs'
    when exists (select 1 from public.sync_run_log l
                  where l.status = 'running' and l.api_provider = h.provider and l.api_host = h.host)
      then 'sync_running'
    when exists (select 1 from public.sync_run_log l
                  where l.status = 'pending' and coalesce(l.not_before, '-infinity') <= c.now + interval '1 minute'
                    and (l.api_host = h.host or (l.api_host is null and l.integration_type = any (p_types))))
      or exists (select 1 from public.organization_integrations i
                  where i.enabled and i.next_run_at <= c.now + interval '1 minute' and i.schedule_error is null
                    and (i.breaker_until is null or i.breaker_until <= c.now)
                    and case when i.health_url is null then i.integration_type = any (p_types) else i.health_url = any (p_urls) end)
      then 'sync_is_near'
    end
    from (select sync_scheduler.clock() as now) c
$$;

-- Which of these APIs this engine probes now; every other engine is refused for 15 minutes, whatever becomes of this one. An API that is
-- seen for the first time is given 15 minutes (and up to 3 more, so that not all come at once) to be known from its syncs.
-- p_apis: [{provider, host, types: [text], urls: [text]}], at most 1,000. p_asked: a person asks. p_dry_run: says only what
-- would happen.
-- Returns {now, probes: [{provider, host}], waiting: [{provider, host, reason, until}]}.
create function public.claim_sync_probes(
  p_engine_id text, p_token uuid, p_apis jsonb, p_asked boolean default false, p_dry_run boolean default false
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_probes jsonb := '[]';
  v_waiting jsonb := '[]';
  v_reason text;
  v_until timestamptz;
  v_api record;
  h public.integration_health;
begin
  if coalesce(p_engine_id, '') = '' or p_token is null then
    raise exception 'claim_sync_probes: p_engine_id and p_token are required' using errcode = '22023';
  elsif jsonb_typeof(p_apis) is distinct from 'array' or jsonb_array_length(p_apis) > 1000 then
    raise exception 'claim_sync_probes: p_apis must be a JSON array of at most 1,000' using errcode = '22023';
  end if;
  for v_api in
    select a.provider, a.host, array(select jsonb_array_elements_text(a.types)) as types,
           array(select jsonb_array_elements_text(a.urls)) as urls
      from jsonb_to_recordset(p_apis) as a(provider text, host text, types jsonb, urls jsonb)
     where a.provider is not null and a.host is not null order by a.provider, a.host
  loop
    h := null;
    if p_dry_run then
      select * into h from public.integration_health where provider = v_api.provider and host = v_api.host;
      h.provider := v_api.provider; h.host := v_api.host;
    else
      insert into public.integration_health (provider, host, next_probe_at, since, updated_at)
      values (v_api.provider, v_api.host, v_now + interval '15 minutes' + interval '1 second' * (abs(hashtext(v_api.host)::bigint) % 180),
              v_now, v_now)
        on conflict do nothing;
      select * into h from public.integration_health where provider = v_api.provider and host = v_api.host for update skip locked;
    end if;
    v_reason := case when h.host is null then 'locked' else sync_scheduler.probe_refusal(h, v_api.types, v_api.urls, p_asked) end;
    if v_reason is not null then
      v_until := case v_reason
        when 'throttled' then greatest(h.throttled_until, h.passive_until) when 'passive' then h.passive_until
        when 'too_soon' then greatest(h.last_probe_at + interval '15 minutes', h.next_probe_at)
        when 'known_from_syncs' then h.last_sync_at + interval '15 minutes'
        when 'interval' then h.next_probe_at when 'backoff' then h.next_probe_at end;
      v_waiting := v_waiting || jsonb_build_array(jsonb_build_object('provider', v_api.provider, 'host', v_api.host,
        'reason', v_reason, 'until', sync_scheduler.iso(v_until)));
      continue;
    end if;
    v_probes := v_probes || jsonb_build_array(jsonb_build_object('provider', v_api.provider, 'host', v_api.host));
    continue when p_dry_run;
    update public.integration_health set last_probe_at = v_now, next_probe_at = v_now + interval '15 minutes', probes = probes + 1,
      probe_token = p_token, probing_until = v_now + interval '1 minute',
      mode = 'active', passive_until = null, updated_at = v_now
    where provider = h.provider and host = h.host;
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'probes', v_probes, 'waiting', v_waiting);
end
$$;

-- How long after a failed probe comes the next: 15 minutes, then twice as long each time, at most 2 hours. That one probe
-- decides whether it is over (healthy, every 15 minutes again) or goes on.
create function sync_scheduler.probe_wait(p_failures integer) returns interval
  language sql immutable
  return least(interval '15 minutes' * power(2, least(greatest(p_failures, 1) - 1, 10)), interval '2 hours');

-- What a probe found, by the token that claimed it; later than a minute, or twice, it is not heard.
-- p_result: a sign as a settlement has it ({sign: reachable | unreachable | throttled, code, message, http_status, wait_ms, ceiling,
-- low, quota}), latency_ms, and every_ms until the next probe while all is well (15 minutes at least). p_jitter, from 0 to 1: the next one comes up to a fifth of the interval later, so that APIs that were
-- first seen together are not probed together for ever. Returns {accepted, health: row}.
create function public.record_sync_probe(
  p_engine_id text, p_token uuid, p_provider text, p_host text, p_result jsonb, p_jitter numeric default 0
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '2s' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_sign constant text := p_result ->> 'sign';
  v_spread constant double precision := 1 + 0.2 * least(greatest(coalesce(p_jitter, 0), 0), 1);
  v_every constant interval := greatest(interval '15 minutes',
    sync_scheduler.seconds(least(coalesce((p_result ->> 'every_ms')::numeric, 0), 86400000) / 1000));
  v_was text;
  h public.integration_health;
begin
  if v_sign is null or v_sign not in ('reachable', 'unreachable', 'throttled') then
    raise exception 'record_sync_probe: p_result.sign must be reachable, unreachable or throttled' using errcode = '22023';
  end if;
  select * into h from public.integration_health where provider = p_provider and host = p_host for update;
  if h.host is null or p_token is null or h.probe_token is distinct from p_token or h.probing_until <= v_now then
    return jsonb_build_object('accepted', false, 'health', case when h.host is not null then sync_scheduler.health_json(h) end);
  end if;
  v_was := h.status;
  update public.integration_health set probe_token = null, probing_until = null,
    latency_ms = case when p_result ->> 'http_status' is not null
      then coalesce(round((p_result ->> 'latency_ms')::numeric)::integer, latency_ms) else latency_ms end
  where provider = h.provider and host = h.host returning * into h;
  if v_sign = 'throttled' then
    perform sync_scheduler.learn_throttled(h, p_result, null);
  elsif v_sign = 'unreachable' and h.latency_ms is null and p_result ->> 'http_status' is null then
    -- No probe was ever answered: more likely the engine's own way out than the API.
    update public.integration_health set error_code = p_result ->> 'code',
      next_probe_at = v_now + sync_scheduler.probe_wait(least(probes, 10)::integer) * v_spread,
      detail = detail || jsonb_strip_nulls(jsonb_build_object('message', p_result ->> 'message')), updated_at = v_now
    where provider = h.provider and host = h.host;
  elsif v_sign = 'unreachable' then
    perform sync_scheduler.learn_unreachable(h, p_result, null);
    update public.integration_health set next_probe_at = v_now + sync_scheduler.probe_wait(consecutive_failures) * v_spread
     where provider = h.provider and host = h.host;
  else
    update public.integration_health set status = 'healthy', since = case when status = 'healthy' then since else v_now end,
      consecutive_failures = 0, error_code = null, http_status = (p_result ->> 'http_status')::integer,
      start_limit = case when limited_until > v_now then start_limit end,
      limited_until = case when limited_until > v_now then limited_until end, throttled_until = null,
      detail = detail - 'message', next_probe_at = v_now + v_every * v_spread, updated_at = v_now
    where provider = h.provider and host = h.host returning * into h;
    if v_was <> 'healthy' then
      perform sync_scheduler.resolve_incident('health', sync_scheduler.api_name(h.provider, h.host));
    end if;
    if p_result -> 'quota' <> 'null' then
      perform sync_scheduler.learn_quota(h, p_result);
    end if;
  end if;
  select * into h from public.integration_health where provider = p_provider and host = p_host;
  return jsonb_build_object('accepted', true, 'health', sync_scheduler.health_json(h));
end
$$;

-- As before, with why a run is kept waiting.
create or replace function sync_scheduler.run_view(l public.sync_run_log) returns jsonb language sql stable return
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
    'http_status', l.http_status, 'error_code', l.error_code, 'error_message', left(l.error_message, 500),
    'delay_reason', case when l.status = 'pending' then l.delay_reason end);

-- As before, with the health of the API that the integration's last run used; of its type, as long as none did.
create or replace function sync_scheduler.standings(
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
            select jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode,
                     'passive_until', sync_scheduler.iso(h.passive_until), 'start_limit', h.start_limit, 'message', left(h.detail ->> 'message', 500),
                     'throttled_until', sync_scheduler.iso(h.throttled_until), 'http_status', h.http_status, 'error_code', h.error_code,
                     'latency_ms', h.latency_ms, 'checked_at', sync_scheduler.iso(greatest(h.last_sync_at, h.last_probe_at)))
              from public.integration_health h
             where case when coalesce(live.api_host, last.api_host) is not null
                     then h.provider = coalesce(live.api_provider, last.api_provider) and h.host = coalesce(live.api_host, last.api_host)
                     else h.provider = i.integration_type end
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

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000350';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function
  public.read_sync_apis(),
  public.claim_sync_probes(text, uuid, jsonb, boolean, boolean),
  public.record_sync_probe(text, uuid, text, text, jsonb, numeric)
  from public, anon, authenticated;
grant execute on function
  public.read_sync_apis(),
  public.claim_sync_probes(text, uuid, jsonb, boolean, boolean),
  public.record_sync_probe(text, uuid, text, text, jsonb, numeric)
  to service_role;

notify pgrst, 'reload schema';
