-- What the columns mean, where people look at them (Studio, psql, docs/reference/sql.md). A remark of the project's own stays.
do $comments$
declare
  v_column record;
begin
  for v_column in select * from (values
    ('organization_integrations', 'org_id', 'The organisation.'),
    ('organization_integrations', 'org_name', 'What people call the organisation; shown in place of its id.'),
    ('organization_integrations', 'integration_type', 'What is synced: xledger, dynamics, ... It is sent to the function and is a label of metrics.'),
    ('organization_integrations', 'sync_schedule', 'Cron expression of five or six fields, or @daily and the like. Null: runs only when somebody triggers it.'),
    ('organization_integrations', 'timezone', 'IANA time zone of the schedule, such as Europe/Oslo.'),
    ('organization_integrations', 'enabled', 'False: nothing runs, and slots that pass are put on record. Enabling never fires a past slot.'),
    ('organization_integrations', 'schedule_version', 'Goes up when schedule or time zone are edited; a claim must have read the present one.'),
    ('organization_integrations', 'schedule_error', 'Why the schedule cannot be computed. Such a row is not due until it is edited.'),
    ('organization_integrations', 'catch_up', 'What happens to missed slots: latest runs the newest, all runs each inside the window, skip runs none.'),
    ('organization_integrations', 'catch_up_window', 'How far back catch_up = all goes; null: SYNC_SCHEDULER_CATCH_UP_WINDOW.'),
    ('organization_integrations', 'max_attempts', 'How often a run is tried.'),
    ('organization_integrations', 'invoke_timeout', 'How long to wait for the function; null: SYNC_SCHEDULER_INVOKE_TIMEOUT.'),
    ('organization_integrations', 'function_name', 'The Edge Function to invoke; null: SYNC_SCHEDULER_FUNCTION.'),
    ('organization_integrations', 'on_unknown', 'What happens to a run that may have happened: retry repeats it with the same key, hold waits for a person.'),
    ('organization_integrations', 'fenced', 'The function calls begin_sync_run before it works, so that a run can be proven not to have happened.'),
    ('organization_integrations', 'warm_up', 'The function is woken with OPTIONS before its runs.'),
    ('organization_integrations', 'consecutive_failures', 'Failed runs in a row, since the last one that completed.'),
    ('organization_integrations', 'breaker_until', 'Nothing runs before then: it failed too often in a row.'),
    ('organization_integrations', 'paused_reason', 'Why it was paused, for people.'),
    ('organization_integrations', 'health_url', 'Where the provider is probed after silence; null: by its type.'),
    ('organization_integrations', 'health_method', 'With which method it is probed.'),
    ('organization_integrations', 'config', 'Whatever the function needs; sent with every run. No secrets.'),
    ('sync_run_log', 'integration_id', 'The integration. The row stays when that is deleted.'),
    ('sync_run_log', 'org_id', 'Its organisation.'),
    ('sync_run_log', 'integration_type', 'Its type when the run was claimed.'),
    ('sync_run_log', 'idempotency_key', '<integration_id>:<slot>; the same at every attempt.'),
    ('sync_run_log', 'trigger', 'Why it runs: schedule, catch_up, manual, backfill.'),
    ('sync_run_log', 'status', 'pending, running, completed, failed, unknown (it may have happened), skipped. Completed rows never change.'),
    ('sync_run_log', 'skip_reason', 'Why it was skipped.'),
    ('sync_run_log', 'attempt', 'Attempts so far.'),
    ('sync_run_log', 'max_attempts', 'How many there may be.'),
    ('sync_run_log', 'claimed_by', 'The engine that claimed it, or has it now.'),
    ('sync_run_log', 'claim_token', 'Of the claim: asking again with it gives the same answer.'),
    ('sync_run_log', 'lease_token', 'Of the attempt: whoever has it may settle the run.'),
    ('sync_run_log', 'lease_seconds', 'How long the lease was when the attempt was started.'),
    ('sync_run_log', 'lease_until', 'Until then the run belongs to its engine; afterwards a sweeper decides.'),
    ('sync_run_log', 'not_before', 'A retry is not started before then.'),
    ('sync_run_log', 'created_at', 'When it was claimed.'),
    ('sync_run_log', 'attempt_started_at', 'When the present attempt was started.'),
    ('sync_run_log', 'began_at', 'When the function was granted the attempt (fence).'),
    ('sync_run_log', 'begin_nonce', 'Of that grant: asking again with it is granted again.'),
    ('sync_run_log', 'heartbeat_at', 'The last sign of life of a background run.'),
    ('sync_run_log', 'finished_at', 'When its outcome was recorded.'),
    ('sync_run_log', 'released_at', 'An unknown run that no longer blocks later slots, since then.'),
    ('sync_run_log', 'drift_ms', 'From the slot to the first start.'),
    ('sync_run_log', 'duration_ms', 'How long the last attempt took.'),
    ('sync_run_log', 'cold_start', 'The function was cold at its first contact in the tick.'),
    ('sync_run_log', 'warm_up_ms', 'How long that contact took.'),
    ('sync_run_log', 'http_status', 'Of the last answer.'),
    ('sync_run_log', 'error_code', 'Stable code of what went wrong; docs/reference/errors.md has all of them.'),
    ('sync_run_log', 'error_message', 'What went wrong, and how to fix it; at most 2 KiB.'),
    ('sync_run_log', 'response', 'What the function answered, as far as it was JSON.')
  ) as c(t, name, meaning)
  loop
    if col_description(('public.' || v_column.t)::regclass, (
         select a.attnum from pg_attribute a
          where a.attrelid = ('public.' || v_column.t)::regclass and a.attname = v_column.name)) is null then
      execute format('comment on column public.%I.%I is %L', v_column.t, v_column.name, v_column.meaning);
    end if;
  end loop;
end
$comments$;

-- All that a doctor asks at once, as before; but one id stands for the integrations of a group, because to sort them all takes
-- seconds where there are many, and the API gives it time. A part that cannot be read, because a table or a function is gone, is null: the catalog says
-- which. What others wrote into a job of pg_cron is not repeated: there may be a key in it.
-- Returns {now, role, server_version, read_only, catalog, status, integrations, schedules: [{schedule, timezone, count, ids}],
-- policies: [{function_name, invoke_timeout_ms, on_unknown, fenced, warm_up, count, ids}], refused: [{id, schedule, timezone, why}],
-- errors: [{code, count, last_at}], engines: [{host, version, last_at}], history, alerts, cron}.
create or replace function public.read_sync_diagnosis(p_names text[]) returns jsonb
  language plpgsql stable security definer set search_path = '' set jit = off
  set statement_timeout = '25s' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_part jsonb;
  v_answer jsonb;
begin
  begin
    v_now := sync_scheduler.clock();
  exception when undefined_function then null;
  end;
  v_answer := jsonb_build_object(
    'now', to_char(v_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'role', coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role', session_user),
    'server_version', current_setting('server_version'),
    'read_only', pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on',
    'catalog', sync_scheduler.catalog(p_names));

  v_part := null;
  begin
    select to_jsonb(s) into v_part from public.sync_scheduler_status s;
  exception when undefined_table or undefined_column or undefined_function then null;
  end;
  v_answer := v_answer || jsonb_build_object('status', v_part);

  v_part := null;
  begin
    select jsonb_build_object('enabled', count(*) filter (where i.enabled), 'disabled', count(*) filter (where not i.enabled),
             'unscheduled', count(*) filter (where i.enabled and i.sync_schedule is null))
      into v_part from public.organization_integrations i;
    v_answer := v_answer || jsonb_build_object('integrations', v_part);
    select coalesce(jsonb_agg(s order by s.count desc, s.ids), '[]') into v_part from (
      select i.sync_schedule as schedule, coalesce(i.timezone, 'UTC') as timezone, count(*) as count,
             jsonb_build_array(min(i.id::text)) as ids
        from public.organization_integrations i where i.enabled and i.sync_schedule is not null
       group by 1, 2 order by 3 limit 5000) s;
    v_answer := v_answer || jsonb_build_object('schedules', v_part);
    select coalesce(jsonb_agg(p order by p.count desc, p.ids), '[]') into v_part from (
      select i.function_name, (extract(epoch from i.invoke_timeout) * 1000)::bigint as invoke_timeout_ms, i.on_unknown, i.fenced,
             i.warm_up, count(*) as count, jsonb_build_array(min(i.id::text)) as ids
        from public.organization_integrations i where i.enabled
       group by 1, 2, 3, 4, 5 order by 6 desc limit 200) p;
    v_answer := v_answer || jsonb_build_object('policies', v_part);
    select coalesce(jsonb_agg(r), '[]') into v_part from (
      select i.id, i.sync_schedule as schedule, coalesce(i.timezone, 'UTC') as timezone, left(i.schedule_error, 500) as why
        from public.organization_integrations i where i.enabled and i.schedule_error is not null order by i.id limit 50) r;
    v_answer := v_answer || jsonb_build_object('refused', v_part);
  exception when undefined_table or undefined_column then null;
  end;

  begin
    select coalesce(jsonb_agg(e), '[]') into v_part from (
      select r.error_code as code, count(*) as count,
             to_char(max(r.created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_at
        from (select l.error_code, l.created_at from public.sync_run_log l where l.created_at > v_now - interval '1 day'
               order by l.created_at desc limit 1000) r
       where r.error_code is not null group by 1 order by 2 desc limit 20) e;
    v_answer := v_answer || jsonb_build_object('errors', v_part);
    select jsonb_build_object(
        'oldest_run_days', extract(day from v_now - (
          select l.created_at from public.sync_run_log l where l.status in ('completed', 'failed', 'skipped')
           order by l.created_at limit 1))::integer)
      into v_part;
    v_answer := v_answer || jsonb_build_object('history', v_part);
  exception when undefined_table or undefined_column then null;
  end;

  begin
    select coalesce(jsonb_agg(e), '[]') into v_part from (
      select regexp_replace(t.engine_id, '-[0-9]+-[0-9a-f]{4}$', '') as host, t.engine_version as version,
             to_char(max(t.started_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_at
        from (select * from public.sync_tick order by started_at desc limit 200) t
       where t.started_at > v_now - interval '1 day' group by 1, 2 order by 3 desc limit 20) e;
    v_answer := v_answer || jsonb_build_object('engines', v_part, 'history', coalesce(v_answer -> 'history', '{}')
      || jsonb_build_object('oldest_tick_days', extract(day from v_now - (select min(t.started_at) from public.sync_tick t))::integer));
  exception when undefined_table or undefined_column then null;
  end;

  begin
    select jsonb_build_object(
        'unsent', count(*) filter (where i.opened_at < v_now - interval '10 minutes'),
        'gave_up', count(*) filter (where i.alert_gave_up is not null and i.alert_gave_up_at > v_now - interval '1 day'),
        'last_error', (array_agg(left(i.alert_error, 300) order by i.id desc) filter (where i.alert_error is not null))[1])
      into v_part
      from (select * from public.sync_incident order by id desc limit 1000) i
     where i.resolved_at is null and i.notified_at is null or i.alert_gave_up is not null;
    v_answer := v_answer || jsonb_build_object('alerts', v_part);
  exception when undefined_table or undefined_column then null;
  end;

  -- pg_cron shows a job to its owner only.
  v_part := null;
  if to_regclass('cron.job') is not null then
    begin
      execute $cron$
        select jsonb_build_object(
            'jobs', coalesce((select jsonb_agg(jsonb_build_object('id', j.jobid, 'name', j.jobname, 'schedule', j.schedule,
                                'active', j.active, 'database', j.database) order by j.jobid)
                       from (select * from cron.job where jobname ~* 'sync.?scheduler' or command ~* 'sync.?scheduler' limit 20) j), '[]'),
            'kept_details', (select greatest(c.reltuples, 0)::bigint from pg_catalog.pg_class c
                              where c.oid = to_regclass('cron.job_run_details')))
      $cron$ into v_part;
    exception when insufficient_privilege or undefined_table or undefined_column then v_part := jsonb_build_object('jobs', null);
    end;
  end if;
  return v_answer || jsonb_build_object('cron', v_part);
end
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000650';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function public.read_sync_diagnosis(text[]) from public, anon, authenticated;
grant execute on function public.read_sync_diagnosis(text[]) to service_role;
