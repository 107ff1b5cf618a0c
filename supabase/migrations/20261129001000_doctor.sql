-- The read-only functions for the `doctor` command.

-- Returns the existing objects named in p_names, and all functions of sync_scheduler.
-- The body is one query on the catalog, so that `doctor` can send the query to a database without this function.
-- Returns {schema_version, functions: [{name, args, definer, source, open_to, service}],
-- tables: [{name, kind, rls, columns, indexes, triggers, open_to, service}]}.
-- `source` is a fingerprint of a function's body and settings; null if PostgreSQL stores the body in parsed form.
create function sync_scheduler.catalog(p_names text[]) returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $catalog$
select jsonb_build_object(
  'schema_version', (
    select substring(pg_catalog.obj_description(vn.oid, 'pg_namespace') from '[0-9]{14}') from pg_catalog.pg_namespace vn
     where vn.nspname = 'sync_scheduler'),
  'functions', (
    select coalesce(jsonb_agg(jsonb_build_object(
             'name', n.nspname || '.' || p.proname,
             'args', pg_catalog.pg_get_function_identity_arguments(p.oid),
             'definer', p.prosecdef,
             'source', case when p.prosrc <> '' then left(md5(replace(p.prosrc, E'\r', '')
               || coalesce((select string_agg(s, ',' order by s) from unnest(p.proconfig) s), '')), 12) end,
             'open_to', (select coalesce(jsonb_agg(distinct g.who), '[]') from (
                           select case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end as who
                             from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                            where a.privilege_type = 'EXECUTE') g
                          where g.who in ('public', 'anon', 'authenticated')),
             'service', exists (
               select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                where a.privilege_type = 'EXECUTE' and (a.grantee = 0 or pg_catalog.pg_get_userbyid(a.grantee) = 'service_role')))
             order by n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), '[]')
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where p.prokind = 'f' and (n.nspname = 'sync_scheduler' or (n.nspname = 'public' and p.proname = any (p_names)))),
  'tables', (
    select coalesce(jsonb_agg(jsonb_build_object(
             'name', n.nspname || '.' || c.relname,
             'kind', case c.relkind when 'r' then 'table' when 'v' then 'view' else c.relkind::text end,
             'rls', c.relrowsecurity,
             'columns', (select coalesce(jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), '{}')
                           from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
             'indexes', (select coalesce(jsonb_object_agg(ic.relname, jsonb_build_object('unique', x.indisunique, 'valid', x.indisvalid)), '{}')
                           from pg_catalog.pg_index x join pg_catalog.pg_class ic on ic.oid = x.indexrelid where x.indrelid = c.oid),
             'triggers', (select coalesce(jsonb_object_agg(t.tgname, t.tgenabled <> 'D'), '{}')
                            from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
             'open_to', (select coalesce(jsonb_agg(distinct g.who || ': ' || g.what), '[]') from (
                           select case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end as who,
                                  lower(a.privilege_type) as what
                             from pg_catalog.aclexplode(c.relacl) a) g
                          where g.who in ('public', 'anon', 'authenticated')),
             'service', exists (
               select from pg_catalog.aclexplode(c.relacl) a
                where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_catalog.pg_get_userbyid(a.grantee) = 'service_role')))
             order by n.nspname, c.relname), '[]')
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'f', 'm') and n.nspname = 'public' and c.relname = any (p_names)))
$catalog$;

-- Returns the UTC offsets of a time zone during the year after p_from: [[instant in ms, offset in seconds], ...].
-- The first entry is the initial offset, and each further entry is the first sample after a change. Samples are six hours
-- apart. Returns null if the database does not know the time zone.
create function sync_scheduler.zone_offsets(p_timezone text, p_from timestamptz) returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select jsonb_agg(jsonb_build_array((extract(epoch from c.at) * 1000)::bigint, c.ahead) order by c.at) from (
      select t.at, t.ahead, lag(t.ahead) over (order by t.at) as before from (
        select g as at, extract(epoch from (g at time zone p_timezone) - (g at time zone 'UTC'))::integer as ahead
          from generate_series(date_trunc('day', p_from, 'UTC'), p_from + interval '366 days', interval '6 hours') g) t) c
     where c.before is distinct from c.ahead);
exception when invalid_parameter_value then
  return null;
end
$$;

-- Returns the triggers and foreign keys of an adopted table that can block claims or delete rows.
-- trigger: the trigger's function runs with the scheduler's search_path, so the function cannot resolve unqualified names, and
-- every claim fails.
-- cascade_from: deleting a referenced row deletes runs. cascade_onto: deleting old runs deletes the project's rows.
-- Returns [{kind, name, fix}]; fix is the SQL that removes the risk.
create function sync_scheduler.adoption_risks() returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('kind', r.kind, 'name', r.name, 'fix', r.fix) order by r.kind desc, r.name), '[]') from (
    select 'trigger' as kind, format('trigger %I on %s (function %s)', t.tgname, t.tgrelid::regclass, p.oid::regprocedure) as name,
           format('alter function %s set search_path = %spublic, pg_temp;', p.oid::regprocedure,
             case when n.nspname <> 'public' then quote_ident(n.nspname) || ', ' else '' end) as fix
      from pg_trigger t
      join pg_proc p on p.oid = t.tgfoid
      join pg_namespace n on n.oid = p.pronamespace
      join pg_language g on g.oid = p.prolang
     where t.tgrelid in (to_regclass('public.organization_integrations'), to_regclass('public.sync_run_log'))
       and not t.tgisinternal and t.tgenabled <> 'D' and n.nspname <> 'sync_scheduler' and g.lanname not in ('c', 'internal')
       and not exists (select from unnest(p.proconfig) c where c like 'search\_path=%')
    union all
    select case when k.conrelid = to_regclass('public.sync_run_log') then 'cascade_from' else 'cascade_onto' end,
           format('foreign key %I of %s, on delete cascade', k.conname, k.conrelid::regclass),
           format('alter table %s drop constraint %I;', k.conrelid::regclass, k.conname)
      from pg_constraint k
     where k.contype = 'f' and k.confdeltype = 'c' and k.conparentid = 0
       and to_regclass('public.sync_run_log') in (k.conrelid, k.confrelid)
     limit 40) r
$$;

-- Returns everything that `doctor` needs, in one call. A field is null if the required table or function is missing.
-- Each group of integrations is represented by one id, because sorting many integrations takes seconds.
-- The commands of pg_cron jobs are omitted, because a command may contain a key.
-- Returns {now, role, server_version, in_recovery, read_only, catalog, status, integrations, schedules: [{schedule,
-- timezone, count, ids}], zones: [{timezone, count, offsets}], policies: [{function_name, invoke_timeout_ms,
-- on_unknown, fenced, warm_up, count, ids}], refused: [{id, schedule, timezone, why}], adoption_risks: [{kind,
-- name, fix}], errors: [{code, count, last_at}], engines: [{host, version, last_at}], history, alerts, cron}.
create function public.read_sync_diagnosis(p_names text[]) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off
  set quote_all_identifiers = off as $$
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
    'in_recovery', pg_is_in_recovery(),
    'read_only', current_setting('default_transaction_read_only') = 'on',
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
             'undecided', count(*) filter (where i.enabled is null),
             'zoneless', count(*) filter (where i.enabled and i.timezone is null),
             'unscheduled', count(*) filter (where i.enabled and i.sync_schedule is null))
      into v_part from public.organization_integrations i;
    v_answer := v_answer || jsonb_build_object('integrations', v_part);
    select coalesce(jsonb_agg(s order by s.count desc, s.ids), '[]') into v_part from (
      select i.sync_schedule as schedule, coalesce(i.timezone, 'UTC') as timezone, count(*) as count,
             jsonb_build_array(min(i.id::text)) as ids
        from public.organization_integrations i where i.enabled and i.sync_schedule is not null
       group by 1, 2 order by 3 limit 5000) s;
    v_answer := v_answer || jsonb_build_object('schedules', v_part);
    select coalesce(jsonb_agg(z order by z.count desc, z.timezone), '[]') into v_part from (
      select g.timezone, g.count, sync_scheduler.zone_offsets(g.timezone, v_now) as offsets from (
        select left(btrim(coalesce(i.timezone, 'UTC')), 64) as timezone, count(*) as count
          from public.organization_integrations i where i.enabled and i.sync_schedule is not null
         group by 1 order by 2 desc, 1 limit 100) g) z;
    v_answer := v_answer || jsonb_build_object('zones', v_part);
    select coalesce(jsonb_agg(p order by p.count desc, p.ids), '[]') into v_part from (
      select i.function_name, (extract(epoch from i.invoke_timeout) * 1000)::bigint as invoke_timeout_ms, i.on_unknown, i.fenced,
             i.warm_up, count(*) as count, jsonb_build_array(min(i.id::text)) as ids
        from public.organization_integrations i where i.enabled
       group by 1, 2, 3, 4, 5 order by 6 desc limit 200) p;
    v_answer := v_answer || jsonb_build_object('policies', v_part);
    select coalesce(jsonb_agg(r), '[]') into v_part from (
      select i.id, i.sync_schedule as schedule, coalesce(i.timezone, 'UTC') as timezone, left(i.schedule_error, 500) as why
        from public.organization_integrations i where i.enabled and i.schedule_error is not null order by i.id limit 50) r;
    v_answer := v_answer || jsonb_build_object('refused', v_part, 'adoption_risks', sync_scheduler.adoption_risks());
  exception when undefined_table or undefined_column then null;
  end;

  begin
    select coalesce(jsonb_agg(e), '[]') into v_part from (
      select r.error_code as code, count(*) as count,
             to_char(max(r.created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_at
        from (select l.error_code, l.created_at from public.sync_run_log l where l.created_at between v_now - interval '1 day' and '9000-01-01Z'
               order by l.created_at desc limit 1000) r
       where r.error_code is not null group by 1 order by 2 desc limit 20) e;
    v_answer := v_answer || jsonb_build_object('errors', v_part);
    select jsonb_build_object(
        'oldest_run_days', extract(day from v_now - (
          select l.created_at from public.sync_run_log l where l.status in ('completed', 'failed', 'skipped') and l.created_at > '1900-01-01Z'
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

  -- pg_cron shows a job only to its owner.
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

revoke all on function public.read_sync_diagnosis(text[]) from public, anon, authenticated;
grant execute on function public.read_sync_diagnosis(text[]) to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;

-- Pins the settings of the public functions, so that settings of the database or a role do not change their behaviour.
-- PostgREST applies the function's isolation level and statement timeout to the call's transaction.
-- With a stricter isolation level, concurrent engines would make each other's calls fail.
-- The time zone is UTC, because every day in UTC has 24 hours.
-- A migration that creates or replaces a function in public must call this function again.
create function sync_scheduler.set_call_settings() returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prosecdef
       and 'search_path=pg_catalog, pg_temp' = any (p.proconfig) and not has_function_privilege('anon', p.oid, 'execute')
  loop
    execute format('alter function %s set default_transaction_isolation = %L set statement_timeout = %L set timezone = %L',
                   v_function, 'read committed', '25s', 'UTC');
  end loop;
end
$$;
revoke all on function sync_scheduler.set_call_settings() from public, anon, authenticated;
do $settings$ begin perform sync_scheduler.set_call_settings(); end $settings$;

do $adopted$
declare
  v_risk jsonb;
begin
  for v_risk in select r from jsonb_array_elements(sync_scheduler.adoption_risks()) r loop
    raise warning 'Sync Scheduler: %: %', v_risk ->> 'name', case v_risk ->> 'kind'
        when 'trigger' then 'the trigger''s function sets no search_path, so the scheduler''s calls fail if the function uses a name without a schema'
        when 'cascade_from' then 'deleting the referenced row deletes runs and their outcomes'
        else 'deleting old runs also deletes rows of the referencing table' end
      using hint = v_risk ->> 'fix';
  end loop;
end
$adopted$;

-- No function may be open to anon or authenticated. Revoking from PUBLIC alone is not enough, because
-- Supabase grants privileges to these roles by default.
do $grants$
declare
  v_open text;
begin
  select string_agg(p.oid::regprocedure::text, ', ') into v_open
    from pg_proc p
   where (p.pronamespace = 'sync_scheduler'::regnamespace
          or (p.pronamespace = 'public'::regnamespace and p.prosecdef and 'search_path=pg_catalog, pg_temp' = any (p.proconfig)
              and p.prosrc ~ 'sync_scheduler\.'))
     and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'));
  if v_open is not null then
    raise exception 'Sync Scheduler: functions are open to anon or authenticated: %', v_open;
  end if;
end
$grants$;

comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129001000.';
notify pgrst, 'reload schema';
