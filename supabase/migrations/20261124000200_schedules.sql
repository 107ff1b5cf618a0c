-- Private helpers, and what happens when an application edits a schedule.

create schema sync_scheduler;
revoke all on schema sync_scheduler from public;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler. Not an API: everything callable is in public.';

-- The one clock of all decisions, in milliseconds. Slots, leases and due are compared with nothing else.
create function sync_scheduler.clock() returns timestamptz
  language sql stable as $$ select date_trunc('milliseconds', now()) $$;

-- An instant as every JSON answer of ours shows it: 2026-11-24T02:00:00.000Z.
create function sync_scheduler.iso(p_at timestamptz) returns text
  language sql stable as $$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

create function sync_scheduler.milliseconds(p_span interval) returns bigint
  language sql immutable as $$ select (extract(epoch from p_span) * 1000)::bigint $$;

create function sync_scheduler.idempotency_key(p_integration_id uuid, p_slot timestamptz) returns text
  language sql stable as $$ select p_integration_id::text || ':' || sync_scheduler.iso(p_slot) $$;

-- 64 bits and a separator: hashtext(org_id || integration_id) collides (32 bits, and 'org1'||'12' = 'org11'||'2').
create function sync_scheduler.lock_key(p_org_id uuid, p_integration_id uuid) returns bigint
  language sql immutable as $$ select hashtextextended(p_org_id::text || ':' || p_integration_id::text, 0) $$;

-- Opens an incident, or counts one more occurrence of the open one.
create function sync_scheduler.raise_incident(
  p_kind text, p_subject text, p_integration_id uuid, p_run_id uuid, p_detail jsonb
) returns void language sql as $$
  insert into public.sync_incident as i (kind, subject, integration_id, run_id, detail, opened_at, last_seen_at)
  values (p_kind, p_subject, p_integration_id, p_run_id, coalesce(p_detail, '{}'), sync_scheduler.clock(), sync_scheduler.clock())
  on conflict (kind, subject) where resolved_at is null
  do update set last_seen_at = excluded.last_seen_at, occurrences = i.occurrences + 1, detail = excluded.detail,
                run_id = coalesce(excluded.run_id, i.run_id)
$$;

create function sync_scheduler.resolve_incident(p_kind text, p_subject text) returns void language sql as $$
  update public.sync_incident set resolved_at = sync_scheduler.clock()
   where kind = p_kind and subject = p_subject and resolved_at is null
$$;

create function sync_scheduler.record_event(
  p_run_id uuid, p_integration_id uuid, p_kind text, p_from text, p_to text, p_attempt integer, p_actor text,
  p_reason text default null, p_detail jsonb default null
) returns void language sql as $$
  insert into public.sync_run_event (run_id, integration_id, at, kind, from_status, to_status, attempt, actor, reason, detail)
  values (p_run_id, p_integration_id, sync_scheduler.clock(), p_kind, p_from, p_to, p_attempt, p_actor, p_reason, p_detail)
$$;

-- A slot that was due when its schedule was edited or its integration disabled is passed over, on record.
create function sync_scheduler.record_passed_over(p_integration_id uuid, p_slot timestamptz, p_reason text, p_by text)
returns void language sql as $$
  insert into public.sync_skipped_range (integration_id, "from", "to", count, reason, recorded_at, recorded_by)
  select p_integration_id, p_slot, sync_scheduler.clock(), 1, p_reason, sync_scheduler.clock(), p_by
   where p_slot <= sync_scheduler.clock()
$$;

create function sync_scheduler.before_integration_change() returns trigger
  language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_edited boolean;
begin
  new.next_run_at := date_trunc('milliseconds', new.next_run_at);
  if tg_op = 'INSERT' then
    return new;
  end if;
  v_edited := new.sync_schedule is distinct from old.sync_schedule or new.timezone is distinct from old.timezone;
  if v_edited then
    -- An edit takes effect at the next tick and never fires a past slot: what was due is passed over.
    if old.schedule_error is null and old.next_run_at <= v_now then
      perform sync_scheduler.record_passed_over(old.id, old.next_run_at,
        case when old.enabled then 'schedule_changed' else 'disabled' end, 'edit');
    end if;
    new.schedule_version := coalesce(old.schedule_version, 0) + 1;
    new.schedule_since := v_now;
    new.next_run_at := null;
    new.schedule_error := null;
    perform sync_scheduler.resolve_incident('schedule_error', old.id::text);
  end if;
  if new.enabled and not coalesce(old.enabled, false) then
    -- Enabling never fires a past slot either: the schedule is in force from now.
    if not v_edited and old.schedule_error is null and new.next_run_at <= v_now then
      perform sync_scheduler.record_passed_over(old.id, new.next_run_at, 'disabled', 'enable');
    end if;
    if new.next_run_at is null or new.next_run_at <= v_now then
      new.next_run_at := null;
      new.schedule_since := v_now;
    end if;
  end if;
  return new;
end
$$;

-- Keeps sync_schedule_history: what was in force when.
create function sync_scheduler.after_integration_change() returns trigger
  language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  if tg_op <> 'INSERT' then
    update public.sync_schedule_history set "to" = greatest("from", v_now)
     where integration_id = old.id and "to" is null;
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

-- Finished is finished: a completed run never changes, a failed or skipped one only by an operator's retry.
create function sync_scheduler.before_run_change() returns trigger language plpgsql set search_path = '' as $$
begin
  if old.status = 'completed' and
     row(new.id, new.integration_id, new.org_id, new.scheduled_for, new.idempotency_key, new.trigger, new.status, new.attempt,
         new.lease_token, new.created_at, new.started_at, new.began_at, new.finished_at, new.http_status, new.error_code,
         new.response, new.ambiguous)
     is distinct from
     row(old.id, old.integration_id, old.org_id, old.scheduled_for, old.idempotency_key, old.trigger, old.status, old.attempt,
         old.lease_token, old.created_at, old.started_at, old.began_at, old.finished_at, old.http_status, old.error_code,
         old.response, old.ambiguous) then
    raise exception 'run % is completed: completed runs never change', old.id;
  end if;
  if old.status in ('failed', 'skipped') and new.status is distinct from old.status
     and not (new.status = 'pending' and new.max_attempts > new.attempt) then
    raise exception 'run % is %: only a retry by an operator leaves that state', old.id, old.status
      using hint = 'select public.retry_sync_run(run_id, who, why)';
  end if;
  return new;
end
$$;

create trigger sync_scheduler_before_change before update on public.sync_run_log
  for each row execute function sync_scheduler.before_run_change();
