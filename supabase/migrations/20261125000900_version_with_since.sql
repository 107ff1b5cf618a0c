-- An integration whose first slot was not computed yet, that was switched off and on again between a tick's reading and its claim:
-- its slots were put on record as passed over, and then claimed all the same, because neither next_run_at nor
-- schedule_version had changed. Now the version goes up whenever schedule_since moves.
create or replace function sync_scheduler.before_integration_change() returns trigger language plpgsql security definer set search_path = ''
as $$
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
      -- Who read this row before may not claim what is on record as passed over.
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

comment on column public.organization_integrations.schedule_version is 'Goes up whenever schedule_since moves: schedule or time zone were edited, or it was switched off or on and slots were passed over. A claim must have read the present one.';

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000900';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
