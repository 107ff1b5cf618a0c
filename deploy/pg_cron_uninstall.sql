-- Removes everything that deploy/pg_cron.sql creates. Keeps runs, schedules and the Edge Function.
begin;

do $$
begin
  if to_regclass('cron.job') is not null then
    perform cron.unschedule(jobid) from cron.job where jobname in ('sync-scheduler', 'sync-scheduler-prune');
  end if;
end
$$;
drop function if exists sync_scheduler.nudge_edge(), sync_scheduler.prune_cron();

commit;
