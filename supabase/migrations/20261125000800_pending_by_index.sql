-- What waits is found by the index of what waits. Where statistics are of a time when nearly everything waited, reading all runs in
-- the order of their creation looked cheaper than sorting the few that do: then every tick read the whole log.
alter function public.sweep_sync_runs(text, numeric, numeric, integer) set enable_incremental_sort = off;
alter function public.sweep_sync_runs(text, numeric, numeric, integer) set enable_hashjoin = off;
alter function public.sweep_sync_runs(text, numeric, numeric, integer) set enable_mergejoin = off;
alter function public.read_pending_runs(text, integer, numeric, uuid, uuid[], uuid[]) set enable_incremental_sort = off;
alter function public.read_pending_runs(text, integer, numeric, uuid, uuid[], uuid[]) set enable_hashjoin = off;
alter function public.read_pending_runs(text, integer, numeric, uuid, uuid[], uuid[]) set enable_mergejoin = off;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000800';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
