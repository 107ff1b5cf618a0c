-- Cold starts, measured: how long a function's first contact takes when it had to boot and when it had not, whether
-- warming it pays, and which functions to wake before the slots that are coming.

create table public.sync_function_warmth (
  function_name text primary key,                     -- '(default)': the one that the engine is set to
  cold_count bigint not null default 0,
  warm_count bigint not null default 0,
  failed_count bigint not null default 0,
  cold_ms double precision,                           -- moving averages of the contacts that were answered
  warm_ms double precision,
  measured_since timestamptz not null default now(),
  paused_until timestamptz,                           -- warming does not pay; measured anew after this
  verdict text,                                       -- why, in words
  updated_at timestamptz not null default now()
);
alter table public.sync_function_warmth enable row level security;
revoke all on public.sync_function_warmth from public, anon, authenticated;
grant all on public.sync_function_warmth to service_role;

create index organization_integrations_warm_up on public.organization_integrations (next_run_at)
  where enabled and warm_up;

create function sync_scheduler.warming_is_paused(p_function_name text) returns boolean
  language sql stable set search_path = '' as $$
  select exists (select 1 from public.sync_function_warmth w
                  where w.function_name = coalesce(p_function_name, '(default)')
                    and w.paused_until > sync_scheduler.clock())
$$;

-- A run asks for a warm-up only where warming pays.
create or replace function sync_scheduler.run_json(r public.sync_run_log, i public.organization_integrations) returns jsonb
  language sql stable return jsonb_build_object(
    'run_id', r.id, 'org_id', coalesce(r.org_id, i.org_id), 'integration_id', r.integration_id,
    'integration_type', coalesce(r.integration_type, i.integration_type, 'unknown'),
    'scheduled_for', sync_scheduler.iso(r.scheduled_for), 'trigger', coalesce(r.trigger, 'schedule'), 'status', r.status,
    'attempt', coalesce(r.attempt, 0), 'max_attempts', coalesce(r.max_attempts, 3), 'idempotency_key', r.idempotency_key,
    'claimed_by', r.claimed_by, 'drift_ms', r.drift_ms, 'function_name', i.function_name,
    'invoke_timeout_ms', sync_scheduler.milliseconds(i.invoke_timeout),
    'warm_up', case when i.warm_up then not sync_scheduler.warming_is_paused(i.function_name) else false end,
    'config', coalesce(i.config, '{}'));

-- Functions to wake: those of slots that come within p_within_seconds. Reads only.
create function public.read_upcoming_warm_ups(p_within_seconds numeric default 60) returns jsonb
  language sql stable security definer set search_path = '' as $$
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

-- Records a first contact, and says whether warming this function still pays. p_cold null: the function did not say, so a
-- contact of more than a second counts as cold. After 20 measured contacts warming is paused for a day when none was
-- cold, or when a cold one took less than 100 ms longer than a warm one.
-- p_in_run: the contact was made for a run, whose own settlement raises the incident.
create function public.record_function_contact(
  p_engine_id text, p_function_name text, p_latency_ms numeric, p_ok boolean, p_cold boolean default null,
  p_detail text default null, p_in_run boolean default false
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
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
      when w.cold_count = 0 then format('none of %s first contacts was cold', w.warm_count)
      when w.cold_ms - w.warm_ms < 100 then
        format('a cold start takes %s ms, a warm one %s ms', round(w.cold_ms), round(w.warm_ms)) end;
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
end
$$;

-- As before, with the functions to wake: {..., warm_ups: [{function_name, next_run_at}]}.
alter function public.open_sync_tick(uuid, text, jsonb) set schema sync_scheduler;
alter function sync_scheduler.open_sync_tick(uuid, text, jsonb) rename to open_tick_with_backfills;
create function public.open_sync_tick(p_tick_id uuid, p_engine_id text, p_options jsonb default '{}') returns jsonb
  language sql security definer set search_path = '' as $$
  select sync_scheduler.open_tick_with_backfills(p_tick_id, p_engine_id, p_options) || jsonb_build_object('warm_ups',
    public.read_upcoming_warm_ups(coalesce((p_options ->> 'warm_up_within_seconds')::numeric, 60)))
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261124001000';

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function
  public.read_upcoming_warm_ups(numeric),
  public.record_function_contact(text, text, numeric, boolean, boolean, text, boolean),
  public.open_sync_tick(uuid, text, jsonb)
  from public, anon, authenticated;
grant execute on function
  public.read_upcoming_warm_ups(numeric),
  public.record_function_contact(text, text, numeric, boolean, boolean, text, boolean),
  public.open_sync_tick(uuid, text, jsonb)
  to service_role;

notify pgrst, 'reload schema';
