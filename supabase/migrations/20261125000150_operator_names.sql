-- Names come with the zone in which a day is counted: "yesterday" is what it is where the integration is.

-- What people may write to name an integration: [{integration_id, org_id, org_name, integration_type, timezone}], at most p_limit.
create or replace function public.read_sync_names(p_limit integer default 20000) returns jsonb
  language sql stable security definer set search_path = '' set jit = off as $$
  select jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'integrations', coalesce(jsonb_agg(jsonb_build_object(
           'integration_id', n.id, 'org_id', n.org_id, 'org_name', n.org_name, 'integration_type', coalesce(n.integration_type, ''),
           'timezone', coalesce(n.timezone, 'UTC'))), '[]'))
    from (select i.id, i.org_id, left(i.org_name::text, 200) as org_name, i.integration_type, i.timezone
            from public.organization_integrations i order by i.id limit least(greatest(coalesce(p_limit, 20000), 1), 20000)) n
$$;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000150';

-- PostgREST learns of the change at once.
notify pgrst, 'reload schema';
