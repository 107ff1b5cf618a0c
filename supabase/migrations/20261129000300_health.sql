-- Determines the health of the accounting APIs, primarily from syncs, and delays runs that use a throttled API.
--
-- A row of integration_health represents one API: a provider and a host, regardless of the number of tenants.
-- A health_url on a host without a standard probe is a separate API (`host/path`).
-- The engine determines which API a run uses (Domain/Health/ApiHost) and interprets the vendor's response.
--
-- A throttle or a low quota applies to one organisation and creates a row in sync_api_hold.
-- If the vendor throttles three organisations within a minute, the runs of all organisations at that host are delayed.
--
-- Lock order: a run's row is locked before the row of a hold or an API. The learn_* functions never wait for an API's row,
-- because the session that has locked the row is already recording the API's health. A call that starts runs
-- may wait for an API's row, but only after locking all of those runs. Two sessions therefore cannot deadlock.

create function sync_scheduler.api_name(p_provider text, p_host text) returns text
  language sql immutable return p_provider || '/' || p_host;

-- Returns a run's api_host without the path of a health_url. A vendor's limits apply to this host.
create function sync_scheduler.host_of(p_api_host text) returns text
  language sql immutable return split_part(p_api_host, '/', 1);

-- Returns whether an API is defined by a health_url.
create function sync_scheduler.is_own(p_api_host text) returns boolean
  language sql immutable return strpos(p_api_host, '/') > 0;

create function sync_scheduler.health_detail(h public.integration_health) returns jsonb language sql stable return
  jsonb_strip_nulls(jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode,
    'error_code', h.error_code, 'error_message', h.detail ->> 'message', 'http_status', h.http_status,
    'until', sync_scheduler.iso(h.throttled_until), 'probes_again', sync_scheduler.iso(coalesce(h.passive_until, h.next_probe_at)),
    'failures', h.consecutive_failures));

-- Relaxes holds after completed syncs: each completed sync allows one more concurrent run, until the hold ends.
create function sync_scheduler.ease_holds(p_provider text, p_host text, p_orgs uuid[]) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit integer;
  k public.sync_api_hold;
begin
  for k in
    select * from public.sync_api_hold
     where provider = p_provider and host = sync_scheduler.host_of(p_host) and org_id = any (p_orgs)
       and (throttled_until is null or throttled_until <= v_now)          -- a sync that started before the throttle proves nothing
     order by org_id for update skip locked
  loop
    v_limit := k.start_limit + cardinality(array_positions(p_orgs, k.org_id));
    if k.expires_at <= v_now or (v_limit >= k.limit_ceiling and (k.limited_until > v_now) is not true) then
      delete from public.sync_api_hold where provider = k.provider and host = k.host and org_id = k.org_id;
    else
      update public.sync_api_hold set throttled_until = null,
        start_limit = case when limited_until > v_now then start_limit else v_limit end,
        limited_until = case when limited_until > v_now then limited_until end
      where provider = k.provider and host = k.host and org_id = k.org_id;
    end if;
    if k.throttled_until is not null then
      perform sync_scheduler.resolve_incident('health', sync_scheduler.api_name(k.provider, k.host) || '/' || k.org_id);
    end if;
  end loop;
end
$$;

-- Records that syncs of the organisations in p_orgs reached the API. Writes at most once per minute if the API is healthy.
create function sync_scheduler.learn_reached(p_provider text, p_host text, p_orgs uuid[]) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  h public.integration_health;
begin
  perform sync_scheduler.ease_holds(p_provider, p_host, p_orgs);
  select * into h from public.integration_health where provider = p_provider and host = p_host;
  if h.status = 'healthy' and h.consecutive_failures = 0 and h.last_sync_at > v_now - interval '1 minute' then
    return;
  elsif h.host is null then
    insert into public.integration_health (provider, host, status, last_sync_at, since, updated_at)
    values (p_provider, p_host, 'healthy', v_now, v_now, v_now) on conflict do nothing;
    return;
  end if;
  select * into h from public.integration_health where provider = p_provider and host = p_host for update skip locked;
  if not found or h.throttled_until > v_now then
    return;                                             -- a sync that started before the throttle proves nothing
  end if;
  update public.integration_health set
    status = 'healthy', since = case when status = 'healthy' then since else v_now end,
    last_sync_at = v_now, consecutive_failures = 0, throttled_until = null, error_code = null, http_status = null,
    detail = detail - 'message' - 'told_by', updated_at = v_now
  where provider = p_provider and host = p_host;
  if h.status <> 'healthy' then
    perform sync_scheduler.resolve_incident('health', sync_scheduler.api_name(p_provider, p_host));
  end if;
end
$$;

-- Adds p_org_id to the organisations whose syncs have failed since the API was last reached. Returns at most three.
create function sync_scheduler.told_by(h public.integration_health, p_org_id uuid) returns jsonb
  language sql immutable return case
    when coalesce(h.detail -> 'told_by', '[]') @> to_jsonb(p_org_id::text) or jsonb_array_length(h.detail -> 'told_by') >= 3
      then h.detail -> 'told_by'
    else coalesce(h.detail -> 'told_by', '[]') || to_jsonb(p_org_id::text) end;

-- Records that a sync definitely failed. In passive mode (no probes), the failure affects the API's health.
-- In active mode, the failure only makes the next probe due.
create function sync_scheduler.learn_failed(r public.sync_run_log) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_told_by jsonb;
  v_is_down boolean;
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
  v_told_by := sync_scheduler.told_by(h, r.org_id);
  v_is_down := sync_scheduler.is_own(h.host) or jsonb_array_length(v_told_by) >= 3;
  update public.integration_health set status = case when v_is_down then 'unhealthy' else status end,
    since = case when v_is_down and status <> 'unhealthy' then v_now else since end,
    consecutive_failures = consecutive_failures + 1, error_code = r.error_code, http_status = r.http_status,
    detail = detail || jsonb_build_object('message', coalesce(r.error_message, 'A scheduled sync failed.'), 'told_by', v_told_by),
    updated_at = v_now
  where provider = h.provider and host = h.host returning * into h;
  if v_is_down then
    perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(h.provider, h.host), null, r.id,
      sync_scheduler.health_detail(h));
  end if;
end
$$;

-- Returns the wait requested by a vendor's response, from 1 second to 1 hour; 60 s by default.
create function sync_scheduler.vendor_wait(p_sign jsonb) returns interval
  language sql immutable
  return sync_scheduler.seconds(least(greatest(coalesce((p_sign ->> 'wait_ms')::numeric, 60000), 1000), 3600000) / 1000);

-- Records that a host has throttled a probe or several organisations' syncs.
-- Each throttling response delays all runs at the host by at most 30 s. hold_back spreads the runs over the next 30 s.
-- Probes pause for an hour. Each further throttle within a day doubles this pause, up to a day.
-- If the vendor is known, the pause applies to all of the vendor's hosts.
create function sync_scheduler.learn_throttled(h public.integration_health, p_sign jsonb, p_run_id uuid) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_wait constant interval := sync_scheduler.vendor_wait(p_sign);
  v_is_new constant boolean := h.status <> 'throttled' or coalesce(h.throttled_until <= v_now, true);
  v_throttles constant integer := case
    when not v_is_new then h.throttles
    when h.last_throttled_at > v_now - interval '1 day' then least(h.throttles, 20) + 1 else 1 end;
  v_passive_until constant timestamptz := greatest(h.passive_until, v_now + v_wait
    + least(interval '1 hour' * power(2, v_throttles - 1), interval '1 day'));
begin
  update public.integration_health set
    status = 'throttled', since = case when h.status = 'throttled' then since else v_now end, mode = 'passive',
    throttled_until = greatest(throttled_until, v_now + least(v_wait, interval '30 seconds')),
    passive_until = v_passive_until, throttles = v_throttles,
    last_throttled_at = v_now, consecutive_failures = 0, error_code = p_sign ->> 'code', http_status = (p_sign ->> 'http_status')::integer,
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

-- Records that the vendor is throttling an organisation. The organisation's runs at the host wait for as long as
-- the vendor requests, and then run one at a time. The hold ends no later than an hour after the wait.
-- p_sign: {sign, code, message, http_status, wait_ms, ceiling, quota}
create function sync_scheduler.hold_organisation(p_provider text, p_host text, p_sign jsonb, r public.sync_run_log) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_until constant timestamptz := v_now + sync_scheduler.vendor_wait(p_sign);
  h public.integration_health;
begin
  insert into public.sync_api_hold as k (provider, host, org_id, throttled_until, start_limit, limit_ceiling, told_at, expires_at)
  values (p_provider, p_host, r.org_id, v_until, 1, coalesce((p_sign ->> 'ceiling')::integer, 5), v_now, v_until + interval '1 hour')
  on conflict (provider, host, org_id) do update set throttled_until = greatest(k.throttled_until, excluded.throttled_until),
    start_limit = 1, limit_ceiling = excluded.limit_ceiling, told_at = v_now, expires_at = greatest(k.expires_at, excluded.expires_at);
  if (select count(*) from public.sync_api_hold k
       where k.provider = p_provider and k.host = p_host and k.throttled_until > v_now and k.told_at > v_now - interval '1 minute') >= 3 then
    insert into public.integration_health (provider, host, since, updated_at) values (p_provider, p_host, v_now, v_now)
      on conflict do nothing;
    select * into h from public.integration_health where provider = p_provider and host = p_host for update skip locked;
    if found then
      perform sync_scheduler.learn_throttled(h, p_sign, r.id);
    end if;
  else
    perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(p_provider, p_host) || '/' || r.org_id, r.integration_id, r.id,
      jsonb_strip_nulls(jsonb_build_object('provider', p_provider, 'host', p_host, 'org_id', r.org_id, 'status', 'throttled',
        'error_code', p_sign ->> 'code', 'error_message', p_sign ->> 'message', 'http_status', p_sign -> 'http_status',
        'until', sync_scheduler.iso(v_until))));
  end if;
end
$$;

-- Records that an API could not be reached or returned a server error. The API becomes unhealthy after two failed probes in
-- a row. For an API with a health_url, failed syncs also count. If such an API is not probed, one failed sync is enough.
-- A shared host also becomes unhealthy when syncs of three organisations have failed.
create function sync_scheduler.learn_unreachable(h public.integration_health, p_sign jsonb, p_run_id uuid, p_org_id uuid) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_told_by constant jsonb := case when p_org_id is not null then sync_scheduler.told_by(h, p_org_id) end;
  v_is_down constant boolean := case
    when p_org_id is null or sync_scheduler.is_own(h.host) then h.consecutive_failures > 0 or (h.mode = 'passive' and p_run_id is not null)
    else jsonb_array_length(v_told_by) >= 3 end;
begin
  update public.integration_health set
    status = case when v_is_down then 'unhealthy' else status end,
    since = case when v_is_down and h.status <> 'unhealthy' then v_now else since end,
    consecutive_failures = consecutive_failures + 1, error_code = p_sign ->> 'code',
    http_status = (p_sign ->> 'http_status')::integer,
    next_probe_at = case when p_run_id is null then next_probe_at else least(next_probe_at, v_now) end,
    detail = detail || jsonb_strip_nulls(jsonb_build_object('message', p_sign ->> 'message', 'told_by', v_told_by)), updated_at = v_now
  where provider = h.provider and host = h.host returning * into h;
  if v_is_down then
    perform sync_scheduler.raise_incident('health', sync_scheduler.api_name(h.provider, h.host), null, p_run_id,
      sync_scheduler.health_detail(h));
  end if;
end
$$;

-- Records that an organisation's quota is low. The organisation's syncs run one at a time until the quota recovers.
create function sync_scheduler.learn_quota(p_provider text, p_host text, p_sign jsonb, p_org_id uuid) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_until constant timestamptz := v_now + sync_scheduler.vendor_wait(p_sign);
begin
  if (p_sign ->> 'low')::boolean is not true then
    return;
  end if;
  insert into public.sync_api_hold as k (provider, host, org_id, start_limit, limit_ceiling, limited_until, told_at, expires_at)
  values (p_provider, p_host, p_org_id, 1, coalesce((p_sign ->> 'ceiling')::integer, 5), v_until, v_now, v_until + interval '1 hour')
  on conflict (provider, host, org_id) do update set start_limit = 1, limited_until = greatest(k.limited_until, excluded.limited_until),
    expires_at = greatest(k.expires_at, excluded.expires_at);
end
$$;

-- Records the vendors' health signals. p_settlements: [{run_id, lease_token, health}]; health is optional.
-- An unreadable signal only raises a warning, so that the outcomes are still recorded.
create function sync_scheduler.learn_signs(p_settlements jsonb) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_one record;
  h public.integration_health;
begin
  for v_one in
    select r as run, coalesce(r.api_provider, s.health ->> 'provider') as provider, coalesce(r.api_host, s.health ->> 'host') as host, s.health
      from jsonb_to_recordset(p_settlements) as s(run_id uuid, lease_token uuid, health jsonb)
      join public.sync_run_log r on r.id = s.run_id and r.lease_token = s.lease_token
     where s.health is not null and coalesce(r.api_provider, s.health ->> 'provider') is not null
       and coalesce(r.api_host, s.health ->> 'host') is not null
     order by 2, 3, r.org_id, r.id
  loop
    case v_one.health ->> 'sign'
      when 'throttled' then
        perform sync_scheduler.hold_organisation(v_one.provider, sync_scheduler.host_of(v_one.host), v_one.health, v_one.run);
      when 'unreachable' then
        insert into public.integration_health (provider, host, since, updated_at) values (v_one.provider, v_one.host, v_now, v_now)
          on conflict do nothing;
        select * into h from public.integration_health where provider = v_one.provider and host = v_one.host for update skip locked;
        if found then
          perform sync_scheduler.learn_unreachable(h, v_one.health, (v_one.run).id, (v_one.run).org_id);
        end if;
      else
        perform sync_scheduler.learn_quota(v_one.provider, sync_scheduler.host_of(v_one.host), v_one.health, (v_one.run).org_id);
    end case;
  end loop;
exception
  when others then
    if not sync_scheduler.is_row_fault(sqlstate) then
      raise;
    end if;
    raise warning 'settle_sync_runs: the vendors'' health signals could not be recorded: %', sqlerrm;
end
$$;

-- Delays a run whose API must not be called now. The run stays pending and unclaimed, so that any engine can start it.
create function sync_scheduler.delay_run(
  r public.sync_run_log, p_provider text, p_host text, p_reason text, p_at timestamptz, p_engine_id text, p_detail jsonb
) returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update public.sync_run_log set not_before = p_at, claimed_by = null, delay_reason = p_reason,
    api_provider = p_provider, api_host = p_host
  where id = r.id;
  if r.delay_reason is distinct from p_reason then
    perform sync_scheduler.record_event(r.id, r.integration_id, 'delayed', 'pending', 'pending', r.attempt, p_engine_id, p_reason,
      jsonb_strip_nulls(jsonb_build_object('provider', p_provider, 'host', p_host, 'until', sync_scheduler.iso(p_at)) || p_detail));
  end if;
  return jsonb_build_object('run_id', r.id, 'reason', p_reason, 'status', 'pending', 'retry_at', sync_scheduler.iso(p_at));
end
$$;

-- Delays the runs of organisations with a hold. Then delays all other runs at hosts that throttle every organisation.
-- Delayed runs become due one by one, 3 s apart. A run that is delayed again becomes due 3 s after the wait ends.
-- Runs at a throttled host become due within 30 s after the throttle ends.
-- Returns [{run_id, reason: api_throttled | api_limit, status, retry_at}].
create function sync_scheduler.hold_back(p_engine_id text, p_starts jsonb, p_adopt_after interval) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_step constant interval := interval '3 seconds';
  v_held jsonb := '[]';
  v_room integer;
  v_waiting integer;
  v_until timestamptz;
  k record;
  o record;
begin
  for k in
    select a.* from public.sync_api_hold a
     where a.expires_at > v_now
       and (a.provider, a.host, a.org_id) in (
         select s.api_provider, sync_scheduler.host_of(s.api_host), l.org_id
           from jsonb_to_recordset(p_starts) as s(run_id uuid, api_provider text, api_host text)
           join public.sync_run_log l on l.id = s.run_id)
     order by a.provider, a.host, a.org_id for update
  loop
    v_until := case when k.throttled_until > v_now then k.throttled_until end;
    v_room := case when v_until is not null then 0 else k.start_limit - (
      select count(*) from public.sync_run_log l
       where l.status = 'running' and l.api_provider = k.provider and sync_scheduler.host_of(l.api_host) = k.host
         and l.org_id = k.org_id) end;
    v_waiting := (select count(*) from public.sync_run_log l
                   where l.status = 'pending' and l.api_provider = k.provider and sync_scheduler.host_of(l.api_host) = k.host
                     and l.org_id = k.org_id and l.not_before > v_now and l.delay_reason is not null);
    for o in
      select l as run, s.api_provider, s.api_host
        from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid, api_provider text, api_host text)
        join public.sync_run_log l on l.id = s.run_id
        join public.organization_integrations i on i.id = l.integration_id
       where s.api_provider = k.provider and sync_scheduler.host_of(s.api_host) = k.host and l.org_id = k.org_id
         and sync_scheduler.start_refusal(l, i.enabled, p_engine_id, s.lease_token, p_adopt_after) is null
       order by l.scheduled_for, l.id
    loop
      if v_room > 0 then
        v_room := v_room - 1;
        continue;
      end if;
      v_waiting := v_waiting + 1;
      v_held := v_held || sync_scheduler.delay_run(o.run, o.api_provider, o.api_host,
        case when v_until is null then 'api_limit' else 'api_throttled' end,
        coalesce(v_until, v_now) + v_step * case when (o.run).delay_reason is null then v_waiting else 1 end,
        p_engine_id, jsonb_build_object('at_once', k.start_limit));
    end loop;
  end loop;
  for k in
    select h.provider, h.host, h.throttled_until from public.integration_health h
     where h.throttled_until > v_now
       and (h.provider, h.host) in (select s.api_provider, sync_scheduler.host_of(s.api_host)
                                      from jsonb_to_recordset(p_starts) as s(api_provider text, api_host text))
     order by h.provider, h.host
  loop
    v_waiting := (select count(*) from public.sync_run_log l
                   where l.status = 'pending' and l.api_provider = k.provider and sync_scheduler.host_of(l.api_host) = k.host
                     and l.not_before > v_now and l.delay_reason is not null);
    for o in
      select l as run, s.api_provider, s.api_host
        from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid, api_provider text, api_host text)
        join public.sync_run_log l on l.id = s.run_id
        join public.organization_integrations i on i.id = l.integration_id
       where s.api_provider = k.provider and sync_scheduler.host_of(s.api_host) = k.host
         and not v_held @> jsonb_build_array(jsonb_build_object('run_id', s.run_id))
         and sync_scheduler.start_refusal(l, i.enabled, p_engine_id, s.lease_token, p_adopt_after) is null
       order by l.scheduled_for, l.id
    loop
      v_waiting := v_waiting + 1;
      v_held := v_held || sync_scheduler.delay_run(o.run, o.api_provider, o.api_host, 'api_throttled',
        k.throttled_until + least(v_step * case when (o.run).delay_reason is null then v_waiting else 1 end, interval '30 seconds'),
        p_engine_id, '{}');
    end loop;
  end loop;
  return v_held;
end
$$;

-- An API is probed at most once every 15 minutes, regardless of the number of engines. No probe is sent while the API
-- throttles requests, or while a sync is running or about to run.

create function sync_scheduler.health_json(h public.integration_health) returns jsonb language sql stable return
  jsonb_build_object('provider', h.provider, 'host', h.host, 'status', h.status, 'mode', h.mode, 'since', sync_scheduler.iso(h.since),
    'last_sync_at', sync_scheduler.iso(h.last_sync_at), 'last_probe_at', sync_scheduler.iso(h.last_probe_at),
    'next_probe_at', sync_scheduler.iso(h.next_probe_at), 'throttled_until', sync_scheduler.iso(h.throttled_until),
    'passive_until', sync_scheduler.iso(h.passive_until),
    'held_organisations', (select count(*) from public.sync_api_hold k
      where k.provider = h.provider and k.host = sync_scheduler.host_of(h.host) and k.expires_at > sync_scheduler.clock()),
    'consecutive_failures', h.consecutive_failures, 'latency_ms', h.latency_ms, 'http_status', h.http_status,
    'error_code', h.error_code, 'message', h.detail ->> 'message', 'quota', h.detail -> 'quota', 'probes', h.probes);

-- Returns the current health and the probe candidates: the distinct combinations of integration_type, health_url and
-- health_method among the enabled integrations, at most 1,000.
-- Returns {now, sources: [{integration_type, health_url, health_method}], health: [row of integration_health]}.
create function public.read_sync_apis() returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
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

-- Returns the reason why an API must not be probed now; null: the probe is allowed. The limits apply across all engines.
-- p_types, p_urls: the types and health_urls of the API's integrations, used to find a sync that is due within a minute.
-- p_asked: whether an operator requested the probe. If so, the interval, the backoff and recent syncs do not prevent it.
create function sync_scheduler.probe_refusal(h public.integration_health, p_types text[], p_urls text[], p_asked boolean) returns text
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when h.throttled_until > c.now or (sync_scheduler.is_own(h.host) and exists (
        select 1 from public.sync_api_hold k
         where k.provider = h.provider and k.host = sync_scheduler.host_of(h.host) and k.throttled_until > c.now)) then 'throttled'
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

-- Claims the probes that engine p_engine_id must send now. No other engine may probe these APIs for 15 minutes.
-- A new API is first probed after 15 to 18 minutes, because syncs may show its health in the meantime.
-- p_apis: [{provider, host, types: [text], urls: [text]}], at most 1,000.
-- p_asked: whether an operator requested the probes. p_dry_run: if true, nothing is claimed.
-- Returns {now, probes: [{provider, host}], waiting: [{provider, host, reason, until}]}.
create function public.claim_sync_probes(
  p_engine_id text, p_token uuid, p_apis jsonb, p_asked boolean default false, p_dry_run boolean default false
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
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
    raise exception 'claim_sync_probes: p_apis must be a JSON array of at most 1,000 APIs' using errcode = '22023';
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
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Returns how long to wait after a failed probe: 15 minutes, doubled after each further failure, up to 2 hours.
create function sync_scheduler.probe_wait(p_failures integer) returns interval
  language sql immutable
  return least(interval '15 minutes' * power(2, least(greatest(p_failures, 1) - 1, 10)), interval '2 hours');

-- Records the result of the probe that was claimed with p_token.
-- Ignores repeated results, and results that arrive more than a minute after the claim.
-- p_result: {sign: reachable | unreachable | throttled, code, message, http_status, wait_ms, quota, latency_ms,
-- every_ms: the interval in ms after a reachable result, at least 15 minutes}.
-- p_jitter: 0 to 1. Delays the next probe by up to a fifth of the interval, so that probes do not stay synchronised.
-- Returns {accepted, health: row of integration_health}.
create function public.record_sync_probe(
  p_engine_id text, p_token uuid, p_provider text, p_host text, p_result jsonb, p_jitter numeric default 0
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
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
    -- No probe of this API has ever received a response, so the likely cause is the engine's network.
    update public.integration_health set error_code = p_result ->> 'code',
      next_probe_at = v_now + sync_scheduler.probe_wait(least(probes, 10)::integer) * v_spread,
      detail = detail || jsonb_strip_nulls(jsonb_build_object('message', p_result ->> 'message')), updated_at = v_now
    where provider = h.provider and host = h.host;
  elsif v_sign = 'unreachable' then
    perform sync_scheduler.learn_unreachable(h, p_result, null, null);
    update public.integration_health set next_probe_at = v_now + sync_scheduler.probe_wait(consecutive_failures) * v_spread
     where provider = h.provider and host = h.host;
  else
    update public.integration_health set status = 'healthy', since = case when status = 'healthy' then since else v_now end,
      consecutive_failures = 0, error_code = null, http_status = (p_result ->> 'http_status')::integer,
      throttled_until = null, next_probe_at = v_now + v_every * v_spread, updated_at = v_now,
      detail = (detail - 'message' - 'told_by') || jsonb_strip_nulls(jsonb_build_object('quota', p_result -> 'quota'))
    where provider = h.provider and host = h.host;
    if v_was <> 'healthy' then
      perform sync_scheduler.resolve_incident('health', sync_scheduler.api_name(h.provider, h.host));
    end if;
  end if;
  select * into h from public.integration_health where provider = p_provider and host = p_host;
  return jsonb_build_object('accepted', true, 'health', sync_scheduler.health_json(h));
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

create function sync_scheduler.warming_is_paused(p_function_name text) returns boolean
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select 1 from public.sync_function_warmth w
                  where w.function_name = coalesce(p_function_name, '(default)')
                    and w.paused_until > sync_scheduler.clock())
$$;

-- Returns the functions to warm up because a slot is due within p_within_seconds.
create function public.read_upcoming_warm_ups(p_within_seconds numeric default 60) returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('function_name', u.function_name, 'next_run_at', sync_scheduler.iso(u.next_run_at))
                            order by u.next_run_at), '[]')
    from (
      select i.function_name, min(i.next_run_at) as next_run_at
        from public.organization_integrations i
       where i.enabled and i.warm_up and i.schedule_error is null
         and i.next_run_at > sync_scheduler.clock()
         and i.next_run_at <= sync_scheduler.clock() + sync_scheduler.seconds(least(greatest(p_within_seconds, 0), 3600))
         and not sync_scheduler.warming_is_paused(i.function_name)
       group by i.function_name order by min(i.next_run_at) limit 100
    ) u
$$;

-- Records a tick's first request to a function and returns whether warming up this function saves time.
-- After 20 requests, warm-ups pause for a day if no request was cold, or if cold requests take
-- less than 100 ms longer than warm ones.
-- p_cold: whether the function reported a cold start. Null: a request that takes more than a second counts as cold.
-- p_in_run: whether the request belongs to a run. If so, the run's settlement opens or resolves the incident.
create function public.record_function_contact(
  p_engine_id text, p_function_name text, p_latency_ms numeric, p_ok boolean, p_cold boolean default null,
  p_detail text default null, p_in_run boolean default false
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_name constant text := coalesce(p_function_name, '(default)');
  v_cold constant boolean := coalesce(p_cold, p_latency_ms > 1000);
  v_latency constant double precision := p_latency_ms;
  w public.sync_function_warmth;
begin
  insert into public.sync_function_warmth (function_name, measured_since) values (v_name, v_now) on conflict do nothing;
  select * into w from public.sync_function_warmth where function_name = v_name for update;
  if w.paused_until <= v_now then
    w.paused_until := null; w.verdict := null; w.measured_since := v_now;
    w.cold_count := 0; w.warm_count := 0; w.failed_count := 0;
  end if;
  if not p_ok then
    w.failed_count := w.failed_count + 1;
  elsif v_cold then
    w.cold_count := w.cold_count + 1;
    w.cold_ms := coalesce(w.cold_ms + 0.2 * (v_latency - w.cold_ms), v_latency);
  else
    w.warm_count := w.warm_count + 1;
    w.warm_ms := coalesce(w.warm_ms + 0.2 * (v_latency - w.warm_ms), v_latency);
  end if;
  if w.paused_until is null and w.failed_count = 0 and w.cold_count + w.warm_count >= 20 then
    w.verdict := case
      when w.cold_count = 0 then format('none of %s first requests was a cold start', w.warm_count)
      when w.cold_ms - w.warm_ms < 100 then
        format('a cold start takes %s ms, a warm start %s ms', round(w.cold_ms), round(w.warm_ms)) end;
    w.paused_until := case when w.verdict is not null then v_now + interval '1 day' end;
  end if;
  update public.sync_function_warmth set cold_count = w.cold_count, warm_count = w.warm_count, failed_count = w.failed_count,
    cold_ms = w.cold_ms, warm_ms = w.warm_ms, measured_since = w.measured_since, paused_until = w.paused_until,
    verdict = w.verdict, updated_at = v_now
  where function_name = v_name;
  if not p_in_run then
    if not p_ok or v_cold then
      perform sync_scheduler.raise_incident('cold_start', v_name, null, null, jsonb_strip_nulls(jsonb_build_object(
        'function', v_name, 'warm_up_ms', round(p_latency_ms), 'ok', p_ok, 'detail', left(p_detail, 500), 'engine_id', p_engine_id)));
    else
      perform sync_scheduler.resolve_incident('cold_start', v_name);
    end if;
  end if;
  return jsonb_build_object('pays', w.paused_until is null, 'verdict', w.verdict,
    'cold_ms', round(w.cold_ms::numeric), 'warm_ms', round(w.warm_ms::numeric));
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Opens or resolves a function's cold-start incident after a run's first request.
-- If the incident is locked, the trigger changes nothing, so that the update of the run does not fail.
create function sync_scheduler.after_first_contact() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_function text;
begin
  select i.function_name into v_function from public.organization_integrations i where i.id = new.integration_id;
  v_function := coalesce(v_function, '(default)');
  if new.cold_start then
    perform sync_scheduler.raise_incident('cold_start', v_function, new.integration_id, new.id, jsonb_build_object(
      'function', v_function, 'warm_up_ms', new.warm_up_ms, 'scheduled_for', sync_scheduler.iso(new.scheduled_for)));
  else
    perform sync_scheduler.resolve_incident('cold_start', v_function);
  end if;
  return null;
exception when lock_not_available or deadlock_detected then
  return null;
end
$$;
create trigger sync_scheduler_after_first_contact after update on public.sync_run_log for each row
  when (old.warm_up_ms is null and new.warm_up_ms is not null)
  execute function sync_scheduler.after_first_contact();

revoke all on function
  public.read_sync_apis(),
  public.claim_sync_probes(text, uuid, jsonb, boolean, boolean),
  public.record_sync_probe(text, uuid, text, text, jsonb, numeric),
  public.read_upcoming_warm_ups(numeric),
  public.record_function_contact(text, text, numeric, boolean, boolean, text, boolean)
  from public, anon, authenticated;
grant execute on function
  public.read_sync_apis(),
  public.claim_sync_probes(text, uuid, jsonb, boolean, boolean),
  public.record_sync_probe(text, uuid, text, text, jsonb, numeric),
  public.read_upcoming_warm_ups(numeric),
  public.record_function_contact(text, text, numeric, boolean, boolean, text, boolean)
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000300.';
notify pgrst, 'reload schema';
