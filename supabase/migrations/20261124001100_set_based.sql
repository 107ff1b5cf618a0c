-- The ordinary run by the hundred. Starting and settling judge each run by itself, with a row lock, an update and an event
-- each. What is ordinary about a run can be said in one condition, and then one statement does a whole batch; every
-- other run goes the old way, one by one, and the answer is the same. The guards are the same, too: rows are locked in the
-- order of their ids, and looked at again once they are. Measured, 100 runs: starts 7 ms instead of 16, outcomes 5 ms instead
-- of 17. Claims gain nothing by it (12 ms either way), so they stay as they are.

-- Runs as they are answered: by slot, then by id; what has no slot by id.
create function sync_scheduler.in_order(p_runs jsonb) returns jsonb
  language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(e order by e ->> 'scheduled_for', e ->> 'run_id'), '[]') from jsonb_array_elements(p_runs) e
$$;

-- Starts: pending, ours or free, enabled, due.
alter function sync_scheduler.start_runs(text, jsonb, interval, numeric) rename to start_each;
create function sync_scheduler.start_runs(
  p_engine_id text, p_starts jsonb, p_adopt_after interval, p_drift_alert_ms numeric
) returns jsonb language plpgsql set search_path = '' set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_ids constant uuid[] := array(select (s ->> 'run_id')::uuid from jsonb_array_elements(p_starts) s);
  v_made text[];                                -- the starts that were made here: run and token
  v_started jsonb;
  v_on_time text[];
  v_late public.sync_run_log[];
  v_rest jsonb;
  v_one jsonb;
  v_run public.sync_run_log;
begin
  perform 1 from public.sync_run_log where id = any (v_ids) order by id for update;
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
      fenced = coalesce(i.fenced, false), ambiguous_before = coalesce(r.ambiguous, false)
    from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid, lease_seconds numeric, cold_start boolean,
           warm_up_ms integer),
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

  select jsonb_agg(s) into v_rest from jsonb_array_elements(p_starts) s
   where ((s ->> 'run_id')::uuid::text || (s ->> 'lease_token')::uuid::text = any (v_made)) is not true;
  if v_rest is null then
    return jsonb_build_object('started', coalesce(v_started, '[]'), 'skipped', jsonb '[]');
  end if;
  v_one := sync_scheduler.start_each(p_engine_id, v_rest, p_adopt_after, p_drift_alert_ms);
  return jsonb_build_object('started', sync_scheduler.in_order(coalesce(v_started, '[]') || (v_one -> 'started')),
    'skipped', v_one -> 'skipped');
end
$$;

-- Settlements: completed, by the token of a running attempt that leaves no doubt behind, of an integration without failures.
alter function sync_scheduler.settle_runs(text, jsonb, interval) rename to settle_each;
create function sync_scheduler.settle_runs(p_engine_id text, p_settlements jsonb, p_quiescence interval) returns jsonb
  language plpgsql set search_path = '' set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_ids constant uuid[] := array(select (s ->> 'run_id')::uuid from jsonb_array_elements(p_settlements) s);
  v_done text[];                                -- settled here: run and token
  v_settled jsonb;
  v_rest jsonb;
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
    returning r.id, r.lease_token, r.integration_id, r.attempt, r.duration_ms, s.http_status
  ), noted as (
    insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
    select d.id, d.integration_id, v_now, 'settled', 'running', 'completed', d.attempt, p_engine_id, 'completed',
           jsonb_strip_nulls(jsonb_build_object('http_status', d.http_status))
      from settled d
  )
  select array_agg(d.id::text || d.lease_token::text), jsonb_agg(jsonb_build_object('run_id', d.id, 'accepted', true, 'status', 'completed',
           'attempt', d.attempt, 'duration_ms', d.duration_ms, 'retry_at', null) order by d.id)
    into v_done, v_settled
    from settled d;
  select jsonb_agg(s) into v_rest from jsonb_array_elements(p_settlements) s
   where (s ->> 'outcome' = 'completed'
          and (s ->> 'run_id')::uuid::text || (s ->> 'lease_token')::uuid::text = any (v_done)) is not true;
  if v_rest is null then
    return coalesce(v_settled, '[]');
  end if;
  return sync_scheduler.in_order(coalesce(v_settled, '[]') || sync_scheduler.settle_each(p_engine_id, v_rest, p_quiescence));
end
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261124001100';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
