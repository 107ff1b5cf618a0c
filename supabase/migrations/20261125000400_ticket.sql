-- Tickets: with one, a job of pg_cron may start one tick in an Edge Function. What pg_net sends lies in its queue, readable for
-- whoever may use pg_net, so that no key belongs there; a ticket is good once, for two minutes, and for nothing but a tick.

-- Only the digest is kept: who reads this table can redeem nothing.
create table sync_scheduler.ticket (
  digest bytea primary key,
  expires_at timestamptz not null
);
alter table sync_scheduler.ticket enable row level security;
create index ticket_expires_at on sync_scheduler.ticket (expires_at);

-- A new ticket, 64 hexadecimal digits with 244 random bits. Only the owner may call it.
create function sync_scheduler.issue_ticket() returns text
  language plpgsql security definer set search_path = '' as $$
declare
  v_ticket constant text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
  delete from sync_scheduler.ticket where digest in (
    select t.digest from sync_scheduler.ticket t where t.expires_at < sync_scheduler.clock() limit 1000 for update skip locked);
  insert into sync_scheduler.ticket (digest, expires_at)
    values (sha256(convert_to(v_ticket, 'UTF8')), sync_scheduler.clock() + interval '2 minutes');
  return v_ticket;
end
$$;

-- Uses a ticket up. Of several callers with the same one, one is granted.
-- Returns {granted}.
create function public.redeem_sync_ticket(p_ticket text) returns jsonb
  language plpgsql security definer set search_path = '' as $$
declare
  v_expires_at timestamptz;
begin
  delete from sync_scheduler.ticket where digest = sha256(convert_to(p_ticket, 'UTF8')) returning expires_at into v_expires_at;
  return jsonb_build_object('granted', coalesce(v_expires_at >= sync_scheduler.clock(), false));
end
$$;

revoke all on sync_scheduler.ticket from public, anon, authenticated;
revoke all on function public.redeem_sync_ticket(text) from public, anon, authenticated;
grant execute on function public.redeem_sync_ticket(text) to service_role;

create or replace function sync_scheduler.schema_version() returns text language sql immutable return '20261125000400';
revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
