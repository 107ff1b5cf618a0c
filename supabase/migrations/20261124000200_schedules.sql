-- Private helpers, and what happens when an application edits a schedule.

create schema sync_scheduler;
revoke all on schema sync_scheduler from public;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler. Not an API: everything callable is in public.';

-- Expressions with a name. Their bodies are parsed here and now ("return"), so that no search_path can change what they
-- mean, and have no setting of their own, so that they are inlined where they are used.

-- The one clock of all decisions, in milliseconds. Slots, leases and due are compared with nothing else.
create function sync_scheduler.clock() returns timestamptz
  language sql stable return date_trunc('milliseconds', now());

-- An instant as every JSON answer of ours shows it: 2026-11-24T02:00:00.000Z.
create function sync_scheduler.iso(p_at timestamptz) returns text
  language sql stable return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

create function sync_scheduler.milliseconds(p_span interval) returns bigint
  language sql immutable return (extract(epoch from p_span) * 1000)::bigint;

create function sync_scheduler.seconds(p_seconds numeric) returns interval
  language sql immutable return make_interval(secs => p_seconds::double precision);

create function sync_scheduler.idempotency_key(p_integration_id uuid, p_slot timestamptz) returns text
  language sql stable return p_integration_id::text || ':' || sync_scheduler.iso(p_slot);

-- 64 bits and a separator: hashtext(org_id || integration_id) collides (32 bits, and 'org1'||'12' = 'org11'||'2').
create function sync_scheduler.lock_key(p_org_id uuid, p_integration_id uuid) returns bigint
  language sql immutable
  return hashtextextended(coalesce(p_org_id::text, '') || ':' || p_integration_id::text, 0);

-- A live run keeps the next one of its integration waiting. The same words as in the index sync_run_log_one_live.
create function sync_scheduler.is_live(p_status text, p_released_at timestamptz) returns boolean
  language sql immutable
  return p_status in ('pending', 'running') or (p_status = 'unknown' and p_released_at is null);

-- How many characters fit where we record texts: an adopted column may be short. Null: no limit but ours.
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

-- A text cut to p_bytes of UTF-8, between characters, and to the room of its column.
create function sync_scheduler.clip(p_text text, p_column text, p_bytes integer default 2048) returns text
  language plpgsql immutable set search_path = '' as $$
declare
  v_text text := left(p_text, least(p_bytes, sync_scheduler.room(p_column)));
begin
  while octet_length(v_text) > p_bytes loop
    v_text := left(v_text, greatest(length(v_text) - (octet_length(v_text) - p_bytes + 3) / 4, 0));
  end loop;
  return v_text;
end
$$;

-- Elapsed milliseconds, as far as they fit: an adopted column may be an integer, which ends after 24.8 days.
create function sync_scheduler.elapsed_ms(p_from timestamptz, p_to timestamptz, p_type regtype) returns bigint
  language sql immutable
  return least((extract(epoch from p_to - p_from) * 1000)::bigint,
               case when p_type = 'integer'::regtype then 2147483647 end);

-- Opens an incident, or counts one more occurrence of the open one.
create function sync_scheduler.raise_incident(
  p_kind text, p_subject text, p_integration_id uuid, p_run_id uuid, p_detail jsonb
) returns void language plpgsql set search_path = '' as $$
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
  language plpgsql set search_path = '' as $$
begin
  update public.sync_incident set resolved_at = sync_scheduler.clock()
   where kind = p_kind and subject = any (p_subjects) and resolved_at is null;
end
$$;

create function sync_scheduler.resolve_incident(p_kind text, p_subject text) returns void
  language plpgsql set search_path = '' as $$
begin
  update public.sync_incident set resolved_at = sync_scheduler.clock()
   where kind = p_kind and subject = p_subject and resolved_at is null;
end
$$;

create function sync_scheduler.record_event(
  p_run_id uuid, p_integration_id uuid, p_kind text, p_from text, p_to text, p_attempt bigint, p_actor text,
  p_reason text default null, p_detail jsonb default null
) returns void language plpgsql set search_path = '' as $$
begin
  insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
  values (p_run_id, p_integration_id, sync_scheduler.clock(), p_kind, p_from, p_to, p_attempt, p_actor, p_reason, p_detail);
end
$$;

-- What an edit, a pause, or a deletion passes over, on record: from the slot that was due to now. Where no next slot was
-- computed yet, whatever slots lie since p_since: none can when not even a minute (a second, in a schedule of six fields)
-- began since then. Returns whether anything was passed over.
create function sync_scheduler.record_passed_over(
  p_integration_id uuid, p_slot timestamptz, p_since timestamptz, p_schedule text, p_reason text, p_by text
) returns boolean language plpgsql set search_path = '' as $$
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

create function sync_scheduler.before_integration_change() returns trigger
  language plpgsql security definer set search_path = '' as $$
declare
  v_edited boolean;
  v_enabled boolean;
  v_disabled boolean;
  v_now timestamptz;
  v_slot timestamptz;
begin
  new.next_run_at := date_trunc('milliseconds', new.next_run_at);
  if tg_op = 'INSERT' then
    return new;
  end if;
  v_edited := new.sync_schedule is distinct from old.sync_schedule or new.timezone is distinct from old.timezone;
  v_enabled := coalesce(new.enabled, false) and not coalesce(old.enabled, false);
  v_disabled := coalesce(old.enabled, false) and not coalesce(new.enabled, false);
  if v_edited or v_enabled or v_disabled then
    -- Neither an edit nor enabling ever fires a past slot: what is due at that moment, or was never computed, is passed over.
    v_now := sync_scheduler.clock();
    v_slot := date_trunc('milliseconds', case when v_enabled then least(old.next_run_at, new.next_run_at) else old.next_run_at end);
    if sync_scheduler.record_passed_over(old.id, v_slot, case when old.schedule_error is null then old.schedule_since end,
         old.sync_schedule, case when v_edited and old.enabled then 'schedule_changed' else 'disabled' end,
         case when v_edited then 'edit' when v_enabled then 'enable' else 'disable' end)
       or v_slot is null then
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

-- Keeps sync_schedule_history: what was in force when.
create function sync_scheduler.after_integration_change() returns trigger
  language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  if tg_op <> 'INSERT' then
    update public.sync_schedule_history set "to" = greatest("from", v_now)
     where integration_id = old.id and "to" is null;
  end if;
  if tg_op = 'DELETE' and old.enabled then
    perform sync_scheduler.record_passed_over(old.id, old.next_run_at,
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

create trigger sync_scheduler_before_change before insert or update on public.organization_integrations
  for each row execute function sync_scheduler.before_integration_change();
create trigger sync_scheduler_after_insert_delete after insert or delete on public.organization_integrations
  for each row execute function sync_scheduler.after_integration_change();
create trigger sync_scheduler_after_edit after update on public.organization_integrations
  for each row when (old.sync_schedule is distinct from new.sync_schedule or old.timezone is distinct from new.timezone
                     or old.enabled is distinct from new.enabled)
  execute function sync_scheduler.after_integration_change();

-- Integrations that were there before us: their history starts when they did.
insert into public.sync_schedule_history (integration_id, schedule_version, schedule, timezone, enabled, "from")
select id, coalesce(schedule_version, 1), sync_schedule, coalesce(timezone, 'UTC'), coalesce(enabled, false),
       least(created_at, next_run_at, now())
  from public.organization_integrations;

-- Finished is finished: a completed run never changes; a failed or skipped one only by an operator's retry, which alone
-- raises max_attempts. Columns that a project added to the table are its own.
create function sync_scheduler.before_finished_run_change() returns trigger language plpgsql set search_path = '' as $$
begin
  if old.status <> 'completed' and new.status = 'pending' and new.max_attempts > coalesce(old.max_attempts, 0)
     and new.max_attempts > new.attempt and new.attempt is not distinct from old.attempt then
    return new;
  end if;
  if row(new.id, new.integration_id, new.org_id, new.integration_type, new.scheduled_for, new.idempotency_key, new.trigger,
         new.status, new.skip_reason, new.attempt, new.max_attempts, new.claimed_by, new.claim_token, new.lease_token,
         new.lease_seconds, new.lease_until, new.not_before, new.created_at, new.started_at, new.attempt_started_at,
         new.began_at, new.begin_nonce, new.heartbeat_at, new.finished_at, new.released_at, new.drift_ms, new.duration_ms,
         new.cold_start, new.warm_up_ms, new.http_status, new.error_code, new.error_message, new.response, new.fenced,
         new.ambiguous, new.ambiguous_before)
     is distinct from
     row(old.id, old.integration_id, old.org_id, old.integration_type, old.scheduled_for, old.idempotency_key, old.trigger,
         old.status, old.skip_reason, old.attempt, old.max_attempts, old.claimed_by, old.claim_token, old.lease_token,
         old.lease_seconds, old.lease_until, old.not_before, old.created_at, old.started_at, old.attempt_started_at,
         old.began_at, old.begin_nonce, old.heartbeat_at, old.finished_at, old.released_at, old.drift_ms, old.duration_ms,
         old.cold_start, old.warm_up_ms, old.http_status, old.error_code, old.error_message, old.response, old.fenced,
         old.ambiguous, old.ambiguous_before) then
    raise exception 'run % is %: finished runs never change', old.id, old.status
      using hint = case when old.status = 'completed' then 'A new run is made by public.trigger_sync_run(integration_id, who, why).'
                        else 'It is run again by public.retry_sync_run(run_id, who, why).' end;
  end if;
  return new;
end
$$;

create trigger sync_scheduler_before_finished_change before update on public.sync_run_log
  for each row when (old.status in ('completed', 'failed', 'skipped'))
  execute function sync_scheduler.before_finished_run_change();
