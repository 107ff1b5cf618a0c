-- Incidents become messages, each transition once; and whether ticks have stopped, for any client.

-- What is known of an incident's messages. notified_at and resolve_notified_at say that they were taken by the receiver.
alter table public.sync_incident
  add column alert_transition text check (alert_transition in ('opened', 'resolved')),   -- what was claimed last
  add column alert_claimed_by text,                   -- the engine that is sending it
  add column alert_claimed_until timestamptz,         -- then any engine may send it
  add column alert_attempts integer not null default 0,
  add column alert_not_before timestamptz,
  add column alert_error text,
  add column alert_gave_up text check (alert_gave_up in ('opened', 'resolved')),
  add column alert_gave_up_at timestamptz;
comment on column public.sync_incident.alert_gave_up is
  'The transition that is not sent any more: the receiver took it in none of its attempts, or it was over a day before it could be sent.';

-- Messages that are still to be sent. The index of 000100 also held those that were given up, for ever.
drop index public.sync_incident_unsent;
create index sync_incident_unsent on public.sync_incident (id)
  where (resolved_at is null and notified_at is null and alert_gave_up is null)
     or (resolved_at is not null and resolve_notified_at is null and alert_gave_up is distinct from 'resolved');

-- An incident as a message needs it: with its integration, its run, and the first tick after the slot.
create function sync_scheduler.alert_json(i public.sync_incident) returns jsonb language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'incident_id', i.id, 'transition', i.alert_transition, 'kind', i.kind, 'subject', i.subject,
    'opened_at', sync_scheduler.iso(i.opened_at), 'resolved_at', sync_scheduler.iso(i.resolved_at),
    'announced', i.notified_at is not null, 'occurrences', i.occurrences, 'attempt', i.alert_attempts, 'detail', i.detail,
    'integration', case when i.integration_id is not null then jsonb_build_object(
      'id', i.integration_id, 'org_id', coalesce(r.org_id, o.org_id),
      'type', coalesce(o.integration_type, r.integration_type), 'schedule', o.sync_schedule,
      'timezone', coalesce(o.timezone, 'UTC')) end,
    'run', case when r.id is not null then jsonb_build_object(
      'id', r.id, 'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'started_at', sync_scheduler.iso(r.started_at),
      'status', r.status, 'drift_ms', r.drift_ms, 'error_code', r.error_code, 'error_message', left(r.error_message, 500),
      'first_tick_at', (select sync_scheduler.iso(min(t.started_at)) from public.sync_tick t
                         where t.started_at between r.scheduled_for and r.started_at)) end)
    from (select 1) one
    left join public.organization_integrations o on o.id = i.integration_id
    left join public.sync_run_log r on r.id = i.run_id
$$;

-- Claims what is to be sent, for 60 s: an engine that dies while it sends leaves it to the others. One message for an
-- incident that was over before its opening could be sent: its recovery, which says so; none when that was over a day ago.
-- Returns {now, total, opened, resolved, kinds: {kind: n}, incident_ids, alerts: [the first 50, openings first]}.
create function public.take_sync_alerts(p_engine_id text, p_limit integer default 1000) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_ids bigint[];
begin
  if coalesce(p_engine_id, '') = '' then
    raise exception 'take_sync_alerts: p_engine_id is required' using errcode = '22023';
  end if;
  update public.sync_incident set alert_gave_up = 'resolved', alert_gave_up_at = v_now,
    alert_error = coalesce(alert_error || '; ', '') || 'it was over a day before it could be sent'
   where id in (
     select i.id from public.sync_incident i
      where i.resolved_at is not null and i.resolve_notified_at is null and i.alert_gave_up is distinct from 'resolved'
        and i.resolved_at < v_now - interval '1 day'
        and (i.alert_claimed_until is null or i.alert_claimed_until <= v_now)
      order by i.id limit v_limit for update skip locked);

  with unsent as (
    select i.id, case when i.resolved_at is null then 'opened' else 'resolved' end as transition
      from public.sync_incident i
     where ((i.resolved_at is null and i.notified_at is null and i.alert_gave_up is null)
            or (i.resolved_at is not null and i.resolve_notified_at is null and i.alert_gave_up is distinct from 'resolved'))
       and (i.alert_claimed_until is null or i.alert_claimed_until <= v_now)
       and (i.alert_not_before is null or i.alert_not_before <= v_now)
     order by i.id limit v_limit for update skip locked
  ), claimed as (
    update public.sync_incident i set alert_claimed_by = p_engine_id, alert_claimed_until = v_now + interval '60 seconds',
      alert_attempts = case when i.alert_transition = u.transition then i.alert_attempts else 0 end + 1,
      alert_transition = u.transition
      from unsent u where i.id = u.id
    returning i.id
  )
  select coalesce(array_agg(c.id order by c.id), '{}') into v_ids from claimed c;

  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'incident_ids', to_jsonb(v_ids)) || (
    select jsonb_build_object('total', count(*),
        'opened', count(*) filter (where i.alert_transition = 'opened'),
        'resolved', count(*) filter (where i.alert_transition = 'resolved'))
      from public.sync_incident i where i.id = any (v_ids)
  ) || jsonb_build_object(
    'kinds', coalesce((select jsonb_object_agg(k.kind, k.n) from (
      select i.kind, count(*) as n from public.sync_incident i where i.id = any (v_ids) group by i.kind) k), '{}'),
    'alerts', coalesce((select jsonb_agg(sync_scheduler.alert_json(i) order by i.alert_transition, i.id) from (
      select * from public.sync_incident i where i.id = any (v_ids) order by i.alert_transition, i.id limit 50) i), '[]'));
end
$$;

-- What became of messages. A failed one is tried again after 30 s, then twice as long each time, up to an hour; after
-- p_max_attempts (24: some 17 hours) it is given up, on record. Marks of an engine whose claim another one took over change nothing.
-- p_deliveries: [{incident_ids: [...], error: null (sent) | text, retry_after_seconds: null | n}]. Returns {sent, failed, gave_up}.
create function public.mark_sync_alerts(p_engine_id text, p_deliveries jsonb, p_max_attempts integer default 24) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_delivery record;
  v_marked record;
  v_sent integer := 0;
  v_failed integer := 0;
  v_gave_up integer := 0;
begin
  if jsonb_typeof(p_deliveries) is distinct from 'array' then
    raise exception 'mark_sync_alerts: p_deliveries must be a JSON array' using errcode = '22023';
  end if;
  for v_delivery in
    select array(select e::bigint from jsonb_array_elements_text(d.incident_ids) e) as ids, d.error,
           sync_scheduler.seconds(least(greatest(coalesce(d.retry_after_seconds, 0), 0), 3600)) as retry_after
      from jsonb_to_recordset(p_deliveries) as d(incident_ids jsonb, error text, retry_after_seconds numeric)
  loop
    perform 1 from public.sync_incident i
      where i.id = any (v_delivery.ids) and i.alert_claimed_by = p_engine_id order by i.id for update;
    with marked as (
      update public.sync_incident i set
        alert_claimed_by = null, alert_claimed_until = null, alert_error = left(v_delivery.error, 1000),
        notified_at = case when v_delivery.error is null then coalesce(i.notified_at, v_now) else i.notified_at end,
        resolve_notified_at = case when v_delivery.error is null and i.alert_transition = 'resolved' then v_now end,
        alert_not_before = case when v_delivery.error is not null and i.alert_attempts < p_max_attempts then v_now
          + greatest(least(interval '30 seconds' * power(2, least(i.alert_attempts, 20) - 1), interval '1 hour'), v_delivery.retry_after) end,
        alert_gave_up = case when v_delivery.error is not null and i.alert_attempts >= p_max_attempts
          then i.alert_transition else i.alert_gave_up end,
        alert_gave_up_at = case when v_delivery.error is not null and i.alert_attempts >= p_max_attempts
          then v_now else i.alert_gave_up_at end
       where i.id = any (v_delivery.ids) and i.alert_claimed_by = p_engine_id
      returning v_delivery.error is not null and i.alert_attempts >= p_max_attempts as is_given_up
    )
    select count(*) as n, count(*) filter (where m.is_given_up) as gave_up into v_marked from marked m;
    v_sent := v_sent + case when v_delivery.error is null then v_marked.n else 0 end;
    v_failed := v_failed + case when v_delivery.error is null then 0 else v_marked.n end;
    v_gave_up := v_gave_up + v_marked.gave_up;
  end loop;
  return jsonb_build_object('sent', v_sent, 'failed', v_failed, 'gave_up', v_gave_up);
end
$$;

-- Incidents that arise in a run's row itself. They never hold up the run: when another engine holds the incident, it is open.

-- A claim that its engine never started, started by another. The subject is the engine that left it.
create function sync_scheduler.after_run_adopted() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  perform sync_scheduler.raise_incident('rescued', old.claimed_by, new.integration_id, new.id, jsonb_build_object(
    'engine_id', old.claimed_by, 'adopted_by', new.claimed_by, 'claimed_at', sync_scheduler.iso(new.created_at),
    'scheduled_for', sync_scheduler.iso(new.scheduled_for)));
  return null;
exception when lock_not_available or deadlock_detected then
  return null;
end
$$;
create trigger sync_scheduler_after_adoption after update on public.sync_run_log for each row
  when (old.status = 'pending' and new.status = 'running' and old.claimed_by is not null
        and new.claimed_by is distinct from old.claimed_by)
  execute function sync_scheduler.after_run_adopted();

-- How a function's first contact in a tick went. The subject is the function; it is over with a first contact that was warm.
create function sync_scheduler.after_first_contact() returns trigger
  language plpgsql security definer set search_path = '' as $$
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

-- What happened to an engine is over when it has not happened again: nothing else would ever say so of one that is gone.
create function sync_scheduler.after_tick_opened() returns trigger
  language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  update public.sync_incident set resolved_at = v_now where id in (
    select i.id from public.sync_incident i
     where i.resolved_at is null
       and ((i.kind = 'rescued' and i.last_seen_at < v_now - interval '15 minutes')
            or (i.kind = 'clock_skew' and i.last_seen_at < v_now - interval '1 day'))
     order by i.id limit 1000 for update skip locked);
  return null;
end
$$;
create trigger sync_scheduler_after_tick_opened after insert on public.sync_tick for each row
  execute function sync_scheduler.after_tick_opened();

-- One row: whether ticks have stopped. Reads the ends of indexes only; counts stop at 10,000.
create view public.sync_scheduler_status with (security_invoker = true) as
with recent as (
  select t.started_at, t.finished_at from public.sync_tick t order by t.started_at desc limit 20
), pace as (
  -- A tick that takes long claims runs while it does; a run that a person asked for proves nothing.
  select max(r.started_at) as last_tick_at,
         greatest(max(r.started_at), max(r.finished_at), (
           select l.created_at from public.sync_run_log l
            where l.trigger is distinct from 'manual' and l.created_at is not null
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
            else 'ok' end as verdict,
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
  'Whether Sync Scheduler ticks: verdict ok, late (something is due since 5 minutes), stopped (no sign of life for 5 minutes, or for three times the usual gap between ticks) or never. Only service_role may read it. To show it to others, wrap it in a function of your own: create function public.scheduler_status() returns setof public.sync_scheduler_status language sql stable security definer set search_path = '''' as $f$ select * from public.sync_scheduler_status $f$; then revoke it from public and anon, and grant execute to whom you like.';

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261124000800';

revoke all on public.sync_scheduler_status from public, anon, authenticated;
grant select on public.sync_scheduler_status to service_role;
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function
  public.take_sync_alerts(text, integer),
  public.mark_sync_alerts(text, jsonb, integer)
  from public, anon, authenticated;
grant execute on function
  public.take_sync_alerts(text, integer),
  public.mark_sync_alerts(text, jsonb, integer)
  to service_role;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
