-- The proof that no slot is missing, and requests to run past slots. Both recompute schedules from their history.

-- An instant as a number of milliseconds since 1970, which is what long lists of instants travel as. Infinity is moved to
-- the edge of what a schedule can be computed for.
create function sync_scheduler.epoch_ms(p_at timestamptz) returns bigint
  language sql stable return case when p_at is not null then
    floor(extract(epoch from least(greatest(p_at, '1900-01-01 00:00:00Z'::timestamptz), '9000-01-01 00:00:00Z'::timestamptz)) * 1000)::bigint end;

-- How far back every run is still on record: retention deletes what is older (prune_sync_history).
create function sync_scheduler.kept_from() returns timestamptz
  language sql stable return sync_scheduler.clock() - interval '400 days';

-- Where the slots of a segment of history begin: with first_slot, on the cron's grid or not, when a next slot was known at
-- that moment; else with the first one after since.
alter table public.sync_schedule_history add column first_slot timestamptz, add column since timestamptz;

-- As far as it can still be told of segments that are in force: what is on record began with the oldest of it.
update public.sync_schedule_history h set since = i.schedule_since, first_slot = least(
    i.next_run_at,
    (select min(l.scheduled_for) from public.sync_run_log l
      where l.integration_id = h.integration_id and l.scheduled_for > h."from" and l.trigger is distinct from 'manual'),
    (select min(r."from") from public.sync_skipped_range r
      where r.integration_id = h.integration_id and r."from" > h."from"))
  from public.organization_integrations i where i.id = h.integration_id and h."to" is null;

create function sync_scheduler.before_history() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  select i.next_run_at, i.schedule_since into new.first_slot, new.since
    from public.organization_integrations i where i.id = new.integration_id;
  return new;
end
$$;
create trigger sync_scheduler_before_history before insert on public.sync_schedule_history
  for each row execute function sync_scheduler.before_history();

-- -infinity is no slot: it means "compute it". A slot that is due at that moment stays, so that it is not lost.
create function sync_scheduler.before_endless_slot() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  new.next_run_at := null;
  if tg_op = 'UPDATE' and old.next_run_at <= sync_scheduler.clock() then
    new.next_run_at := old.next_run_at;
  elsif tg_op = 'UPDATE' and old.next_run_at is not null then
    new.schedule_since := sync_scheduler.clock();
  end if;
  return new;
end
$$;
create trigger sync_scheduler_before_a_change before insert or update on public.organization_integrations
  for each row when (new.next_run_at = '-infinity') execute function sync_scheduler.before_endless_slot();

-- The history of one integration between two instants, oldest first: what Domain/History computes slots from.
create function sync_scheduler.history_json(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer)
returns jsonb language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'from', sync_scheduler.epoch_ms(h."from"), 'to', sync_scheduler.epoch_ms(h."to"),
           'first_slot', sync_scheduler.epoch_ms(h.first_slot), 'since', sync_scheduler.epoch_ms(h.since),
           'schedule', h.schedule, 'timezone', h.timezone, 'enabled', h.enabled, 'version', h.schedule_version)
         order by h."from", h.id), '[]')
    from (select * from public.sync_schedule_history s
           where s.integration_id = p_integration_id and s."from" < p_to and (s."to" is null or s."to" >= p_from)
           order by s."from", s.id limit p_limit) h
$$;

-- What one integration has on record for the slots in [p_from, p_to): {slots that have a row, ranges passed over}, together at
-- most p_limit; then "to" says how far they go. Ranges that touch are one.
create function sync_scheduler.record_json(p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_limit integer)
returns jsonb language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_to timestamptz := p_to;
  v_slots timestamptz[];
  v_ranges tstzrange[];
begin
  v_slots := array(select l.scheduled_for from public.sync_run_log l
                    where l.integration_id = p_integration_id and l.scheduled_for >= p_from and l.scheduled_for < p_to
                    order by l.scheduled_for limit p_limit + 1);
  if cardinality(v_slots) > p_limit then
    v_to := greatest(date_trunc('milliseconds', v_slots[p_limit + 1]), p_from + interval '1 millisecond');
  end if;
  v_ranges := array(
    select m.span from unnest((
        select range_agg(tstzrange(greatest(r."from", p_from), least(r."to", v_to), '[]'))
          from public.sync_skipped_range r
         where r.integration_id = p_integration_id and r."from" < v_to and r."to" >= p_from)) as m(span)
     order by lower(m.span) limit p_limit + 1);
  if cardinality(v_ranges) > p_limit then
    v_to := greatest(date_trunc('milliseconds', lower(v_ranges[p_limit + 1])), p_from + interval '1 millisecond');
  end if;
  return jsonb_build_object('from', sync_scheduler.epoch_ms(p_from), 'to', sync_scheduler.epoch_ms(v_to),
    'slots', coalesce((select jsonb_agg(sync_scheduler.epoch_ms(s.at)) from unnest(v_slots) s(at) where s.at < v_to), '[]'),
    'ranges', coalesce((select jsonb_agg(jsonb_build_array(sync_scheduler.epoch_ms(lower(g.span)), sync_scheduler.epoch_ms(upper(g.span))))
                          from unnest(v_ranges) g(span) where lower(g.span) < v_to), '[]'));
end
$$;

-- A page of what an audit of [p_from, p_to) needs: every integration that history knows, deleted ones too, with its history, the
-- slots that have a row, the ranges passed over, and where it stands. A page holds some p_limit slots and ranges; an
-- integration with more goes on in the next page. One snapshot per page. The cursor is opaque.
-- Returns {now, kept_from, from, to, integrations: [{integration_id, org_id, integration_type, deleted, next_run_at,
--          schedule_since, from, to, history, slots, ranges}], cursor}; instants inside integrations are epoch milliseconds.
create function public.read_sync_audit(
  p_from timestamptz, p_to timestamptz default null, p_cursor text default null, p_limit integer default 20000,
  p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_from constant timestamptz := greatest(date_trunc('milliseconds', p_from), sync_scheduler.kept_from());
  v_to constant timestamptz := least(date_trunc('milliseconds', p_to), v_now + interval '1 millisecond');
  v_limit constant integer := least(greatest(coalesce(p_limit, 20000), 1), 100000);
  v_integrations constant integer := 500;
  v_last_id constant uuid := split_part(p_cursor, '|', 1)::uuid;
  v_resume_at constant timestamptz := nullif(split_part(p_cursor, '|', 2), '')::timestamptz;
  v_room integer := v_limit;
  v_seen integer := 0;
  v_page jsonb[] := '{}';
  v_cursor text;
  v_record jsonb;
  v_start timestamptz;
  v_one record;
begin
  for v_one in
    select h.integration_id as id, i.id is null as deleted, i.next_run_at, i.schedule_since,
           coalesce(i.org_id, l.org_id) as org_id, coalesce(i.integration_type, l.integration_type) as integration_type
      from (select s.integration_id from public.sync_schedule_history s
             where s.integration_id >= coalesce(v_last_id, '00000000-0000-0000-0000-000000000000')
               and (v_last_id is null or v_resume_at is not null or s.integration_id <> v_last_id)
               and s."from" < v_to and (s."to" is null or s."to" >= v_from)
               and (p_integration_ids is null or s.integration_id = any (p_integration_ids))
             group by s.integration_id) h
      left join public.organization_integrations i on i.id = h.integration_id
      left join lateral (select r.org_id, r.integration_type from public.sync_run_log r
                          where i.id is null and r.integration_id = h.integration_id limit 1) l on true
     where p_org_id is null or coalesce(i.org_id, l.org_id) = p_org_id
     order by h.integration_id limit v_integrations
  loop
    v_start := case when v_one.id = v_last_id then v_resume_at else v_from end;
    v_record := sync_scheduler.record_json(v_one.id, v_start, v_to, v_room);
    v_page := v_page || (v_record || jsonb_build_object('integration_id', v_one.id, 'org_id', v_one.org_id,
      'integration_type', v_one.integration_type, 'deleted', v_one.deleted,
      'next_run_at', sync_scheduler.epoch_ms(v_one.next_run_at), 'schedule_since', sync_scheduler.epoch_ms(v_one.schedule_since),
      'history', sync_scheduler.history_json(v_one.id, v_start, v_to, 10000)));
    v_seen := v_seen + 1;
    v_room := v_room - jsonb_array_length(v_record -> 'slots') - jsonb_array_length(v_record -> 'ranges');
    if (v_record ->> 'to')::bigint < sync_scheduler.epoch_ms(v_to) then
      v_cursor := v_one.id || '|' || sync_scheduler.iso(to_timestamp((v_record ->> 'to')::numeric / 1000));
      exit;
    elsif v_room <= 0 or v_seen = v_integrations then
      v_cursor := v_one.id || '|';
      exit;
    end if;
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'kept_from', sync_scheduler.iso(sync_scheduler.kept_from()),
    'from', sync_scheduler.iso(v_from), 'to', sync_scheduler.iso(v_to), 'integrations', to_jsonb(v_page), 'cursor', v_cursor);
end
$$;

-- A backfill claims like the schedule does, in the same call and under the same lock, but it moves its own cursor instead of
-- next_run_at. Its part of a slot: {id, cursor: as it was read, next_cursor: all slots up to there are dealt with, done}.
alter table public.sync_backfill add column cancelled_by text, add column cancel_reason text;
comment on column public.sync_backfill."to" is 'Exclusive.';
create index sync_backfill_integration on public.sync_backfill (integration_id, created_at) where status = 'open';

-- Why a request does not go on now; null: it may. The slots of the schedule come first.
create function sync_scheduler.backfill_waits(i public.organization_integrations) returns text
  language sql stable return case
    when not coalesce(i.enabled, false) then 'disabled'
    when i.breaker_until > sync_scheduler.clock() then 'breaker_open'
    when i.sync_schedule is not null and (i.next_run_at is null or i.next_run_at <= sync_scheduler.clock()) then 'schedule_first'
    when exists (select 1 from public.sync_run_log l
                  where l.integration_id = i.id and sync_scheduler.is_live(l.status, l.released_at)) then 'already_running'
  end;

-- Whether a backfill's slot may be claimed; null: yes. Takes the locks, and never waits long for one.
create function sync_scheduler.judge_backfill(p_claim_token uuid, p_slot jsonb, p_at timestamptz) returns text
  language plpgsql set search_path = '' as $$
declare
  v_integration_id constant uuid := (p_slot ->> 'integration_id')::uuid;
  v_expected constant timestamptz := (p_slot #>> '{backfill,cursor}')::timestamptz;
  v_next constant timestamptz := (p_slot #>> '{backfill,next_cursor}')::timestamptz;
  i public.organization_integrations;
  b public.sync_backfill;
begin
  if not pg_try_advisory_xact_lock(sync_scheduler.lock_key((p_slot ->> 'org_id')::uuid, v_integration_id)) then
    return 'locked';
  end if;
  select * into i from public.organization_integrations where id = v_integration_id for no key update skip locked;
  if not found then
    return case when exists (select 1 from public.organization_integrations where id = v_integration_id) then 'locked' else 'gone' end;
  end if;
  select * into b from public.sync_backfill where id = (p_slot #>> '{backfill,id}')::uuid for update;

  if exists (select 1 from public.sync_run_log l
              where l.integration_id = v_integration_id and l.scheduled_for = p_at and l.claim_token = p_claim_token) then
    return 'claimed';     -- the answer to this very claim was lost, and it is asked again
  elsif p_at is null and b.cursor = v_next then
    return 'moved_on';    -- as above
  elsif b.id is null or b.integration_id <> v_integration_id or b.status <> 'open' then
    return 'backfill_over';
  elsif b.cursor is distinct from v_expected then
    return 'lost_race';
  elsif sync_scheduler.backfill_waits(i) is not null then
    return sync_scheduler.backfill_waits(i);
  elsif v_next is null or v_next < v_expected or p_at > v_next then
    raise exception 'claim_sync_runs: the cursor of backfill % must move on, to its slot or past it', b.id using errcode = '22023';
  elsif p_at < b."from" or p_at >= b."to" or p_at <= v_expected or p_at >= i.next_run_at or p_at > sync_scheduler.clock() then
    raise exception 'claim_sync_runs: slot % is not of backfill %', p_at, b.id using errcode = '22023';
  end if;
  return null;
end
$$;

-- Claims one slot of a backfill. Returns what claim_slots returns.
create function sync_scheduler.claim_backfill_slot(p_engine_id text, p_claim_token uuid, p_slot jsonb) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_integration_id constant uuid := (p_slot ->> 'integration_id')::uuid;
  v_at constant timestamptz := date_trunc('milliseconds', (p_slot ->> 'scheduled_for')::timestamptz);
  v_reason text := sync_scheduler.judge_backfill(p_claim_token, p_slot, v_at);
  v_run_id uuid;
  v_moves boolean := v_reason is null;
begin
  if v_moves and v_at is not null then
    insert into public.sync_run_log (id, integration_id, org_id, integration_type, scheduled_for, idempotency_key, trigger, status,
                                     attempt, max_attempts, claimed_by, claim_token, created_at)
    select gen_random_uuid(), i.id, i.org_id, i.integration_type, v_at, sync_scheduler.idempotency_key(i.id, v_at), 'backfill',
           'pending', 0, coalesce(i.max_attempts, 3), p_engine_id, p_claim_token, v_now
      from public.organization_integrations i where i.id = v_integration_id
    on conflict do nothing returning id into v_run_id;
    if v_run_id is not null then
      perform sync_scheduler.record_event(v_run_id, v_integration_id, 'claimed', null, 'pending', 0, p_engine_id, 'backfill',
        jsonb_build_object('backfill_id', p_slot #> '{backfill,id}'));
    elsif exists (select 1 from public.sync_run_log l where l.integration_id = v_integration_id and l.scheduled_for = v_at) then
      v_reason := 'already_recorded';
    else
      v_reason := 'already_running';
      v_moves := false;
    end if;
  elsif v_reason = 'claimed' then
    select id into v_run_id from public.sync_run_log where integration_id = v_integration_id and scheduled_for = v_at;
  end if;
  if v_moves then
    update public.sync_backfill set cursor = (p_slot #>> '{backfill,next_cursor}')::timestamptz,
      claimed = claimed + (v_run_id is not null)::integer,
      status = case when (p_slot #>> '{backfill,done}')::boolean then 'done' else status end,
      finished_at = case when (p_slot #>> '{backfill,done}')::boolean then v_now end
    where id = (p_slot #>> '{backfill,id}')::uuid;
  end if;
  return jsonb_build_object(
    'claimed', coalesce((select jsonb_agg(sync_scheduler.run_json(r, i))
                           from public.sync_run_log r join public.organization_integrations i on i.id = r.integration_id
                          where r.id = v_run_id), '[]'),
    'skipped', case when v_reason is not null and v_reason not in ('claimed', 'moved_on') then jsonb_build_array(jsonb_build_object(
      'integration_id', v_integration_id, 'scheduled_for', sync_scheduler.iso(v_at), 'reason', v_reason)) else '[]' end,
    'advanced', (v_at is null and v_moves)::integer);
end
$$;

-- One way to claim, for slots of schedules and of backfills: claim_sync_runs calls this.
alter function sync_scheduler.claim_slots(text, uuid, jsonb) rename to claim_scheduled_slots;
create function sync_scheduler.claim_slots(p_engine_id text, p_claim_token uuid, p_slots jsonb) returns jsonb
  language plpgsql set search_path = '' as $$
declare
  v_is_backfill constant jsonpath := '$[*] ? (exists(@.backfill) && @.backfill != null)';
  v_done jsonb;
  v_one jsonb;
  v_slot jsonb;
begin
  if not jsonb_path_exists(p_slots, v_is_backfill) then
    return sync_scheduler.claim_scheduled_slots(p_engine_id, p_claim_token, p_slots);
  end if;
  v_done := sync_scheduler.claim_scheduled_slots(p_engine_id, p_claim_token,
    jsonb_path_query_array(p_slots, '$[*] ? (!exists(@.backfill) || @.backfill == null)'));
  for v_slot in
    select s from jsonb_path_query(p_slots, v_is_backfill) s order by (s ->> 'integration_id')::uuid, s ->> 'scheduled_for'
  loop
    v_one := sync_scheduler.claim_backfill_slot(p_engine_id, p_claim_token, v_slot);
    v_done := jsonb_build_object('claimed', (v_done -> 'claimed') || (v_one -> 'claimed'),
      'skipped', (v_done -> 'skipped') || (v_one -> 'skipped'),
      'advanced', (v_done ->> 'advanced')::integer + (v_one ->> 'advanced')::integer);
  end loop;
  return v_done;
end
$$;

-- Open requests that can go on now, the oldest first, one for an integration: with the history from the cursor on, and the
-- slots that have a row already. "known_until" (exclusive) says how far these go, at most 500 rows and 50 segments.
-- Returns {now, backfills: [{backfill_id, integration_id, org_id, schedule_version, cursor, after, to, known_until, history, slots}]};
-- all instants but now are epoch milliseconds. Slots up to and with "after" are dealt with, or beyond retention.
create function public.read_sync_backfills(
  p_limit integer default 100, p_org_id uuid default null, p_integration_ids uuid[] default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
begin
  return jsonb_build_object('now', sync_scheduler.iso(v_now), 'backfills', coalesce((
    select jsonb_agg(jsonb_build_object(
        'backfill_id', o.id, 'integration_id', o.integration_id, 'org_id', o.org_id, 'schedule_version', o.schedule_version,
        'cursor', sync_scheduler.epoch_ms(o.cursor), 'after', sync_scheduler.epoch_ms(o.after), 'to', sync_scheduler.epoch_ms(o."to"),
        'known_until', least(sync_scheduler.epoch_ms(o."to"), (k.slots -> 500)::bigint, (k.history #> '{49,to}')::bigint + 1),
        'history', k.history, 'slots', k.slots - 500) order by o.created_at, o.id)
      from (
        select b.id, b.integration_id, b.created_at, b.cursor, b."to", i.org_id, coalesce(i.schedule_version, 1) as schedule_version,
               greatest(b.cursor, b."from" - interval '1 millisecond', sync_scheduler.kept_from()) as after
          from public.sync_backfill b join public.organization_integrations i on i.id = b.integration_id
         where b.status = 'open' and sync_scheduler.backfill_waits(i) is null
           and (p_org_id is null or i.org_id = p_org_id)
           and (p_integration_ids is null or i.id = any (p_integration_ids))
           and not exists (select 1 from public.sync_backfill e
                            where e.integration_id = b.integration_id and e.status = 'open' and (e.created_at, e.id) < (b.created_at, b.id))
         order by b.created_at, b.id limit least(greatest(coalesce(p_limit, 100), 1), 100)) o
     cross join lateral (
        select coalesce((select jsonb_agg(sync_scheduler.epoch_ms(s.scheduled_for)) from (
                 select l.scheduled_for from public.sync_run_log l
                  where l.integration_id = o.integration_id and l.scheduled_for > o.after and l.scheduled_for < o."to"
                  order by l.scheduled_for limit 501) s), '[]') as slots,
               sync_scheduler.history_json(o.integration_id, o.after, o."to", 50) as history) k), '[]'));
end
$$;

-- Asks for the slots of the past in [p_from, p_to) that have no row; ticks work them off. The same request, while it is open,
-- is not made twice. Answers {done, backfill_id, from, to, enabled} or {done: false, reason}.
create function public.request_sync_backfill(
  p_integration_id uuid, p_from timestamptz, p_to timestamptz, p_actor text, p_reason text
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := sync_scheduler.clock();
  v_from constant timestamptz := date_trunc('milliseconds', p_from);
  v_to constant timestamptz := least(date_trunc('milliseconds', p_to), v_now);
  v_reason text;
  i public.organization_integrations;
  b public.sync_backfill;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  select * into i from public.organization_integrations where id = p_integration_id;
  v_reason := case
    when i.id is null then 'not_found'
    when v_from is null or p_to is null or v_from >= date_trunc('milliseconds', p_to) then 'empty'
    when v_from >= v_now then 'not_past'
    when v_from < sync_scheduler.kept_from() then 'beyond_retention'
  end;
  if v_reason is not null then
    return jsonb_build_object('done', false, 'reason', v_reason, 'kept_from', sync_scheduler.iso(sync_scheduler.kept_from()));
  end if;
  perform pg_advisory_xact_lock(sync_scheduler.lock_key(i.org_id, i.id));
  select * into b from public.sync_backfill
   where integration_id = i.id and status = 'open' and requested_by = p_actor and "from" = v_from
     and ("to" = v_to or ("to" = created_at and date_trunc('milliseconds', p_to) >= created_at));
  if b.id is null then
    insert into public.sync_backfill (integration_id, "from", "to", requested_by, reason, created_at)
    values (i.id, v_from, v_to, p_actor, p_reason, v_now) returning * into b;
    perform sync_scheduler.record_event(null, i.id, 'backfill_requested', null, null, null, p_actor, p_reason,
      jsonb_build_object('backfill_id', b.id, 'from', sync_scheduler.iso(b."from"), 'to', sync_scheduler.iso(b."to")));
  end if;
  return jsonb_build_object('done', true, 'backfill_id', b.id, 'from', sync_scheduler.iso(b."from"), 'to', sync_scheduler.iso(b."to"),
    'enabled', coalesce(i.enabled, false));
end
$$;

-- Ends a request. A run of it that is under way goes on; no other is claimed.
create function public.cancel_sync_backfill(p_backfill_id uuid, p_actor text, p_reason text) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
  b public.sync_backfill;
begin
  perform sync_scheduler.require_actor(p_actor, p_reason);
  update public.sync_backfill set status = 'cancelled', finished_at = sync_scheduler.clock(), cancelled_by = p_actor, cancel_reason = p_reason
   where id = p_backfill_id and status = 'open' returning * into b;
  if b.id is null then
    select * into b from public.sync_backfill where id = p_backfill_id;
    return jsonb_build_object('done', false, 'status', b.status, 'reason',
      case when b.id is null then 'not_found' when b.status = 'done' then 'already_done' else 'already_cancelled' end);
  end if;
  perform sync_scheduler.record_event(null, b.integration_id, 'backfill_cancelled', null, null, null, p_actor, p_reason,
    jsonb_build_object('backfill_id', b.id, 'claimed', b.claimed));
  return jsonb_build_object('done', true, 'backfill_id', b.id, 'claimed', b.claimed);
end
$$;

-- Nothing of a deleted integration can be run: its requests are over.
create function sync_scheduler.after_integration_gone() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  update public.sync_backfill set status = 'cancelled', finished_at = sync_scheduler.clock(), cancelled_by = 'database', cancel_reason = 'gone'
   where integration_id = old.id and status = 'open';
  return null;
end
$$;
create trigger sync_scheduler_after_gone after delete on public.organization_integrations
  for each row execute function sync_scheduler.after_integration_gone();

-- The first call of a tick also says whether a backfill can go on ("backfills"); then the tick is not idle.
alter function public.open_sync_tick(uuid, text, jsonb) set schema sync_scheduler;
alter function sync_scheduler.open_sync_tick(uuid, text, jsonb) rename to open_tick;
create function public.open_sync_tick(p_tick_id uuid, p_engine_id text, p_options jsonb default '{}') returns jsonb
  language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_tick constant jsonb := sync_scheduler.open_tick(p_tick_id, p_engine_id, p_options);
  v_org_id constant uuid := (p_options ->> 'org_id')::uuid;
  v_ids constant uuid[] := case when jsonb_typeof(p_options -> 'integration_ids') = 'array'
    then array(select e::uuid from jsonb_array_elements_text(p_options -> 'integration_ids') e) end;
  v_idle constant boolean := (v_tick ->> 'idle')::boolean;
  v_backfills boolean;
begin
  select exists (
    select 1 from public.sync_backfill b join public.organization_integrations i on i.id = b.integration_id
     where b.status = 'open' and i.enabled and (v_org_id is null or i.org_id = v_org_id) and (v_ids is null or i.id = any (v_ids))
       and (not v_idle or sync_scheduler.backfill_waits(i) is null)
  ) into v_backfills;
  if v_idle and v_backfills then
    update public.sync_tick set finished_at = null where id = p_tick_id;
  end if;
  return v_tick || jsonb_build_object('backfills', v_backfills, 'idle', v_idle and not v_backfills);
end
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261124000900';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function
  public.read_sync_audit(timestamptz, timestamptz, text, integer, uuid, uuid[]),
  public.read_sync_backfills(integer, uuid, uuid[]),
  public.request_sync_backfill(uuid, timestamptz, timestamptz, text, text),
  public.cancel_sync_backfill(uuid, text, text),
  public.open_sync_tick(uuid, text, jsonb)
  from public, anon, authenticated;
grant execute on function
  public.read_sync_audit(timestamptz, timestamptz, text, integer, uuid, uuid[]),
  public.read_sync_backfills(integer, uuid, uuid[]),
  public.request_sync_backfill(uuid, timestamptz, timestamptz, text, text),
  public.cancel_sync_backfill(uuid, text, text),
  public.open_sync_tick(uuid, text, jsonb)
  to service_role;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
