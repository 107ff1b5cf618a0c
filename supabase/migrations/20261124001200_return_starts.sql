-- Starts of which nothing was sent. An engine starts runs a little ahead of the workers that will invoke them; when these
-- are busy for longer than it could foresee, or it stops, it takes such a start back.

-- running -> pending, as if the start had never been made: the attempt does not count, and the run is still claimed by the
-- engine. Only by the start's token, and never once the function began. The token stays in the row: it starts nothing any
-- more, and a repeated return is recognized.
-- p_starts: [{run_id, lease_token}], at most 100. Returns {now, returned: [run_id]}.
create function public.return_sync_starts(p_engine_id text, p_starts jsonb) returns jsonb
  language plpgsql security definer set search_path = '' set lock_timeout = '250ms' set enable_seqscan = off set enable_bitmapscan = off
  set jit = off as $$
declare
  v_start record;
  v_returned uuid[] := '{}';
  r public.sync_run_log;
begin
  if jsonb_typeof(p_starts) is distinct from 'array' or jsonb_array_length(p_starts) > 100 then
    raise exception 'return_sync_starts: p_starts must be a JSON array of at most 100 starts' using errcode = '22023';
  end if;
  for v_start in
    select * from jsonb_to_recordset(p_starts) as s(run_id uuid, lease_token uuid) order by run_id
  loop
    select * into r from public.sync_run_log where id = v_start.run_id for update;
    if r.id is null or v_start.lease_token is null or r.lease_token is distinct from v_start.lease_token then
      continue;
    elsif r.status = 'running' and r.began_at is null then
      update public.sync_run_log set
        status = 'pending', attempt = greatest(r.attempt - 1, 0), lease_until = null,
        started_at = case when r.attempt > 1 then r.started_at end,
        drift_ms = case when r.attempt > 1 then r.drift_ms end,
        attempt_started_at = null, heartbeat_at = null
      where id = r.id;
      perform sync_scheduler.record_event(r.id, r.integration_id, 'returned', 'running', 'pending', r.attempt - 1, p_engine_id,
        'not_sent');
      v_returned := v_returned || r.id;
    elsif r.status = 'pending' and r.lease_until is null then
      v_returned := v_returned || r.id;
    end if;
  end loop;
  return jsonb_build_object('now', sync_scheduler.iso(sync_scheduler.clock()), 'returned', to_jsonb(v_returned));
end
$$;

revoke all on function public.return_sync_starts(text, jsonb) from public, anon, authenticated;
grant execute on function public.return_sync_starts(text, jsonb) to service_role;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261124001200';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
