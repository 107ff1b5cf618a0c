-- Which engines this schema works with. A migration that an older engine cannot live with redefines
-- sync_scheduler.engines_from() to its own version; every other migration leaves it alone. An engine whose schema version
-- (its newest migration) is older than that claims nothing and says what to do.

create function sync_scheduler.engines_from() returns text language sql immutable return '20261125000500';

-- Returns {schema_version, engines_from}: the newest migration, and the oldest schema version that an engine must know.
create function public.read_sync_schema() returns jsonb
  language sql stable security definer set search_path = ''
  return jsonb_build_object('schema_version', sync_scheduler.schema_version(), 'engines_from', sync_scheduler.engines_from());

revoke all on function public.read_sync_schema() from public, anon, authenticated;
grant execute on function public.read_sync_schema() to service_role;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000500';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
