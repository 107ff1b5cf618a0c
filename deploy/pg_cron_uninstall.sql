-- Takes deploy/pg_cron.sql back, whether or not it was run. Runs, schedules and the function stay.
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
