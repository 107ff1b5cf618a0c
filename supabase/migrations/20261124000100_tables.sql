-- Tables of Sync Scheduler. Two of them, organization_integrations and sync_run_log, may already exist in a
-- project: what they share with ours is checked first, missing columns are added, and nothing else of theirs
-- is touched. A conflict stops the migration before its first change and names the column.

do $migration$
declare
  -- One line a column: table, column, type, rest of the definition, and whether a table of our own has it NOT NULL.
  v_columns constant jsonb := $columns$[
    ["organization_integrations", "id",                   "uuid",        "default gen_random_uuid()", true],
    ["organization_integrations", "org_id",               "uuid",        "",                          true],
    ["organization_integrations", "integration_type",     "text",        "",                          true],
    ["organization_integrations", "sync_schedule",        "text",        "",                          false],
    ["organization_integrations", "timezone",             "text",        "default 'UTC'",             true],
    ["organization_integrations", "enabled",              "boolean",     "default true",              true],
    ["organization_integrations", "next_run_at",          "timestamptz", "",                          false],
    ["organization_integrations", "schedule_version",     "integer",     "default 1",                 true],
    ["organization_integrations", "schedule_since",       "timestamptz", "default now()",             true],
    ["organization_integrations", "schedule_error",       "text",        "",                          false],
    ["organization_integrations", "catch_up",             "text",        "default 'latest' check (catch_up in ('latest', 'all', 'skip'))", true],
    ["organization_integrations", "catch_up_window",      "interval",    "check (catch_up_window > interval '0')", false],
    ["organization_integrations", "max_attempts",         "integer",     "default 3 check (max_attempts between 1 and 100)", true],
    ["organization_integrations", "invoke_timeout",       "interval",    "check (invoke_timeout between interval '1 second' and interval '1 hour')", false],
    ["organization_integrations", "function_name",        "text",        "",                          false],
    ["organization_integrations", "on_unknown",           "text",        "default 'retry' check (on_unknown in ('retry', 'hold'))", true],
    ["organization_integrations", "fenced",               "boolean",     "default false",             true],
    ["organization_integrations", "warm_up",              "boolean",     "default false",             true],
    ["organization_integrations", "consecutive_failures", "integer",     "default 0",                 true],
    ["organization_integrations", "breaker_until",        "timestamptz", "",                          false],
    ["organization_integrations", "paused_reason",        "text",        "",                          false],
    ["organization_integrations", "health_url",           "text",        "",                          false],
    ["organization_integrations", "health_method",        "text",        "default 'HEAD' check (health_method in ('HEAD', 'GET', 'OPTIONS'))", true],
    ["organization_integrations", "config",               "jsonb",       "default '{}'",              true],
    ["organization_integrations", "created_at",           "timestamptz", "default now()",             true],
    ["organization_integrations", "updated_at",           "timestamptz", "default now()",             true],

    ["sync_run_log", "id",                 "uuid",        "default gen_random_uuid()", true],
    ["sync_run_log", "integration_id",     "uuid",        "",                          true],
    ["sync_run_log", "org_id",             "uuid",        "",                          true],
    ["sync_run_log", "integration_type",   "text",        "",                          false],
    ["sync_run_log", "scheduled_for",      "timestamptz", "",                          true],
    ["sync_run_log", "idempotency_key",    "text",        "",                          true],
    ["sync_run_log", "trigger",            "text",        "default 'schedule' check (trigger in ('schedule', 'catch_up', 'manual', 'backfill'))", true],
    ["sync_run_log", "status",             "text",        "default 'pending' check (status in ('pending', 'running', 'completed', 'failed', 'unknown', 'skipped'))", true],
    ["sync_run_log", "skip_reason",        "text",        "",                          false],
    ["sync_run_log", "attempt",            "integer",     "default 0",                 true],
    ["sync_run_log", "max_attempts",       "integer",     "default 3",                 true],
    ["sync_run_log", "claimed_by",         "text",        "",                          false],
    ["sync_run_log", "claim_token",        "uuid",        "",                          false],
    ["sync_run_log", "lease_token",        "uuid",        "",                          false],
    ["sync_run_log", "lease_seconds",      "integer",     "",                          false],
    ["sync_run_log", "lease_until",        "timestamptz", "",                          false],
    ["sync_run_log", "not_before",         "timestamptz", "",                          false],
    ["sync_run_log", "created_at",         "timestamptz", "default now()",             true],
    ["sync_run_log", "started_at",         "timestamptz", "",                          false],
    ["sync_run_log", "attempt_started_at", "timestamptz", "",                          false],
    ["sync_run_log", "began_at",           "timestamptz", "",                          false],
    ["sync_run_log", "begin_nonce",        "uuid",        "",                          false],
    ["sync_run_log", "heartbeat_at",       "timestamptz", "",                          false],
    ["sync_run_log", "finished_at",        "timestamptz", "",                          false],
    ["sync_run_log", "released_at",        "timestamptz", "",                          false],
    ["sync_run_log", "drift_ms",           "bigint",      "",                          false],
    ["sync_run_log", "duration_ms",        "bigint",      "",                          false],
    ["sync_run_log", "cold_start",         "boolean",     "default false",             true],
    ["sync_run_log", "warm_up_ms",         "integer",     "",                          false],
    ["sync_run_log", "http_status",        "integer",     "",                          false],
    ["sync_run_log", "error_code",         "text",        "",                          false],
    ["sync_run_log", "error_message",      "text",        "check (octet_length(error_message) <= 2048)", false],
    ["sync_run_log", "response",           "jsonb",       "",                          false],
    ["sync_run_log", "fenced",             "boolean",     "default false",             true],
    ["sync_run_log", "ambiguous",          "boolean",     "default false",             true],
    ["sync_run_log", "ambiguous_before",   "boolean",     "default false",             true]
  ]$columns$;
  -- Types that our functions read and write without loss; the first of each is what we create.
  v_compatible constant jsonb := $types${
    "uuid": ["uuid"], "text": ["text", "character varying", "citext"], "boolean": ["boolean"],
    "timestamptz": ["timestamp with time zone"], "interval": ["interval"], "jsonb": ["jsonb"],
    "integer": ["integer", "bigint"], "bigint": ["bigint", "integer"]
  }$types$;
  v_tables constant text[] := array['organization_integrations', 'sync_run_log'];
  v_adopted text[] := array(
    select t from unnest(v_tables) t where to_regclass('public.' || t) is not null
  );
  v_table text;
  v_conflict text;
  v_column record;
begin
  -- 1. Check, before anything is changed.
  select string_agg(format('%s.%s is %s, Sync Scheduler needs %s', w.t, w.c, i.data_type, w.type), '; ')
    into v_conflict
    from (select e ->> 0 as t, e ->> 1 as c, e ->> 2 as type from jsonb_array_elements(v_columns) e) w
    join information_schema.columns i
      on i.table_schema = 'public' and i.table_name = w.t and i.column_name = w.c
   where not (v_compatible -> w.type) ? (case i.data_type when 'USER-DEFINED' then i.udt_name::text else i.data_type end);
  if v_conflict is not null then
    raise exception 'Sync Scheduler cannot adopt an existing table: %', v_conflict
      using hint = 'Nothing was changed. Alter or rename the column, then apply the migration again.';
  end if;

  foreach v_table in array v_adopted loop
    if not exists (
      select 1 from pg_index x
       where x.indrelid = to_regclass('public.' || v_table) and x.indisunique and x.indpred is null
         and x.indnkeyatts = 1
         and x.indkey[0] = (select a.attnum from pg_attribute a where a.attrelid = x.indrelid and a.attname = 'id')
    ) then
      raise exception 'Sync Scheduler cannot adopt %: column id must exist and be its primary key', v_table
        using hint = 'Nothing was changed. Add a primary key on id (uuid), then apply the migration again.';
    end if;
  end loop;

  if 'organization_integrations' = any (v_adopted) then
    select string_agg('organization_integrations.' || w.c, ', ') into v_conflict
      from unnest(array['org_id', 'integration_type']) w(c)
     where not exists (
       select 1 from information_schema.columns i
        where i.table_schema = 'public' and i.table_name = 'organization_integrations' and i.column_name = w.c);
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt an existing table: it has no %', v_conflict
        using hint = 'Nothing was changed. Add the column (org_id uuid, integration_type text) and fill it, then apply the migration again.';
    end if;
  end if;

  if 'sync_run_log' = any (v_adopted) then
    -- A column of theirs that must be given a value would make every claim fail.
    select string_agg('sync_run_log.' || i.column_name, ', ') into v_conflict
      from information_schema.columns i
     where i.table_schema = 'public' and i.table_name = 'sync_run_log'
       and i.is_nullable = 'NO' and i.column_default is null and i.is_identity = 'NO' and i.is_generated = 'NEVER'
       and not exists (select 1 from jsonb_array_elements(v_columns) e
                        where e ->> 0 = 'sync_run_log' and e ->> 1 = i.column_name
                          and i.column_name in ('id', 'integration_id', 'org_id', 'integration_type', 'scheduled_for',
                                                'idempotency_key', 'trigger', 'status', 'max_attempts'));
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt sync_run_log: % must be given a value and has no default', v_conflict
        using hint = 'Nothing was changed. Give the column a default or allow null, then apply the migration again.';
    end if;
    -- A check of theirs that does not know our states would make a state impossible to record.
    select string_agg(format('sync_run_log.%s (constraint %s)', a.attname, k.conname), ', ') into v_conflict
      from pg_constraint k
      join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
     where k.conrelid = 'public.sync_run_log'::regclass and k.contype = 'c' and a.attname in ('status', 'trigger')
       and not (case a.attname
                  when 'status' then pg_get_constraintdef(k.oid) ~ 'unknown' and pg_get_constraintdef(k.oid) ~ 'skipped'
                                     and pg_get_constraintdef(k.oid) ~ 'pending' and pg_get_constraintdef(k.oid) ~ 'running'
                  else pg_get_constraintdef(k.oid) ~ 'catch_up' and pg_get_constraintdef(k.oid) ~ 'backfill' end);
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt sync_run_log: a check does not allow the states it records: %', v_conflict
        using hint = 'Nothing was changed. Widen or drop the check (states: pending, running, completed, failed, unknown, skipped; triggers: schedule, catch_up, manual, backfill).';
    end if;
    if exists (select 1 from information_schema.columns i where i.table_schema = 'public'
                and i.table_name = 'sync_run_log' and i.column_name = 'status')
       and exists (select 1 from information_schema.columns i where i.table_schema = 'public'
                    and i.table_name = 'sync_run_log' and i.column_name = 'integration_id') then
      execute $sql$select string_agg(distinct integration_id::text, ', ') from (
                 select integration_id from public.sync_run_log where status in ('pending', 'running')
                  group by integration_id having count(*) > 1 limit 5) d$sql$ into v_conflict;
      if v_conflict is not null then
        raise exception 'Sync Scheduler cannot adopt sync_run_log: sync_run_log.status has several live rows for integration %', v_conflict
          using hint = 'Nothing was changed. Finish or delete the extra pending and running rows, then apply the migration again.';
      end if;
    end if;
  end if;

  -- 2. Create what is missing.
  foreach v_table in array v_tables loop
    if not v_table = any (v_adopted) then
      execute format('create table public.%I (id uuid primary key default gen_random_uuid())', v_table);
      execute format('alter table public.%I enable row level security', v_table);
      execute format('revoke all on public.%I from public, anon, authenticated', v_table);
      execute format('grant all on public.%I to service_role', v_table);
    end if;
  end loop;
  for v_column in
    select e ->> 0 as t, e ->> 1 as c, e ->> 2 as type, e ->> 3 as definition, (e ->> 4)::boolean as required
      from jsonb_array_elements(v_columns) with ordinality as x(e, n)
     where not exists (select 1 from information_schema.columns i where i.table_schema = 'public'
                        and i.table_name = e ->> 0 and i.column_name = e ->> 1)
     order by n
  loop
    execute format('alter table public.%I add column %I %s %s %s', v_column.t, v_column.c,
      v_column.type, v_column.definition,
      case when v_column.required and not v_column.t = any (v_adopted) then 'not null' else '' end);
  end loop;
end
$migration$;

comment on column public.organization_integrations.next_run_at is
  'The next slot, UTC, truncated to milliseconds. Null: not computed yet, the next tick does. A due value is a slot even off the cron''s grid.';
comment on column public.organization_integrations.schedule_since is
  'Since when this schedule is in force; its first slot is the first one after this instant.';
comment on column public.sync_run_log.scheduled_for is 'The slot: one instant of the integration''s schedule, in UTC, to the millisecond.';
comment on column public.sync_run_log.started_at is 'When the first attempt was started, by the database clock; drift_ms = started_at - scheduled_for.';
comment on column public.sync_run_log.fenced is 'Whether the function was fenced when the attempt was started: began_at null after the lease is then proof that nothing happened.';
comment on column public.sync_run_log.ambiguous is 'Some attempt may have taken effect without us knowing. Such a run never ends failed.';
comment on column public.sync_run_log.ambiguous_before is 'What ambiguous was when the present attempt was started: proof about this attempt falls back to it.';

-- Due rows without touching the others; rows whose first slot is still to be computed.
create index if not exists organization_integrations_due
  on public.organization_integrations (next_run_at, id) where enabled;
create index if not exists organization_integrations_uncomputed
  on public.organization_integrations (id)
  where enabled and next_run_at is null and schedule_error is null and sync_schedule is not null;

-- The ledger's law: one row per slot, one key per slot, one live row per integration.
create unique index if not exists sync_run_log_slot on public.sync_run_log (integration_id, scheduled_for);
create unique index if not exists sync_run_log_key on public.sync_run_log (idempotency_key);
create unique index if not exists sync_run_log_one_live on public.sync_run_log (integration_id)
  where status in ('pending', 'running') or (status = 'unknown' and released_at is null);
create index if not exists sync_run_log_pending on public.sync_run_log (created_at, id) where status = 'pending';
create index if not exists sync_run_log_running on public.sync_run_log (lease_until) where status = 'running';
create index if not exists sync_run_log_unknown on public.sync_run_log (not_before)
  where status = 'unknown' and released_at is null;
create index if not exists sync_run_log_recent on public.sync_run_log (created_at desc);

-- The append-only history of runs: attempts, transitions, and operators' actions with who and why.
create table public.sync_run_event (
  id bigint generated always as identity primary key,
  run_id uuid,                                        -- null: an action on the integration as a whole
  integration_id uuid not null,
  at timestamptz not null default now(),
  kind text not null,                                 -- claimed, started, began, settled, swept, retried, released, ...
  from_status text,
  to_status text,
  attempt integer,
  actor text,                                         -- an engine id, 'function', 'sweeper', or a person
  reason text,
  detail jsonb
);
create index sync_run_event_run on public.sync_run_event (run_id, id);
create index sync_run_event_integration on public.sync_run_event (integration_id, id) where run_id is null;
create index sync_run_event_at on public.sync_run_event (at);

-- What schedule was in force when: audit recomputes from it.
create table public.sync_schedule_history (
  id bigint generated always as identity primary key,
  integration_id uuid not null,
  schedule_version integer not null,
  schedule text,
  timezone text not null,
  enabled boolean not null,
  "from" timestamptz not null,
  "to" timestamptz                                    -- null: in force now
);
create unique index sync_schedule_history_current on public.sync_schedule_history (integration_id) where "to" is null;
create index sync_schedule_history_span on public.sync_schedule_history (integration_id, "from");

-- Slots passed over, both ends inclusive. A row inside a range wins over it.
create table public.sync_skipped_range (
  id bigint generated always as identity primary key,
  integration_id uuid not null,
  "from" timestamptz not null,
  "to" timestamptz not null,
  count bigint not null check (count >= 1),           -- at least one where only the database saw it (schedule_changed, disabled)
  reason text not null,                               -- superseded, outside_window, catch_up_skip, schedule_changed, disabled
  recorded_at timestamptz not null default now(),
  recorded_by text,
  check ("from" <= "to")
);
create index sync_skipped_range_span on public.sync_skipped_range (integration_id, "from");

-- A request to run past slots again, worked off by ticks, oldest first, without touching next_run_at.
create table public.sync_backfill (
  id uuid primary key default gen_random_uuid(),
  integration_id uuid not null,
  "from" timestamptz not null,
  "to" timestamptz not null,
  cursor timestamptz,                                 -- the last slot handled; null: none yet
  claimed bigint not null default 0,
  status text not null default 'open' check (status in ('open', 'done', 'cancelled')),
  requested_by text not null,
  reason text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  check ("from" <= "to")
);
create index sync_backfill_open on public.sync_backfill (created_at) where status = 'open';

-- What to alert on. One open incident per kind and subject.
create table public.sync_incident (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('drift', 'cold_start', 'missed', 'rescued', 'unknown', 'clock_skew',
                                     'health', 'schedule_error', 'breaker')),
  subject text not null default '',                   -- an integration id, a function name, an engine id
  integration_id uuid,
  run_id uuid,
  opened_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  occurrences bigint not null default 1,
  resolved_at timestamptz,
  notified_at timestamptz,
  resolve_notified_at timestamptz,
  detail jsonb not null default '{}'
);
create unique index sync_incident_open on public.sync_incident (kind, subject) where resolved_at is null;
create index sync_incident_unsent on public.sync_incident (id)
  where notified_at is null or (resolved_at is not null and resolve_notified_at is null);

-- One row per tick: who, when, counts.
create table public.sync_tick (
  id uuid primary key,
  engine_id text not null,
  engine_version text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  clock_skew_ms bigint,
  due integer not null default 0,
  triggered integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  skipped integer not null default 0,
  unresolved integer not null default 0,
  rescued integer not null default 0,
  missed bigint not null default 0,
  cold_starts integer not null default 0,
  summary jsonb
);
create index sync_tick_started on public.sync_tick (started_at desc);

-- What is known of each provider's host; filled by real syncs first, by probes only after silence.
create table public.integration_health (
  provider text not null,
  host text not null,
  status text not null default 'unknown' check (status in ('unknown', 'healthy', 'unhealthy', 'throttled')),
  mode text not null default 'active' check (mode in ('active', 'passive')),
  consecutive_failures integer not null default 0,
  last_sync_at timestamptz,
  last_probe_at timestamptz,
  next_probe_at timestamptz,
  throttled_until timestamptz,
  latency_ms integer,
  http_status integer,
  error_code text,
  detail jsonb not null default '{}',
  updated_at timestamptz not null default now(),
  primary key (provider, host)
);

do $grants$
declare
  v_table text;
begin
  foreach v_table in array array['sync_run_event', 'sync_schedule_history', 'sync_skipped_range', 'sync_backfill',
                                 'sync_incident', 'sync_tick', 'integration_health'] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('revoke all on public.%I from public, anon, authenticated', v_table);
    execute format('grant all on public.%I to service_role', v_table);
  end loop;
end
$grants$;
