-- Tables of Sync Scheduler. Two of them, organization_integrations and sync_run_log, may already exist in a
-- project: what they share with ours is checked first, missing columns are added, and nothing else of theirs
-- is touched. A conflict stops the migration before its first change and names the column.

do $migration$
declare
  -- One line a column: table, column, type, rest of the definition, whether a table of our own has it NOT NULL, a comment.
  v_columns constant jsonb := $columns$[
    ["organization_integrations", "id",                   "uuid",        "default gen_random_uuid()", true],
    ["organization_integrations", "org_id",               "uuid",        "",                          true],
    ["organization_integrations", "integration_type",     "text",        "",                          true],
    ["organization_integrations", "sync_schedule",        "text",        "",                          false],
    ["organization_integrations", "timezone",             "text",        "default 'UTC'",             true],
    ["organization_integrations", "enabled",              "boolean",     "default true",              true],
    ["organization_integrations", "next_run_at",          "timestamptz", "",                          false,
      "The next slot, UTC, truncated to milliseconds. Null: not computed yet, the next tick does. A due value is a slot even off the cron's grid."],
    ["organization_integrations", "schedule_version",     "integer",     "default 1",                 true],
    ["organization_integrations", "schedule_since",       "timestamptz", "default now()",             true,
      "Since when this schedule is in force; its first slot is the first one after this instant."],
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
    ["sync_run_log", "scheduled_for",      "timestamptz", "",                          true,
      "The slot: one instant of the integration's schedule, in UTC, to the millisecond."],
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
    ["sync_run_log", "started_at",         "timestamptz", "",                          false,
      "When the first attempt was started, by the database clock; drift_ms = started_at - scheduled_for."],
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
    ["sync_run_log", "fenced",             "boolean",     "default false",             true,
      "Whether the function was fenced when the attempt was started: began_at null after the lease is then proof that nothing happened."],
    ["sync_run_log", "ambiguous",          "boolean",     "default false",             true,
      "Some attempt may have taken effect without us knowing. Such a run never ends failed."],
    ["sync_run_log", "ambiguous_before",   "boolean",     "default false",             true,
      "What ambiguous was when the present attempt was started: proof about this attempt falls back to it."]
  ]$columns$;
  -- Types that our functions read and write without loss; the first of each is what we create.
  v_compatible constant jsonb := $types${
    "uuid": ["uuid"], "text": ["text", "character varying"], "boolean": ["boolean"],
    "timestamptz": ["timestamp with time zone"], "interval": ["interval"], "jsonb": ["jsonb"],
    "integer": ["integer", "bigint"], "bigint": ["bigint", "integer"]
  }$types$;
  -- The shortest varchar that holds what we write; errors and reasons are cut to what there is.
  v_lengths constant jsonb := $lengths${
    "sync_run_log.idempotency_key": 61, "sync_run_log.status": 9, "sync_run_log.trigger": 8,
    "sync_run_log.skip_reason": 20, "sync_run_log.claimed_by": 200, "sync_run_log.error_code": 32,
    "sync_run_log.error_message": 64, "organization_integrations.schedule_error": 64,
    "organization_integrations.paused_reason": 64
  }$lengths$;
  -- Columns that a claim gives a value: only they may be NOT NULL without a default.
  v_given constant text[] := array['id', 'integration_id', 'org_id', 'integration_type', 'scheduled_for', 'idempotency_key',
                                   'trigger', 'status', 'attempt', 'max_attempts', 'created_at'];
  -- Columns that we set to null in the course of a run or of an edit: they must allow it.
  v_nulled constant jsonb := $nulled${
    "organization_integrations": ["next_run_at", "schedule_error", "breaker_until", "paused_reason"],
    "sync_run_log": ["skip_reason", "claimed_by", "claim_token", "lease_token", "lease_seconds", "lease_until", "not_before",
      "started_at", "attempt_started_at", "began_at", "begin_nonce", "heartbeat_at", "finished_at", "released_at", "drift_ms",
      "duration_ms", "warm_up_ms", "http_status", "error_code", "error_message", "response"]
  }$nulled$;
  -- Values that a check of theirs on one of these columns must allow.
  v_values constant jsonb := $values${
    "status": ["pending", "running", "completed", "failed", "unknown", "skipped"],
    "trigger": ["schedule", "catch_up", "manual", "backfill"],
    "attempt": ["0", "1", "100"], "max_attempts": ["1", "101"]
  }$values$;
  -- What we create beside the two tables. It must not be there yet.
  v_relations constant text[] := array[
    'sync_run_event', 'sync_schedule_history', 'sync_skipped_range', 'sync_backfill', 'sync_incident', 'sync_tick',
    'integration_health', 'organization_integrations_due', 'organization_integrations_uncomputed', 'sync_run_log_slot',
    'sync_run_log_key', 'sync_run_log_one_live', 'sync_run_log_pending', 'sync_run_log_running', 'sync_run_log_unknown',
    'sync_run_log_recent'];
  v_functions constant text[] := array[
    'read_due_integrations', 'claim_sync_runs', 'release_sync_claims', 'start_sync_runs', 'settle_sync_runs',
    'begin_sync_run', 'heartbeat_sync_run', 'complete_sync_run', 'sweep_sync_runs', 'read_pending_runs',
    'prune_sync_history', 'open_sync_tick', 'finish_sync_tick', 'retry_sync_run', 'release_sync_run',
    'trigger_sync_run', 'pause_integration', 'resume_integration'];
  v_tables constant text[] := array['organization_integrations', 'sync_run_log'];
  v_adopted text[] := array(
    select t from unnest(v_tables) t where to_regclass('public.' || t) is not null
  );
  v_theirs jsonb;                                     -- their columns: [{t, c, type, length, not_null, has_default, generated}]
  v_table text;
  v_conflict text;
  v_column record;
  v_allowed boolean;
begin
  -- 1. Check, before anything is changed.
  select string_agg(d.what, ', ') into v_conflict from (
    select 'relation public.' || c.relname as what from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relname = any (v_relations)
    union all
    select distinct 'function public.' || p.proname from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.proname = any (v_functions)
    union all
    select 'schema sync_scheduler' from pg_namespace n where n.nspname = 'sync_scheduler'
  ) d;
  if v_conflict is not null then
    raise exception 'Sync Scheduler cannot be installed: it is already there, or its names are taken: %', v_conflict
      using hint = 'Nothing was changed.';
  end if;

  foreach v_table in array v_adopted loop
    if (select c.relkind from pg_class c where c.oid = to_regclass('public.' || v_table)) <> 'r' then
      raise exception 'Sync Scheduler cannot adopt %: it must be an ordinary table', v_table
        using hint = 'Nothing was changed. A view, a foreign or a partitioned table cannot carry the unique indexes that make a claim safe.';
    end if;
  end loop;

  select coalesce(jsonb_agg(jsonb_build_object('t', c.relname, 'c', a.attname, 'type', format_type(a.atttypid, null),
           'shown', format_type(a.atttypid, a.atttypmod), 'typmod', a.atttypmod, 'not_null', a.attnotnull,
           'has_default', a.atthasdef or a.attidentity <> '', 'generated', a.attgenerated <> '' or a.attidentity = 'a')), '[]')
    into v_theirs
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   where c.relnamespace = 'public'::regnamespace and c.relname = any (v_adopted);

  select string_agg(d.what, '; ') into v_conflict from (
    select case
        when not (v_compatible -> w.type) ? i.type then format('%s.%s is %s, Sync Scheduler needs %s', w.t, w.c, i.shown, w.type)
        when i.type = 'character varying' and i.typmod - 4 < (v_lengths ->> (w.t || '.' || w.c))::integer and i.typmod > 0
          then format('%s.%s is %s, Sync Scheduler needs at least %s characters', w.t, w.c, i.shown, v_lengths ->> (w.t || '.' || w.c))
        when i.type = 'timestamp with time zone' and i.typmod between 0 and 2
          then format('%s.%s is %s, Sync Scheduler needs milliseconds', w.t, w.c, i.shown)
        when i.generated then format('%s.%s is generated, Sync Scheduler must write it', w.t, w.c)
        when i.not_null and (v_nulled -> w.t) ? w.c then format('%s.%s is not null, Sync Scheduler must be able to set it to null', w.t, w.c)
      end as what
      from (select e ->> 0 as t, e ->> 1 as c, e ->> 2 as type from jsonb_array_elements(v_columns) e) w
      join jsonb_to_recordset(v_theirs) as i(t text, c text, type text, shown text, typmod integer, not_null boolean,
                                             generated boolean) on i.t = w.t and i.c = w.c
  ) d;
  if v_conflict is not null then
    raise exception 'Sync Scheduler cannot adopt an existing table: %', v_conflict
      using hint = 'Nothing was changed. Alter or rename the column, then apply the migration again.';
  end if;

  foreach v_table in array v_adopted loop
    if not exists (
      select 1 from pg_index x
       where x.indrelid = to_regclass('public.' || v_table) and x.indisunique and x.indisvalid and x.indpred is null
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
     where not v_theirs @> jsonb_build_array(jsonb_build_object('t', 'organization_integrations', 'c', w.c));
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt an existing table: it has no %', v_conflict
        using hint = 'Nothing was changed. Add the column (org_id uuid, integration_type text) and fill it, then apply the migration again.';
    end if;
  end if;

  if 'sync_run_log' = any (v_adopted) then
    -- A column of theirs that must be given a value would make every claim fail.
    select string_agg('sync_run_log.' || i.c, ', ') into v_conflict
      from jsonb_to_recordset(v_theirs) as i(t text, c text, not_null boolean, has_default boolean)
     where i.t = 'sync_run_log' and i.not_null and not i.has_default and not i.c = any (v_given);
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt sync_run_log: % must be given a value and has no default', v_conflict
        using hint = 'Nothing was changed. Give the column a default or allow null, then apply the migration again.';
    end if;
    -- A check of theirs that does not know our states would make a state impossible to record. One on a single column is
    -- tried with every value; one on several must name them all.
    for v_column in
      select a.attname as c, format_type(a.atttypid, a.atttypmod) as type, k.conname, cardinality(k.conkey) as width,
             pg_get_expr(k.conbin, k.conrelid) as expression, v.value #>> '{}' as value
        from pg_constraint k
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
       cross join lateral jsonb_array_elements(v_values -> a.attname::text) v
       where k.conrelid = 'public.sync_run_log'::regclass and k.contype = 'c' and v_values ? a.attname::text
       order by k.conname, a.attnum
    loop
      if v_column.width = 1 then
        execute format('select (%s) is not false from (select %L::%s as %I) v', v_column.expression, v_column.value,
          v_column.type, v_column.c) into v_allowed;
      else
        v_allowed := v_column.c in ('attempt', 'max_attempts') or v_column.expression ~ v_column.value;
      end if;
      if not v_allowed then
        raise exception 'Sync Scheduler cannot adopt sync_run_log: a check does not allow the states it records: sync_run_log.% = % (constraint %)',
          v_column.c, v_column.value, v_column.conname
          using hint = 'Nothing was changed. Widen or drop the check (states: pending, running, completed, failed, unknown, skipped; triggers: schedule, catch_up, manual, backfill).';
      end if;
    end loop;
    -- Rows that break the ledger's law: one live row per integration, one row per slot, one row per key.
    for v_column in
      select * from (values
        ('status', array['status', 'integration_id'], 'integration_id',
         format('status in (''pending'', ''running'', ''unknown'') and integration_id is not null%s',
           case when v_theirs @> '[{"t": "sync_run_log", "c": "released_at"}]'
                then ' and (status <> ''unknown'' or released_at is null)' end),
         'has several live rows (pending, running, unknown) for integration'),
        ('scheduled_for', array['scheduled_for', 'integration_id'], 'integration_id, scheduled_for',
         'integration_id is not null and scheduled_for is not null', 'has several rows for the slot'),
        ('idempotency_key', array['idempotency_key'], 'idempotency_key', 'idempotency_key is not null', 'is not unique:')
      ) as law(c, needs, key, condition, says)
    loop
      continue when exists (select 1 from unnest(v_column.needs) n
                             where not v_theirs @> jsonb_build_array(jsonb_build_object('t', 'sync_run_log', 'c', n)));
      execute format('select string_agg(d.key, ''; '') from (select concat_ws('' at '', %s) as key from public.sync_run_log
                       where %s group by %s having count(*) > 1 limit 5) d', v_column.key, v_column.condition, v_column.key)
        into v_conflict;
      if v_conflict is not null then
        raise exception 'Sync Scheduler cannot adopt sync_run_log: sync_run_log.% % %', v_column.c, v_column.says, v_conflict
          using hint = 'Nothing was changed. Finish or delete the extra rows, then apply the migration again.';
      end if;
    end loop;
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
    select e ->> 0 as t, e ->> 1 as c, e ->> 2 as type, e ->> 3 as definition, (e ->> 4)::boolean as required,
           e ->> 5 as meaning
      from jsonb_array_elements(v_columns) with ordinality as x(e, n)
     where not v_theirs @> jsonb_build_array(jsonb_build_object('t', e -> 0, 'c', e -> 1))
       and not (e ->> 1 = 'id' and not e ->> 0 = any (v_adopted))
     order by n
  loop
    execute format('alter table public.%I add column %I %s %s %s', v_column.t, v_column.c,
      v_column.type, v_column.definition,
      case when v_column.required and not v_column.t = any (v_adopted) then 'not null' else '' end);
    if v_column.meaning is not null then
      execute format('comment on column public.%I.%I is %L', v_column.t, v_column.c, v_column.meaning);
    end if;
  end loop;
end
$migration$;

-- Due rows without touching the others; rows whose first slot is still to be computed.
create index organization_integrations_due
  on public.organization_integrations (next_run_at, id) where enabled;
create index organization_integrations_uncomputed
  on public.organization_integrations (id)
  where enabled and next_run_at is null and schedule_error is null and sync_schedule is not null;

-- The ledger's law: one row per slot, one key per slot, one live row per integration.
create unique index sync_run_log_slot on public.sync_run_log (integration_id, scheduled_for);
create unique index sync_run_log_key on public.sync_run_log (idempotency_key);
create unique index sync_run_log_one_live on public.sync_run_log (integration_id)
  where status in ('pending', 'running') or (status = 'unknown' and released_at is null);
create index sync_run_log_pending on public.sync_run_log (created_at, id) where status = 'pending';
create index sync_run_log_running on public.sync_run_log (lease_until) where status = 'running';
create index sync_run_log_unknown on public.sync_run_log (not_before)
  where status = 'unknown' and released_at is null;
create index sync_run_log_recent on public.sync_run_log (created_at desc);

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
  -- schedule_changed, disabled, gone: only the database saw it, and it cannot read crons. Then 1 means at least one, and
  -- 0 not known, perhaps none (no next slot had been computed yet).
  count bigint not null check (count >= 0),
  reason text not null,                               -- superseded, outside_window, catch_up_skip, schedule_changed, disabled, gone
  recorded_at timestamptz not null default now(),
  recorded_by text,
  check ("from" <= "to")
);
create index sync_skipped_range_span on public.sync_skipped_range (integration_id, "from");
create index sync_skipped_range_to on public.sync_skipped_range ("to");

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
create index sync_incident_resolved on public.sync_incident (resolved_at) where resolved_at is not null;
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

-- Row level security without a policy: only the service key, which bypasses it, and our functions get in.
do $grants$
declare
  v_table text;
  v_sequence text;
begin
  foreach v_table in array array['sync_run_event', 'sync_schedule_history', 'sync_skipped_range', 'sync_backfill',
                                 'sync_incident', 'sync_tick', 'integration_health'] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('revoke all on public.%I from public, anon, authenticated', v_table);
    execute format('grant all on public.%I to service_role', v_table);
    for v_sequence in
      select d.objid::regclass::text from pg_depend d join pg_class c on c.oid = d.objid and c.relkind = 'S'
       where d.refobjid = ('public.' || v_table)::regclass and d.deptype = 'i'
    loop
      execute format('revoke all on sequence %s from public, anon, authenticated', v_sequence);
    end loop;
  end loop;
end
$grants$;
