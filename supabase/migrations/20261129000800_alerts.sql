-- Turns incidents into messages: one when an incident opens, and one when it ends.

create function sync_scheduler.alert_json(i public.sync_incident) returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
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

-- Claims unsent messages of incidents. For 60 s, only the claiming engine sends these messages.
-- If an incident ended before its opening message was sent, the recovery message says so.
-- If the incident ended more than a day ago, no message is sent.
-- Returns {now, total, opened, resolved, kinds: {kind: n}, incident_ids, alerts: [the first 50, openings first]}.
create function public.take_sync_alerts(p_engine_id text, p_limit integer default 1000) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_limit constant integer := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_ids bigint[];
begin
  if coalesce(p_engine_id, '') = '' then
    raise exception 'take_sync_alerts: p_engine_id is required' using errcode = '22023';
  end if;
  update public.sync_incident set alert_gave_up = 'resolved', alert_gave_up_at = v_now,
    alert_error = coalesce(alert_error || '; ', '') || 'the incident ended more than a day before its message could be sent'
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
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Records whether messages were sent. A failed message is retried after 30 s, and each further failure doubles the wait,
-- up to an hour. After p_max_attempts (24 attempts take about 17 hours), the message is abandoned.
-- Ignores the results of an engine that no longer has the claim.
-- p_deliveries: [{incident_ids: [...], error: null (sent) | text, retry_after_seconds: null | n}].
-- Returns {sent, failed, gave_up}.
create function public.mark_sync_alerts(p_engine_id text, p_deliveries jsonb, p_max_attempts integer default 24) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
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
exception when serialization_failure then
  raise deadlock_detected using message = sqlerrm;
end
$$;

-- Opens an incident when an engine takes over a run that another engine (the subject) claimed but did not start.
-- If the incident is locked, the trigger changes nothing, so that the run's own change does not fail.
create function sync_scheduler.after_run_adopted() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
  when (old.status = 'pending' and new.status in ('pending', 'running') and old.claimed_by is not null
        and new.claimed_by is not null and new.claimed_by is distinct from old.claimed_by)
  execute function sync_scheduler.after_run_adopted();

-- Opens an incident for the states `failing` and `retrying` of Domain/State.
-- The subject is the integration, so that a sync that fails every night causes only one incident.
-- If the incident is locked, the trigger changes nothing, so that the run's own change does not fail.
create function sync_scheduler.after_run_troubled() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform sync_scheduler.raise_incident(case new.status when 'failed' then 'failing' else 'retrying' end, new.integration_id::text,
    new.integration_id, new.id, jsonb_strip_nulls(jsonb_build_object('scheduled_for', sync_scheduler.iso(new.scheduled_for),
      'attempt', new.attempt, 'error_code', new.error_code, 'error_message', new.error_message)));
  return null;
exception when lock_not_available or deadlock_detected then
  return null;
end
$$;
create trigger sync_scheduler_after_trouble after update on public.sync_run_log for each row
  when ((new.status = 'failed' and old.status is distinct from 'failed')
        or (new.status = 'pending' and new.attempt >= 2 and old.status in ('running', 'unknown')))
  execute function sync_scheduler.after_run_troubled();

-- Opens an incident for a slot that is skipped for the same reason in three ticks, over at least two minutes.
-- Considers only the last twenty ticks that skipped any slot.
-- Ignores skips with a recorded cause (a live run, a retry, a throttled API, an invalid schedule, a rejected row).
create function sync_scheduler.after_tick_skipped() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v record;
begin
  for v in
    with skip as (
      select distinct on (s.integration_id) s.integration_id, s.scheduled_for, s.reason, left(s.detail, 500) as detail
        from jsonb_to_recordset(new.summary -> 'skips') as s(integration_id uuid, scheduled_for timestamptz, reason text, detail text)
       where s.scheduled_for is not null and s.reason not in ('rejected', 'already_running', 'not_before', 'claimed_by_another', 'schedule_error',
         'api_throttled', 'api_limit', 'disabled', 'gone')
       order by s.integration_id, s.scheduled_for limit 100
    ), earlier as (
      select t.id, t.started_at, t.summary from public.sync_tick t
       where t.started_at > v_now - interval '1 day' and t.id <> new.id and t.skipped > 0
       order by t.started_at desc limit 20
    )
    select k.integration_id, k.scheduled_for, k.reason, k.detail, count(distinct e.id) + 1 as ticks, min(e.started_at) as since
      from skip k, earlier e,
           jsonb_to_recordset(case when jsonb_typeof(e.summary -> 'skips') = 'array' then e.summary -> 'skips' else '[]' end)
             as s(integration_id uuid, scheduled_for timestamptz, reason text)
     where s.integration_id = k.integration_id and s.scheduled_for = k.scheduled_for and s.reason = k.reason
     group by 1, 2, 3, 4 having count(distinct e.id) >= 2 and min(e.started_at) <= v_now - interval '2 minutes'
     order by 1
  loop
    perform sync_scheduler.raise_incident('stuck', v.integration_id::text, v.integration_id, null, jsonb_strip_nulls(jsonb_build_object(
      'scheduled_for', sync_scheduler.iso(v.scheduled_for), 'reason', v.reason, 'detail', v.detail, 'ticks', v.ticks,
      'since', sync_scheduler.iso(v.since))));
  end loop;
  return null;
exception when data_exception or lock_not_available or deadlock_detected then
  return null;
end
$$;
create trigger sync_scheduler_after_tick_skipped after insert or update of summary on public.sync_tick for each row
  when (new.skipped > 0 and jsonb_typeof(new.summary -> 'skips') = 'array')
  execute function sync_scheduler.after_tick_skipped();

-- Resolves incidents at the start of a tick.
-- An engine's incident ends after a period without a recurrence, because no event would close a dead engine's incident.
-- A stuck slot's incident ends when the slot is neither due nor pending.
-- A `failing` or `retrying` incident ends when the state ends, or when the integration is paused or deleted.
create function sync_scheduler.after_tick_opened() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  -- Returning early avoids planning the long statement below.
  if not exists (select 1 from public.sync_incident where resolved_at is null) then
    return null;
  end if;
  update public.sync_incident set resolved_at = v_now where id in (
    select i.id from public.sync_incident i
     where i.resolved_at is null
       and ((i.kind = 'rescued' and i.last_seen_at < v_now - interval '15 minutes')
            or (i.kind = 'clock_skew' and i.last_seen_at < v_now - interval '1 day')
            or (i.kind in ('failing', 'retrying')
                and not exists (select 1 from public.organization_integrations o where o.id = i.integration_id and o.enabled))
            or (i.kind = 'failing' and (
                  select l.status from public.sync_run_log l
                   where l.integration_id = i.integration_id and l.status not in ('pending', 'running')
                     and not (l.status = 'skipped' and coalesce(l.attempt, 0) = 0)
                   order by l.scheduled_for desc limit 1) is distinct from 'failed')
            or (i.kind = 'retrying'
                and not exists (select 1 from public.sync_run_log l
                                 where l.integration_id = i.integration_id and l.status in ('pending', 'running') and l.attempt >= 2))
            or (i.kind = 'stuck'
                and not exists (select 1 from public.organization_integrations o
                                 where o.id = i.integration_id and o.enabled and o.schedule_error is null
                                   and sync_scheduler.iso(o.next_run_at) = i.detail ->> 'scheduled_for')
                and not exists (select 1 from public.sync_run_log l
                                 where l.integration_id = i.integration_id and l.status = 'pending'
                                   and sync_scheduler.iso(l.scheduled_for) = i.detail ->> 'scheduled_for')))
     order by i.id limit 1000 for update skip locked);
  return null;
end
$$;
create trigger sync_scheduler_after_tick_opened after insert on public.sync_tick for each row
  execute function sync_scheduler.after_tick_opened();

revoke all on function
  public.take_sync_alerts(text, integer),
  public.mark_sync_alerts(text, jsonb, integer)
  from public, anon, authenticated;
grant execute on function
  public.take_sync_alerts(text, integer),
  public.mark_sync_alerts(text, jsonb, integer)
  to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000800.';
notify pgrst, 'reload schema';
