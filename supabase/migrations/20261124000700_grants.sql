-- Each migration grants its own functions in the same breath (revoking from PUBLIC alone is not enough under Supabase's
-- default grants: anon could still call them). Here: nobody reaches the private helpers, and a proof that nothing is open.
do $grants$
declare
  v_open text;
begin
  execute 'revoke all on all functions in schema sync_scheduler from public, anon, authenticated';
  select string_agg(p.oid::regprocedure::text, ', ') into v_open
    from pg_proc p
   where (p.pronamespace = 'sync_scheduler'::regnamespace
          or (p.pronamespace = 'public'::regnamespace and p.prosecdef and 'search_path=""' = any (p.proconfig)
              and p.prosrc ~ 'sync_scheduler\.'))
     and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'));
  if v_open is not null then
    raise exception 'Sync Scheduler: functions are open to anon or authenticated: %', v_open;
  end if;
end
$grants$;

-- PostgREST learns of new functions at once.
notify pgrst, 'reload schema';
