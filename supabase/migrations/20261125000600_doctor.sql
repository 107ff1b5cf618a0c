-- What a doctor needs to know of a database: what is there, who may reach it, and what is odd about the work in it. Reads only.

-- What is there of these tables, views, indexes' owners and functions (p_names; those of sync_scheduler always): columns with
-- their type, indexes, triggers, row level security, who else may reach them. Made of the catalog alone, as one expression, so
-- that it can also be asked of a database in which it is not installed, over a direct connection.
-- Returns {schema_version, functions: [{name, args, definer, source, open_to, service}], tables: [{name, kind, rls, columns,
-- indexes, triggers, open_to, service}]}. `source` is a fingerprint of body and settings; null for a body that was parsed.
create function sync_scheduler.catalog(p_names text[]) returns jsonb language sql stable set search_path = '' as $catalog$
select jsonb_build_object(
  'schema_version', (
    select substring(coalesce(nullif(v.prosrc, ''), pg_catalog.pg_get_function_sqlbody(v.oid)) from '[0-9]{14}') from pg_catalog.pg_proc v join pg_catalog.pg_namespace vn on vn.oid = v.pronamespace
     where vn.nspname = 'sync_scheduler' and v.proname = 'schema_version' limit 1),
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

-- All that a doctor asks at once. A part that cannot be read, because a table or a function is gone, is null: the catalog says
-- which. What others wrote into a job of pg_cron is not repeated: there may be a key in it.
-- Returns {now, role, server_version, read_only, catalog, status, integrations, schedules: [{schedule, timezone, count, ids}],
-- policies: [{function_name, invoke_timeout_ms, on_unknown, fenced, warm_up, count, ids}], refused: [{id, schedule, timezone, why}],
-- errors: [{code, count, last_at}], engines: [{host, version, last_at}], history, alerts, cron}.
create function public.read_sync_diagnosis(p_names text[]) returns jsonb
  language plpgsql stable security definer set search_path = '' set jit = off as $$
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
    select coalesce(jsonb_agg(s order by s.count desc), '[]') into v_part from (
      select i.sync_schedule as schedule, coalesce(i.timezone, 'UTC') as timezone, count(*) as count,
             (array_agg(i.id order by i.id))[1:3] as ids
        from public.organization_integrations i where i.enabled and i.sync_schedule is not null
       group by 1, 2 order by 3 limit 5000) s;
    v_answer := v_answer || jsonb_build_object('schedules', v_part);
    select coalesce(jsonb_agg(p order by p.count desc), '[]') into v_part from (
      select i.function_name, (extract(epoch from i.invoke_timeout) * 1000)::bigint as invoke_timeout_ms, i.on_unknown, i.fenced,
             i.warm_up, count(*) as count, (array_agg(i.id order by i.id))[1:3] as ids
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

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000600';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
revoke all on function public.read_sync_diagnosis(text[]) from public, anon, authenticated;
grant execute on function public.read_sync_diagnosis(text[]) to service_role;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
