/** The example integration. Its sync exports nothing and always succeeds. */
export const EXAMPLE_ID = "5a3b1e00-0000-4000-8000-000000000001"
const EXAMPLE_ORG = "5a3b1e00-0000-4000-8000-00000000000a"

/** The first slot is the current minute, so that the first scheduled run starts immediately. */
export const ADD_EXAMPLE = `insert into public.organization_integrations
  (id, org_id, org_name, integration_type, sync_schedule, timezone, fenced, next_run_at)
select '${EXAMPLE_ID}', '${EXAMPLE_ORG}', 'Example', 'example', '* * * * *', 'UTC', true, date_trunc('minute', now())
 where not exists (select from public.organization_integrations)`

/** `supabase db query` accepts only one statement. */
export const ADD_AND_LOOK = `with added as (${ADD_EXAMPLE} returning id)
select (select count(*)::int from added) as added,
       (select count(*)::int from public.organization_integrations) as integrations,
       exists (select from public.organization_integrations where id = '${EXAMPLE_ID}') as present,
       exists (select from public.sync_run_log where integration_id = '${EXAMPLE_ID}' and status = 'completed') as completed`

const MARK = "-- Added by sync-scheduler setup"

/** Restores the example in a local database after `supabase db reset`. */
const FRAGMENT = `${MARK}: an example that runs every minute. Remove it when you have integrations of your own.
${ADD_EXAMPLE};
`

export const withExample = (seed: string): string => {
  if (seed.includes(MARK)) return seed
  const end = seed === "" ? "" : seed.endsWith("\n") ? "\n" : "\n\n"
  return `${seed}${end}${FRAGMENT}`
}
