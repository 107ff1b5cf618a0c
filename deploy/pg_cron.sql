-- Invokes the Edge Function `sync-scheduler` every minute, with pg_cron and pg_net. Run this file as postgres (SQL editor or
-- psql), after applying the migrations and deploying the function. You can run the file again at any time.
-- If an extension or the secret project_url is missing, create it first:
--
--   create extension if not exists pg_cron;
--   create extension if not exists pg_net;
--   select vault.create_secret('https://<project-ref>.supabase.co', 'project_url');
--
-- To undo, run deploy/pg_cron_uninstall.sql. Other engines may tick at the same time.

begin;

do $$
begin
  if to_regprocedure('cron.schedule(text, text, text)') is null or to_regnamespace('net') is null then
    raise exception 'pg_cron or pg_net is not enabled in this database'
      using hint = 'create extension if not exists pg_cron; create extension if not exists pg_net;';
  end if;
  if to_regprocedure('sync_scheduler.issue_ticket()') is null then
    raise exception 'Sync Scheduler''s migrations are missing or too old' using hint = 'Apply them first: supabase db push';
  end if;
  if (select count(*) from vault.decrypted_secrets
       where name = 'project_url' and decrypted_secret ~ '^https?://[^/]+/?$') <> 1 then
    raise exception 'Vault has no secret project_url that contains the project''s URL'
      using hint = 'select vault.create_secret(''https://<project-ref>.supabase.co'', ''project_url'')';
  end if;
end
$$;

-- Requests one tick without waiting for it to end. pg_net stores requests unencrypted, so the request contains a single-use
-- ticket instead of a key.
create or replace function sync_scheduler.nudge_edge() returns bigint
  language sql volatile set search_path = pg_catalog, pg_temp as $$
  select net.http_post(
    url := rtrim((select decrypted_secret from vault.decrypted_secrets where name = 'project_url'), '/')
      || '/functions/v1/sync-scheduler',
    body := '{}',
    headers := jsonb_build_object('Content-Type', 'application/json', 'Prefer', 'respond-async',
      'x-sync-ticket', sync_scheduler.issue_ticket()),
    timeout_milliseconds := 10000)
$$;
revoke all on function sync_scheduler.nudge_edge() from public, anon, authenticated, service_role;

-- pg_cron keeps run details forever.
create or replace function sync_scheduler.prune_cron() returns void
  language sql volatile set search_path = pg_catalog, pg_temp as $$
  delete from cron.job_run_details where runid in (
    select d.runid from cron.job_run_details d join cron.job j using (jobid)
     where j.jobname in ('sync-scheduler', 'sync-scheduler-prune') and d.start_time < now() - interval '7 days'
     limit 50000)
$$;
revoke all on function sync_scheduler.prune_cron() from public, anon, authenticated, service_role;

select cron.schedule('sync-scheduler', '* * * * *', 'select sync_scheduler.nudge_edge()');
select cron.schedule('sync-scheduler-prune', '23 3 * * *', 'select sync_scheduler.prune_cron()');

commit;
