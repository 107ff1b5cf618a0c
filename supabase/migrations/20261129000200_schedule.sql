-- Shared helpers, and the triggers that run when an application edits a schedule.

-- Functions with a dollar-quoted body set search_path = pg_catalog, pg_temp. With an empty search_path, PostgreSQL looks up
-- types in pg_temp first: a caller's domain named timestamptz would run code with the privileges of the function's owner.
-- Functions with a single "return" expression have no settings, so that the planner can inline them.
-- PostgreSQL resolves the names in such an expression when it creates the function.

-- Returns the current time, truncated to milliseconds. Slots, leases and due times are compared only with this clock.
create function sync_scheduler.clock() returns timestamptz
  language sql stable return date_trunc('milliseconds', now());

-- Formats an instant like 2026-11-24T02:00:00.000Z.
create function sync_scheduler.iso(p_at timestamptz) returns text
  language sql stable return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Converts an instant to milliseconds since 1970, clamped to the range in which schedules can be computed.
create function sync_scheduler.epoch_ms(p_at timestamptz) returns bigint
  language sql stable return case when p_at is not null then
    floor(extract(epoch from least(greatest(p_at, '1900-01-01 00:00:00Z'::timestamptz), '9000-01-01 00:00:00Z'::timestamptz)) * 1000)::bigint end;

create function sync_scheduler.milliseconds(p_span interval) returns bigint
  language sql immutable return (extract(epoch from p_span) * 1000)::bigint;

create function sync_scheduler.seconds(p_seconds numeric) returns interval
  language sql immutable return make_interval(secs => p_seconds::double precision);

create function sync_scheduler.idempotency_key(p_integration_id uuid, p_slot timestamptz) returns text
  language sql stable return p_integration_id::text || ':' || sync_scheduler.iso(p_slot);

-- Returns the key for an integration's advisory lock. A key such as hashtext(org_id || integration_id) would collide:
-- hashtext returns 32 bits, and 'org1' || '12' equals 'org11' || '2'.
create function sync_scheduler.lock_key(p_org_id uuid, p_integration_id uuid) returns bigint
  language sql immutable
  return hashtextextended(coalesce(p_org_id::text, '') || ':' || p_integration_id::text, 0);

-- Returns whether a run blocks its integration's next run. The index sync_run_log_one_live has the same condition.
create function sync_scheduler.is_live(p_status text, p_released_at timestamptz) returns boolean
  language sql immutable
  return p_status in ('pending', 'running') or (p_status = 'unknown' and p_released_at is null);

-- Returns the start of the retention period. prune_sync_history deletes older runs.
create function sync_scheduler.kept_from() returns timestamptz
  language sql stable return sync_scheduler.clock() - interval '400 days';

create function sync_scheduler.ticks_kept_from() returns timestamptz
  language sql stable return sync_scheduler.clock() - interval '30 days';

-- Creates a function that returns a text column's maximum length in characters. Only columns of adopted tables have a limit.
do $room$
declare
  v_cases text;
begin
  select string_agg(format('when %L then %s', a.attname, a.atttypmod - 4), ' ') into v_cases
    from pg_attribute a
   where a.attrelid in ('public.sync_run_log'::regclass, 'public.organization_integrations'::regclass)
     and a.attname in ('error_code', 'error_message', 'schedule_error', 'paused_reason')
     and a.atttypid = 'character varying'::regtype and a.atttypmod > 0;
  execute format($function$
    create function sync_scheduler.room(p_column text) returns integer
      language sql immutable return %s$function$, coalesce('case p_column ' || v_cases || ' end', 'null::integer'));
end
$room$;

-- Truncates text to at most p_bytes of UTF-8 and to the maximum length of the column p_column.
create function sync_scheduler.clip(p_text text, p_column text, p_bytes integer default 2048) returns text
  language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  v_text text := left(p_text, least(p_bytes, sync_scheduler.room(p_column)));
begin
  while octet_length(v_text) > p_bytes loop
    v_text := left(v_text, greatest(length(v_text) - (octet_length(v_text) - p_bytes + 3) / 4, 0));
  end loop;
  return v_text;
end
$$;

-- Replaces a response larger than 64 KiB with its size, and JSON null with SQL null.
create function sync_scheduler.clip_json(p_json jsonb) returns jsonb
  language sql stable return case
    when p_json = 'null' then null
    when octet_length(p_json::text) > 65536 then jsonb_build_object('truncated', true, 'bytes', octet_length(p_json::text))
    else p_json end;

-- Returns the milliseconds from p_from to p_to, capped to the range of p_type.
-- An adopted column may have the type integer.
create function sync_scheduler.elapsed_ms(p_from timestamptz, p_to timestamptz, p_type regtype) returns bigint
  language sql immutable
  return least((extract(epoch from p_to - p_from) * 1000)::bigint,
               case when p_type = 'integer'::regtype then 2147483647 end);

-- PostgREST before version 16 endlessly retries a call that fails with SQLSTATE 40001, thousands of times a second.
-- In a READ COMMITTED transaction, only a project's own trigger can raise 40001. Every function that may write
-- therefore replaces 40001 with 40P01 (deadlock_detected). Both codes mean that nothing was done and the caller may retry.

-- Returns whether the row being processed caused the error (bad data, a constraint, an exception in a project's trigger).
-- After any other error, such as a full or read-only database, the whole call must fail.
create function sync_scheduler.is_row_fault(p_sqlstate text) returns boolean
  language sql immutable return left(p_sqlstate, 2) in ('22', '23') or p_sqlstate = 'P0001';

-- Returns whether the error might affect only the row being processed. Examples are row faults and missing privileges.
-- Callers report the row and leave it unchanged, so that the tick continues.
create function sync_scheduler.may_be_row_fault(p_sqlstate text) returns boolean
  language sql immutable return left(p_sqlstate, 2) not in ('08', '25', '40', '53', '54', '55', '57', '58', 'F0', 'XX');

-- Returns whether rows must be checked with row_fault. Only an adopted table can lack the constraints that rule out faults.
create function sync_scheduler.has_unchecked_rows() returns boolean
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select count(*) from pg_constraint c where c.conrelid = 'public.organization_integrations'::regclass and c.convalidated
       and c.conname in ('organization_integrations_bounds', 'organization_integrations_catch_up_check')) < 2
  or exists (
    select 1 from pg_attribute a where a.attrelid = 'public.organization_integrations'::regclass
       and a.attname in ('org_id', 'integration_type') and not a.attnotnull);
end
$$;

create function sync_scheduler.too_long(p_column text, p_bytes integer, p_most integer) returns text
  language sql immutable return format('%s has %s bytes; at most %s are allowed', p_column, p_bytes, p_most);

-- Returns what prevents an integration from running: a column that is null, too large or out of range. Null: no fault.
-- Does not check the schedule.
create function sync_scheduler.row_fault(i public.organization_integrations) returns text language sql stable return case
    when i.enabled is null then 'enabled is null: set it to true or false'
    when i.org_id is null then 'org_id is null: set it to the id of the organisation'
    when i.integration_type is null then 'integration_type is null: set it, for example to xledger'
    when octet_length(i.sync_schedule) > 1000 then sync_scheduler.too_long('sync_schedule', octet_length(i.sync_schedule), 1000)
    when octet_length(i.timezone) > 100 then sync_scheduler.too_long('timezone', octet_length(i.timezone), 100)
    when octet_length(i.integration_type) > 200 then sync_scheduler.too_long('integration_type', octet_length(i.integration_type), 200)
    when octet_length(i.function_name) > 200 then sync_scheduler.too_long('function_name', octet_length(i.function_name), 200)
    when octet_length(i.health_url) > 2000 then sync_scheduler.too_long('health_url', octet_length(i.health_url), 2000)
    -- Compression shrinks a value by at most a factor of a few hundred, so only values that are large on disk need to be read.
    when pg_column_size(i.config) > 1000 and octet_length(i.config::text) > 262144
      then sync_scheduler.too_long('config', octet_length(i.config::text), 262144)
    when i.next_run_at not between '1900-01-01Z' and '9000-01-01Z'
      then 'next_run_at is not between the years 1900 and 9000: set it to null, and the next tick computes it'
    when i.schedule_since not between '1900-01-01Z' and '9000-01-01Z' then 'schedule_since is not between the years 1900 and 9000'
    when i.catch_up not in ('latest', 'all', 'skip') then 'catch_up must be latest, all or skip'
    when i.catch_up_window > interval '10 years' then 'catch_up_window is longer than ten years'
  end;

create function sync_scheduler.raise_incident(
  p_kind text, p_subject text, p_integration_id uuid, p_run_id uuid, p_detail jsonb
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  insert into public.sync_incident as i (kind, subject, integration_id, run_id, detail, opened_at, last_seen_at)
  values (p_kind, p_subject, p_integration_id, p_run_id, coalesce(p_detail, '{}'), v_now, v_now)
  on conflict (kind, subject) where resolved_at is null
  do update set last_seen_at = excluded.last_seen_at, occurrences = i.occurrences + 1, detail = excluded.detail,
                run_id = coalesce(excluded.run_id, i.run_id);
end
$$;

create function sync_scheduler.resolve_incidents(p_kind text, p_subjects text[]) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update public.sync_incident set resolved_at = sync_scheduler.clock()
   where kind = p_kind and subject = any (p_subjects) and resolved_at is null;
end
$$;

create function sync_scheduler.resolve_incident(p_kind text, p_subject text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update public.sync_incident set resolved_at = sync_scheduler.clock()
   where kind = p_kind and subject = p_subject and resolved_at is null;
end
$$;

create function sync_scheduler.record_event(
  p_run_id uuid, p_integration_id uuid, p_kind text, p_from text, p_to text, p_attempt bigint, p_actor text,
  p_reason text default null, p_detail jsonb default null
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
  values (p_run_id, p_integration_id, sync_scheduler.clock(), p_kind, p_from, p_to, p_attempt, p_actor, p_reason, p_detail);
end
$$;

-- Records the slots skipped by an edit, a pause or a deletion. The range ends now. It starts at p_slot,
-- or at p_since if p_slot is null. Without p_slot, a range is recorded only if a new minute has begun since p_since.
-- If the schedule has a seconds field, a new second is enough. Returns whether a range was recorded.
create function sync_scheduler.record_skipped_range(
  p_integration_id uuid, p_slot timestamptz, p_since timestamptz, p_schedule text, p_reason text, p_by text
) returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_unit constant text :=
    case when array_length(regexp_split_to_array(btrim(p_schedule), '\s+'), 1) >= 6 then 'second' else 'minute' end;
begin
  if p_slot > v_now or (p_slot is null and (p_schedule is null or p_since is null or p_since >= date_trunc(v_unit, v_now))) then
    return false;
  end if;
  insert into public.sync_skipped_range (integration_id, "from", "to", count, reason, recorded_at, recorded_by)
  values (p_integration_id, coalesce(p_slot, p_since), v_now, case when p_slot is null then 0 else 1 end, p_reason, v_now, p_by);
  return true;
end
$$;

-- Keeps next_run_at, schedule_version and schedule_since consistent when an integration is edited.
-- The version increases whenever this trigger sets schedule_since,
-- so that a tick with an older version cannot claim slots recorded as skipped.
create function sync_scheduler.before_integration_change() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_edited boolean;
  v_enabled boolean;
  v_disabled boolean;
  v_now timestamptz;
  v_slot timestamptz;
begin
  v_edited := new.sync_schedule is distinct from old.sync_schedule or new.timezone is distinct from old.timezone;
  v_enabled := coalesce(new.enabled, false) and not coalesce(old.enabled, false);
  v_disabled := coalesce(old.enabled, false) and not coalesce(new.enabled, false);
  if v_edited or v_enabled or v_disabled then
    -- Editing or enabling an integration skips all past slots, even those that were never computed.
    v_now := sync_scheduler.clock();
    v_slot := date_trunc('milliseconds', case when v_enabled then least(old.next_run_at, new.next_run_at) else old.next_run_at end);
    if sync_scheduler.record_skipped_range(old.id, v_slot, case when old.schedule_error is null then old.schedule_since end,
         old.sync_schedule, case when v_edited and old.enabled then 'schedule_changed' else 'disabled' end,
         case when v_edited then 'edit' when v_enabled then 'enable' else 'disable' end)
       or v_slot is null then
      new.schedule_version := coalesce(old.schedule_version, 1) + 1;
      new.schedule_since := v_now;
      if new.next_run_at is not distinct from old.next_run_at or new.next_run_at <= v_now then
        new.next_run_at := null;
      end if;
    end if;
  end if;
  if v_edited then
    new.schedule_version := coalesce(old.schedule_version, 1) + 1;
    new.schedule_since := v_now;
    new.next_run_at := null;
    new.schedule_error := null;
    perform sync_scheduler.resolve_incident('schedule_error', old.id::text);
  end if;
  if new.updated_at is not distinct from old.updated_at
     and (v_edited or v_enabled or v_disabled
          or row(new.org_id, new.integration_type, new.catch_up, new.catch_up_window, new.max_attempts, new.invoke_timeout,
                 new.function_name, new.on_unknown, new.fenced, new.warm_up, new.health_url, new.health_method, new.config)
          is distinct from
             row(old.org_id, old.integration_type, old.catch_up, old.catch_up_window, old.max_attempts, old.invoke_timeout,
                 old.function_name, old.on_unknown, old.fenced, old.warm_up, old.health_url, old.health_method, old.config)) then
    new.updated_at := sync_scheduler.clock();
  end if;
  return new;
end
$$;

-- Truncates next_run_at to milliseconds. Treats -infinity as a request to compute the next slot; keeps a slot that is already due.
create function sync_scheduler.before_slot_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.next_run_at <> '-infinity' then
    new.next_run_at := date_trunc('milliseconds', new.next_run_at);
    return new;
  end if;
  new.next_run_at := null;
  if tg_op = 'UPDATE' and old.next_run_at <= sync_scheduler.clock() then
    new.next_run_at := old.next_run_at;
  elsif tg_op = 'UPDATE' and old.next_run_at is not null then
    new.schedule_since := sync_scheduler.clock();
  end if;
  return new;
end
$$;

create function sync_scheduler.after_integration_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  if tg_op <> 'INSERT' then
    update public.sync_schedule_history set "to" = greatest("from", v_now)
     where integration_id = old.id and "to" is null;
  end if;
  if tg_op = 'DELETE' and old.enabled then
    perform sync_scheduler.record_skipped_range(old.id, old.next_run_at,
      case when old.schedule_error is null then old.schedule_since end, old.sync_schedule, 'gone', 'delete');
  end if;
  if tg_op <> 'DELETE' then
    insert into public.sync_schedule_history (integration_id, schedule_version, schedule, timezone, enabled, "from")
    values (new.id, coalesce(new.schedule_version, 1), new.sync_schedule, coalesce(new.timezone, 'UTC'),
            coalesce(new.enabled, false),
            case when tg_op = 'INSERT' then least(coalesce(new.created_at, v_now), new.next_run_at, v_now) else v_now end);
  end if;
  return null;
end
$$;

-- The names order the triggers. The trigger for edits does not fire for a fetch or a claim, which change fetch_token. An edit can
-- also change fetch_token if an application writes back a whole row. A project cannot alter the type of a column that a condition
-- names, so the condition names only three of the columns that can be edited.
create trigger sync_scheduler_before_a_slot before insert or update on public.organization_integrations
  for each row when (new.next_run_at = '-infinity' or new.next_run_at <> date_trunc('milliseconds', new.next_run_at))
  execute function sync_scheduler.before_slot_change();
create trigger sync_scheduler_before_change before update on public.organization_integrations
  for each row when (
    new.fetch_token is not distinct from old.fetch_token
    or row(new.sync_schedule, new.timezone, new.enabled) is distinct from row(old.sync_schedule, old.timezone, old.enabled))
  execute function sync_scheduler.before_integration_change();
create trigger sync_scheduler_after_insert_delete after insert or delete on public.organization_integrations
  for each row execute function sync_scheduler.after_integration_change();
create trigger sync_scheduler_after_edit after update on public.organization_integrations
  for each row when (old.sync_schedule is distinct from new.sync_schedule or old.timezone is distinct from new.timezone
                     or old.enabled is distinct from new.enabled)
  execute function sync_scheduler.after_integration_change();

-- Creates the schedule history of adopted integrations. The history starts when the integration was created.
insert into public.sync_schedule_history (integration_id, schedule_version, schedule, timezone, enabled, "from", since, first_slot)
select i.id, coalesce(i.schedule_version, 1), i.sync_schedule, coalesce(i.timezone, 'UTC'), coalesce(i.enabled, false), b.began_at,
       i.schedule_since,
       least(i.next_run_at, (select min(l.scheduled_for) from public.sync_run_log l
                              where l.integration_id = i.id and l.scheduled_for > b.began_at and l.trigger is distinct from 'manual'))
  from public.organization_integrations i
 cross join lateral (select least(i.created_at, i.next_run_at, now()) as began_at) b;

create function sync_scheduler.before_history() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  select i.next_run_at, i.schedule_since into new.first_slot, new.since
    from public.organization_integrations i where i.id = new.integration_id;
  return new;
end
$$;
create trigger sync_scheduler_before_history before insert on public.sync_schedule_history
  for each row execute function sync_scheduler.before_history();

-- Rejects changes to finished runs, except to columns that the project has added. Only an operator's retry,
-- recognised by an increased max_attempts, may change a failed or skipped run.
create function sync_scheduler.before_finished_run_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if old.status <> 'completed' and new.status = 'pending' and new.max_attempts > coalesce(old.max_attempts, 0)
     and new.max_attempts > new.attempt and new.attempt is not distinct from old.attempt then
    return new;
  end if;
  if row(new.id, new.integration_id, new.org_id, new.integration_type, new.scheduled_for, new.idempotency_key, new.trigger,
         new.status, new.skip_reason, new.attempt, new.max_attempts, new.claimed_by, new.claimed_at, new.claim_token, new.lease_token,
         new.lease_seconds, new.lease_until, new.not_before, new.created_at, new.started_at, new.attempt_started_at,
         new.began_at, new.begin_nonce, new.heartbeat_at, new.finished_at, new.released_at, new.drift_ms, new.duration_ms,
         new.cold_start, new.warm_up_ms, new.http_status, new.error_code, new.error_message, new.response, new.fenced,
         new.ambiguous, new.ambiguous_before, new.api_provider, new.api_host, new.delay_reason)
     is distinct from
     row(old.id, old.integration_id, old.org_id, old.integration_type, old.scheduled_for, old.idempotency_key, old.trigger,
         old.status, old.skip_reason, old.attempt, old.max_attempts, old.claimed_by, old.claimed_at, old.claim_token, old.lease_token,
         old.lease_seconds, old.lease_until, old.not_before, old.created_at, old.started_at, old.attempt_started_at,
         old.began_at, old.begin_nonce, old.heartbeat_at, old.finished_at, old.released_at, old.drift_ms, old.duration_ms,
         old.cold_start, old.warm_up_ms, old.http_status, old.error_code, old.error_message, old.response, old.fenced,
         old.ambiguous, old.ambiguous_before, old.api_provider, old.api_host, old.delay_reason) then
    raise exception 'run % is %: finished runs never change', old.id, old.status
      using hint = case when old.status = 'completed' then 'To start a new run, call public.trigger_sync_run(integration_id, who, why).'
                        else 'To retry the run, call public.retry_sync_run(run_id, who, why).' end;
  end if;
  return new;
end
$$;

create trigger sync_scheduler_before_finished_change before update on public.sync_run_log
  for each row when (old.status in ('completed', 'failed', 'skipped'))
  execute function sync_scheduler.before_finished_run_change();

-- Ensures that changes to the run log are on disk before an engine acts on them. With synchronous_commit = off,
-- a server crash could lose recent starts, and those runs could take effect twice.
-- PostgreSQL reads the setting at commit time, so a SET clause on the function would have no effect.
create function sync_scheduler.commit_to_disk() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('synchronous_commit', 'on', true);
  return null;
end
$$;

create trigger sync_scheduler_before_write before insert or update on public.sync_run_log
  for each statement when (current_setting('synchronous_commit') = 'off')
  execute function sync_scheduler.commit_to_disk();

-- Returns an integration's schedule history between p_from and p_to, oldest first. Domain/History computes slots from it.
create function sync_scheduler.history_json(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer)
returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'from', sync_scheduler.epoch_ms(h."from"), 'to', sync_scheduler.epoch_ms(h."to"),
           'first_slot', sync_scheduler.epoch_ms(h.first_slot), 'since', sync_scheduler.epoch_ms(h.since),
           'schedule', h.schedule, 'timezone', h.timezone, 'enabled', h.enabled, 'version', h.schedule_version)
         order by h."from", h.id), '[]')
    from (select * from public.sync_schedule_history s
           where s.integration_id = p_integration_id and s."from" < p_to and (s."to" is null or s."to" >= p_from)
           order by s."from", s.id limit p_limit) h
$$;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000200.';
notify pgrst, 'reload schema';
