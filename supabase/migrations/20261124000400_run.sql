-- A run's life after its claim: start, begin (the fence), heartbeat, settle. Every transition is guarded by the
-- lease token and the database clock; a repeated call with the same token changes nothing and says how things stand.

-- Last moment at which the function is known to have been alive.
create function sync_scheduler.last_sign_of_life(r public.sync_run_log) returns timestamptz
  language sql immutable
  return coalesce(greatest(r.started_at, r.attempt_started_at, r.began_at, r.heartbeat_at), r.created_at);

-- A row that somebody else wrote, without a slot or a key: nobody could invoke it safely, and nobody does.
create function sync_scheduler.is_foreign(r public.sync_run_log) returns boolean
  language sql immutable return r.scheduled_for is null or r.idempotency_key is null;

-- Why a run may not be started; null: it may.
create function sync_scheduler.start_refusal(
  r public.sync_run_log, p_enabled boolean, p_engine_id text, p_lease_token uuid, p_adopt_after interval
) returns text language sql stable return case
    when r.id is null then 'gone'
    when r.status <> 'pending' or r.lease_token = p_lease_token then 'lost_race'   -- a token starts one attempt, once
    when sync_scheduler.is_foreign(r) then 'foreign'
    when not coalesce(p_enabled, false) then 'disabled'
    when r.not_before > sync_scheduler.clock() then 'not_before'
    when r.claimed_by is not null and r.claimed_by is distinct from p_engine_id
         and r.created_at + p_adopt_after > sync_scheduler.clock() then 'claimed_by_another'
  end;

-- Starts runs, all or none. Returns {started: [run], skipped: [{run_id, reason, status}]}.
create function sync_scheduler.start_runs(
  p_engine_id text, p_starts jsonb, p_adopt_after interval, p_drift_alert_ms numeric
) returns jsonb language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_start record;
  v_reason text;
  v_started uuid[] := '{}';                     -- started now, or by an earlier call whose answer was lost
  v_skipped jsonb[] := '{}';
  v_on_time text[] := '{}';
  v_enabled boolean;
  v_fenced boolean;
  r public.sync_run_log;
begin
  -- In one order everywhere, so that two batches cannot deadlock.
  for v_start in
    select * from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid, lease_seconds numeric,
                                                      cold_start boolean, warm_up_ms integer) order by run_id
  loop
    if v_start.run_id is null or v_start.lease_token is null or coalesce(v_start.lease_seconds, 0) <= 0 then
      raise exception 'start_sync_runs: run_id, lease_token and lease_seconds (> 0) are required' using errcode = '22023';
    end if;
    select * into r from public.sync_run_log where id = v_start.run_id for update;
    if r.status = 'running' and r.lease_token = v_start.lease_token then
      v_started := v_started || r.id;
      continue;
    end if;
    select i.enabled, coalesce(i.fenced, false) into v_enabled, v_fenced
      from public.organization_integrations i where i.id = r.integration_id;
    v_reason := sync_scheduler.start_refusal(r, v_enabled, p_engine_id, v_start.lease_token, p_adopt_after);
    if v_reason is not null then
      v_skipped := v_skipped || jsonb_build_object('run_id', v_start.run_id, 'reason', v_reason, 'status', r.status);
      continue;
    end if;
    update public.sync_run_log set
      status = 'running', attempt = coalesce(r.attempt, 0) + 1, claimed_by = p_engine_id,
      lease_token = v_start.lease_token, lease_seconds = ceil(v_start.lease_seconds),
      lease_until = v_now + sync_scheduler.seconds(v_start.lease_seconds),
      started_at = coalesce(r.started_at, v_now), attempt_started_at = v_now,
      drift_ms = coalesce(r.drift_ms, sync_scheduler.elapsed_ms(r.scheduled_for, v_now, pg_typeof(r.drift_ms))),
      began_at = null, begin_nonce = null, heartbeat_at = null, not_before = null, released_at = null,
      finished_at = null, duration_ms = null, http_status = null, error_code = null, error_message = null, response = null,
      cold_start = coalesce(v_start.cold_start, false), warm_up_ms = v_start.warm_up_ms,
      fenced = v_fenced, ambiguous_before = coalesce(r.ambiguous, false)
    where id = r.id returning * into r;
    v_started := v_started || r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'started', 'pending', 'running', r.attempt, p_engine_id);
    if r.attempt = 1 and r.trigger is distinct from 'backfill' then
      if r.drift_ms > p_drift_alert_ms then
        perform sync_scheduler.raise_incident('drift', r.integration_id::text, r.integration_id, r.id,
          jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'drift_ms', r.drift_ms));
      else
        v_on_time := v_on_time || r.integration_id::text;
      end if;
    end if;
  end loop;
  if v_on_time <> '{}' then
    perform sync_scheduler.resolve_incidents('drift', v_on_time);
  end if;
  return jsonb_build_object(
    'started', coalesce((select jsonb_agg(sync_scheduler.run_json(l, i) order by l.scheduled_for, l.id)
                           from public.sync_run_log l
                           left join public.organization_integrations i on i.id = l.integration_id
                          where l.id = any (v_started)), '[]'),
    'skipped', to_jsonb(v_skipped));
end
$$;

-- pending -> running, at most 100 at a time. Repeating with the same lease token returns the same run.
-- p_starts: [{run_id, lease_token, lease_seconds, cold_start, warm_up_ms}]
-- Returns {now, started: [run], skipped: [{run_id, reason, status, detail?}]}.
create function public.start_sync_runs(
  p_engine_id text, p_starts jsonb, p_adopt_after_seconds numeric default 10, p_drift_alert_seconds numeric default 300
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_adopt_after constant interval := sync_scheduler.seconds(coalesce(p_adopt_after_seconds, 10));
  v_drift_alert_ms constant numeric := coalesce(p_drift_alert_seconds, 300) * 1000;
  v_start jsonb;
  v_one jsonb;
  v_started jsonb := '[]';
  v_skipped jsonb := '[]';
begin
  if jsonb_typeof(p_starts) is distinct from 'array' or jsonb_array_length(p_starts) > 100 then
    raise exception 'start_sync_runs: p_starts must be a JSON array of at most 100 starts' using errcode = '22023';
  elsif p_engine_id is null then
    raise exception 'start_sync_runs: p_engine_id is required' using errcode = '22023';
  end if;
  begin
    return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()))
      || sync_scheduler.start_runs(p_engine_id, p_starts, v_adopt_after, v_drift_alert_ms);
  exception
    when lock_not_available or deadlock_detected then
      raise;                                            -- nothing was started; the caller asks again, with the same tokens
    when others then
      -- One run cannot be started, and took the batch with it. Each by itself, then, so that it stays alone.
      for v_start in select s from jsonb_array_elements(p_starts) s order by s ->> 'run_id' loop
        begin
          v_one := sync_scheduler.start_runs(p_engine_id, jsonb_build_array(v_start), v_adopt_after, v_drift_alert_ms);
          v_started := v_started || (v_one -> 'started');
          v_skipped := v_skipped || (v_one -> 'skipped');
        exception
          when lock_not_available or deadlock_detected then
            raise;
          when others then
            v_skipped := v_skipped || jsonb_build_array(jsonb_build_object('run_id', v_start -> 'run_id', 'reason', 'rejected',
              'status', null, 'detail', sqlstate || ': ' || sqlerrm));
        end;
      end loop;
      return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'started', v_started, 'skipped', v_skipped);
  end;
end
$$;

-- Consecutive definite failures open the breaker; a success closes it. Five failures: 15 minutes, then doubling to a day.
-- While somebody else holds the integration's row, an outcome is recorded all the same, and only not counted.
create function sync_scheduler.count_outcome(r public.sync_run_log) returns void
  language plpgsql set search_path = '' as $$
declare
  v_failures integer;
  v_until timestamptz;
begin
  if r.status = 'completed' and not exists (
    select 1 from public.organization_integrations
     where id = r.integration_id and (consecutive_failures <> 0 or breaker_until is not null)
  ) then
    return;
  end if;
  begin
    if r.status = 'completed' then
      update public.organization_integrations set consecutive_failures = 0, breaker_until = null where id = r.integration_id;
      perform sync_scheduler.resolve_incident('breaker', r.integration_id::text);
    elsif r.status = 'failed' then
      update public.organization_integrations set consecutive_failures = coalesce(consecutive_failures, 0) + 1
       where id = r.integration_id returning consecutive_failures into v_failures;
      if v_failures >= 5 then
        v_until := sync_scheduler.clock()
          + least(interval '15 minutes' * power(2, least(v_failures - 5, 20)), interval '1 day');
        update public.organization_integrations set breaker_until = v_until where id = r.integration_id;
        perform sync_scheduler.raise_incident('breaker', r.integration_id::text, r.integration_id, r.id,
          jsonb_build_object('consecutive_failures', v_failures, 'until', sync_scheduler.iso(v_until),
            'error_code', r.error_code, 'error_message', r.error_message));
      end if;
    end if;
  exception when lock_not_available then
    perform sync_scheduler.record_event(r.id, r.integration_id, 'not_counted', r.status, r.status, r.attempt, 'database',
      'lock_timeout');
  end;
end
$$;

-- Where an outcome leads from here. Null: it is not accepted in this state.
create function sync_scheduler.next_status(r public.sync_run_log, p_outcome text) returns text
  language sql immutable return case
    when r.status not in ('pending', 'running', 'unknown') then null
    when r.status <> 'running' and p_outcome not in ('completed', 'failed') then null
    when p_outcome = 'completed' then 'completed'
    when p_outcome = 'failed' then case when r.ambiguous_before then 'unknown' else 'failed' end
    when p_outcome = 'accepted' then 'running'
    when p_outcome = 'unknown' then 'unknown'
    when p_outcome = 'not_executed' then case
      when r.began_at is not null then 'unknown'          -- it was refused, yet a function began: one of them is wrong
      when coalesce(r.attempt, 0) < coalesce(r.max_attempts, 3) then 'pending'
      when r.ambiguous_before then 'unknown'
      else 'failed' end
  end;

-- Records what came of a run's attempt.
-- p_result: {outcome: completed | failed | not_executed | unknown | accepted, http_status, error_code, error_message,
--            response, retry_in_ms, lease_seconds, cold_start, warm_up_ms}
create function sync_scheduler.settle_run(
  p_run_id uuid, p_lease_token uuid, p_result jsonb, p_actor text, p_quiescence interval
) returns jsonb language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_outcome constant text := p_result ->> 'outcome';
  v_good constant boolean := v_outcome in ('completed', 'accepted');
  v_error_code constant text := case when not v_good then sync_scheduler.clip(p_result ->> 'error_code', 'error_code', 200) end;
  v_error_message constant text := case when not v_good then sync_scheduler.clip(p_result ->> 'error_message', 'error_message') end;
  v_accepted_seconds constant integer := case when v_outcome = 'accepted'
    then ceil(coalesce((p_result ->> 'lease_seconds')::numeric, 1800)) end;
  v_lease_until timestamptz;
  v_repeated boolean;
  v_from text;
  v_to text;
  r public.sync_run_log;
begin
  select * into r from public.sync_run_log where id = p_run_id for update;
  if r.id is null then
    return jsonb_build_object('run_id', p_run_id, 'accepted', false, 'reason', 'not_found');
  elsif p_lease_token is null or r.lease_token is distinct from p_lease_token then
    return jsonb_build_object('run_id', p_run_id, 'accepted', false, 'reason', 'token_mismatch', 'status', r.status,
      'attempt', r.attempt);
  end if;
  v_from := r.status;
  v_to := sync_scheduler.next_status(r, v_outcome);
  v_lease_until := greatest(r.lease_until, r.attempt_started_at + make_interval(secs => v_accepted_seconds));
  if v_to is null
     or (v_to = v_from and v_to = 'unknown' and r.error_code is not distinct from v_error_code
         and r.error_message is not distinct from v_error_message)
     or (v_outcome = 'accepted' and r.lease_until = v_lease_until and r.lease_seconds >= v_accepted_seconds) then
    -- A repeat of what is recorded already is accepted; anything else came too late.
    v_repeated := v_to is not null or r.status = v_outcome
      or (v_outcome = 'not_executed' and r.status in ('pending', 'unknown', 'failed') and r.error_code is not distinct from v_error_code);
    return jsonb_build_object('run_id', r.id, 'status', r.status, 'attempt', r.attempt,
      'retry_at', sync_scheduler.iso(case when r.status = 'pending' then r.not_before end),
      'accepted', v_repeated, 'reason', case when not v_repeated then 'finished' end);
  end if;

  update public.sync_run_log set
    status = v_to,
    http_status = coalesce((p_result ->> 'http_status')::integer, http_status),
    error_code = v_error_code,
    error_message = v_error_message,
    response = coalesce(sync_scheduler.clip_json(p_result -> 'response'), response),
    cold_start = coalesce((p_result ->> 'cold_start')::boolean, cold_start),
    warm_up_ms = coalesce((p_result ->> 'warm_up_ms')::integer, warm_up_ms),
    lease_seconds = greatest(lease_seconds, v_accepted_seconds),
    lease_until = v_lease_until,
    claimed_by = case when v_to = 'pending' then null else claimed_by end,
    not_before = case v_to
      when 'pending' then v_now + make_interval(secs => coalesce((p_result ->> 'retry_in_ms')::numeric, 0) / 1000)
      when 'unknown' then sync_scheduler.last_sign_of_life(r) + p_quiescence end,
    ambiguous = case
      when v_to in ('failed', 'pending') then coalesce(ambiguous_before, false)
      when v_to = 'unknown' then true
      else ambiguous end,
    finished_at = case when v_to in ('completed', 'failed') then v_now end,
    duration_ms = case when v_to in ('completed', 'failed')
      then sync_scheduler.elapsed_ms(coalesce(attempt_started_at, started_at, created_at), v_now, pg_typeof(r.duration_ms)) end,
    released_at = case when v_to = 'unknown' then released_at end
  where id = r.id returning * into r;

  perform sync_scheduler.record_event(r.id, r.integration_id, 'settled', v_from, v_to, r.attempt, p_actor, v_outcome,
    jsonb_strip_nulls(jsonb_build_object('http_status', r.http_status, 'error_code', v_error_code,
      'error_message', v_error_message)));
  if v_outcome in ('completed', 'failed') and v_to <> 'unknown' then
    perform sync_scheduler.count_outcome(r);
  end if;
  if v_to = 'unknown' then
    perform sync_scheduler.raise_incident('unknown', r.id::text, r.integration_id, r.id,
      jsonb_build_object('scheduled_for', sync_scheduler.iso(r.scheduled_for), 'error_code', r.error_code,
        'error_message', r.error_message));
  elsif v_from = 'unknown' or (r.ambiguous and v_to = 'completed') then
    perform sync_scheduler.resolve_incident('unknown', r.id::text);
  end if;
  return jsonb_build_object('run_id', r.id, 'accepted', true, 'status', r.status, 'attempt', r.attempt,
    'duration_ms', r.duration_ms, 'retry_at', sync_scheduler.iso(case when r.status = 'pending' then r.not_before end));
end
$$;

-- What a function answered, as far as we keep it: at most 64 KiB. JSON null is nothing.
create function sync_scheduler.clip_json(p_json jsonb) returns jsonb
  language sql immutable return case
    when p_json = 'null' then null
    when octet_length(p_json::text) > 65536 then jsonb_build_object('truncated', true, 'bytes', octet_length(p_json::text))
    else p_json end;

-- Settles attempts, all or none. Returns [{run_id, accepted, status, attempt, retry_at, reason}].
create function sync_scheduler.settle_runs(p_engine_id text, p_settlements jsonb, p_quiescence interval) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_one jsonb;
  v_settled jsonb[] := '{}';
begin
  -- In one order everywhere, so that two batches cannot deadlock.
  for v_one in select s from jsonb_array_elements(p_settlements) s order by (s ->> 'run_id')::uuid loop
    if v_one ->> 'outcome' is null
       or v_one ->> 'outcome' not in ('completed', 'failed', 'not_executed', 'unknown', 'accepted') then
      raise exception 'settle_sync_runs: unknown outcome %', v_one ->> 'outcome' using errcode = '22023';
    end if;
    v_settled := v_settled || sync_scheduler.settle_run((v_one ->> 'run_id')::uuid, (v_one ->> 'lease_token')::uuid, v_one,
      p_engine_id, p_quiescence);
  end loop;
  return to_jsonb(v_settled);
end
$$;

-- Settles a batch of at most 100 attempts by token. p_settlements: [{run_id, lease_token, ...result}].
-- Returns {now, settled: [{run_id, accepted, status, attempt, retry_at, reason, detail?}]}.
create function public.settle_sync_runs(p_engine_id text, p_settlements jsonb, p_quiescence_seconds numeric default 430)
returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_quiescence constant interval := sync_scheduler.seconds(coalesce(p_quiescence_seconds, 430));
  v_one jsonb;
  v_settled jsonb := '[]';
begin
  if jsonb_typeof(p_settlements) is distinct from 'array' or jsonb_array_length(p_settlements) > 100 then
    raise exception 'settle_sync_runs: p_settlements must be a JSON array of at most 100 settlements' using errcode = '22023';
  end if;
  begin
    v_settled := sync_scheduler.settle_runs(p_engine_id, p_settlements, v_quiescence);
  exception
    when lock_not_available or deadlock_detected then
      raise;                                            -- nothing was settled; the caller asks again, with the same tokens
    when others then
      -- One cannot be settled, and took the batch with it. Each by itself, then, so that it stays alone.
      for v_one in select s from jsonb_array_elements(p_settlements) s order by s ->> 'run_id' loop
        begin
          v_settled := v_settled || sync_scheduler.settle_runs(p_engine_id, jsonb_build_array(v_one), v_quiescence);
        exception
          when lock_not_available or deadlock_detected then
            raise;
          when others then
            v_settled := v_settled || jsonb_build_array(jsonb_build_object('run_id', v_one -> 'run_id', 'accepted', false,
              'reason', 'rejected', 'detail', sqlstate || ': ' || sqlerrm));
        end;
      end loop;
  end;
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'settled', v_settled);
end
$$;

-- For the function, its first act: may I begin? Only a granted function may do anything.
create function public.begin_sync_run(p_run_id uuid, p_lease_token uuid, p_nonce uuid default null) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_reason text;
  r public.sync_run_log;
begin
  select * into r from public.sync_run_log where id = p_run_id for update;
  v_reason := case
    when r.id is null then 'not_found'
    when p_lease_token is null or r.lease_token is distinct from p_lease_token then 'token_mismatch'
    when r.status <> 'running' then 'not_running'
    when r.lease_until is null or r.lease_until <= v_now then 'lease_ended'
    when r.began_at is not null and (p_nonce is null or r.begin_nonce is distinct from p_nonce) then 'already_begun'
  end;
  if v_reason is not null then
    return jsonb_build_object('granted', false, 'reason', v_reason);
  end if;
  if r.began_at is null then
    update public.sync_run_log set began_at = v_now, begin_nonce = p_nonce, heartbeat_at = v_now,
      lease_until = greatest(lease_until, v_now + make_interval(secs => coalesce(lease_seconds, 0)))
    where id = r.id;
    perform sync_scheduler.record_event(r.id, r.integration_id, 'began', r.status, r.status, r.attempt, 'function');
  end if;
  return jsonb_build_object('granted', true);
end
$$;

-- For the function, while it works: still mine? Extends the lease; brings an unknown run back to running.
create function public.heartbeat_sync_run(p_run_id uuid, p_lease_token uuid) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_reason text;
  v_from text;
  r public.sync_run_log;
begin
  select * into r from public.sync_run_log where id = p_run_id for update;
  v_from := r.status;
  v_reason := case
    when r.id is null then 'not_found'
    when p_lease_token is null or r.lease_token is distinct from p_lease_token then 'token_mismatch'
    when r.status = 'unknown' and r.released_at is not null then 'released'
    when r.status not in ('running', 'unknown') then 'not_running'
  end;
  if v_reason is not null then
    return jsonb_build_object('accepted', false, 'reason', v_reason, 'status', r.status);
  end if;
  update public.sync_run_log set status = 'running', heartbeat_at = greatest(heartbeat_at, v_now), not_before = null,
    began_at = coalesce(began_at, v_now),
    lease_until = greatest(lease_until, v_now + make_interval(secs => coalesce(lease_seconds, 0)))
  where id = r.id returning * into r;
  if v_from = 'unknown' then
    perform sync_scheduler.record_event(r.id, r.integration_id, 'heartbeat', 'unknown', 'running', r.attempt, 'function');
    perform sync_scheduler.resolve_incident('unknown', r.id::text);
  end if;
  return jsonb_build_object('accepted', true, 'status', r.status, 'lease_until', sync_scheduler.iso(r.lease_until));
end
$$;

-- For the function, its last act: this is what came of it. p_status: completed | failed.
create function public.complete_sync_run(
  p_run_id uuid, p_lease_token uuid, p_status text, p_error jsonb default null, p_response jsonb default null
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
begin
  if p_status is null or p_status not in ('completed', 'failed') then
    raise exception 'complete_sync_run: p_status must be completed or failed, not %', p_status using errcode = '22023';
  end if;
  return sync_scheduler.settle_run(p_run_id, p_lease_token, jsonb_build_object(
    'outcome', p_status, 'response', p_response,
    'error_code', case when p_status = 'failed' then coalesce(p_error ->> 'code', 'FUNCTION_FAILED') end,
    'error_message', case when p_status = 'failed'
      then coalesce(p_error ->> 'message', nullif(p_error #>> '{}', ''), 'The function reported a failure.') end
  ), 'function', interval '430 seconds') - 'run_id';
end
$$;

revoke all on function
  public.start_sync_runs(text, jsonb, numeric, numeric),
  public.settle_sync_runs(text, jsonb, numeric),
  public.begin_sync_run(uuid, uuid, uuid),
  public.heartbeat_sync_run(uuid, uuid),
  public.complete_sync_run(uuid, uuid, text, jsonb, jsonb)
  from public, anon, authenticated;
grant execute on function
  public.start_sync_runs(text, jsonb, numeric, numeric),
  public.settle_sync_runs(text, jsonb, numeric),
  public.begin_sync_run(uuid, uuid, uuid),
  public.heartbeat_sync_run(uuid, uuid),
  public.complete_sync_run(uuid, uuid, text, jsonb, jsonb)
  to service_role;
