-- Creates the tables. An existing table organization_integrations or sync_run_log is adopted: missing columns are added,
-- and nothing else changes. If a column conflicts, the migration reports the column and stops before any change.

do $migration$
declare
  -- Each element is [table, column, type, rest of the column definition, not null (only in a new table), comment].
  v_columns constant jsonb := $columns$[
    ["organization_integrations", "id",                   "uuid",        "default gen_random_uuid()", true],
    ["organization_integrations", "org_id",               "uuid",        "", true,
      "The organisation (tenant) that owns the integration."],
    ["organization_integrations", "integration_type",     "text",        "", true,
      "The kind of integration: xledger, dynamics, ... Sent to the function, and used as a metrics label."],
    ["organization_integrations", "sync_schedule",        "text",        "", false,
      "Cron expression of five or six fields, or a macro such as @daily. Null: the integration runs only when triggered manually."],
    ["organization_integrations", "timezone",             "text",        "default 'UTC'", true,
      "IANA time zone of the schedule, such as Europe/Oslo."],
    ["organization_integrations", "enabled",              "boolean",     "default true", true,
      "False: slots are recorded as skipped and do not run. Enabling the integration does not run past slots."],
    ["organization_integrations", "next_run_at",          "timestamptz", "", false,
      "The next slot, in UTC, truncated to milliseconds. Null: the next tick computes the slot. A due instant is a slot even if the cron expression does not match it."],
    ["organization_integrations", "schedule_version",     "integer",     "default 1", true,
      "Increases whenever schedule_since changes. A claim must contain the current version."],
    ["organization_integrations", "schedule_since",       "timestamptz", "default now()", true,
      "The instant from which the current schedule applies. The schedule's first slot is after this instant."],
    ["organization_integrations", "schedule_error",       "text",        "", false,
      "The reason why the schedule cannot be computed. The integration is not due until its schedule is edited."],
    ["organization_integrations", "catch_up",             "text",        "default 'latest' check (catch_up in ('latest', 'all', 'skip'))", true,
      "Which missed slots run. latest: only the newest; all: every slot inside the window; skip: none."],
    ["organization_integrations", "catch_up_window",      "interval",    "check (catch_up_window > interval '0')", false,
      "With catch_up = all, the maximum age of a missed slot that still runs; null: SYNC_SCHEDULER_CATCH_UP_WINDOW."],
    ["organization_integrations", "max_attempts",         "integer",     "default 3 check (max_attempts between 1 and 100)", true,
      "The maximum number of attempts per run."],
    ["organization_integrations", "invoke_timeout",       "interval",    "check (invoke_timeout between interval '1 second' and interval '1 hour')", false,
      "How long the engine waits for the function; null: SYNC_SCHEDULER_INVOKE_TIMEOUT."],
    ["organization_integrations", "function_name",        "text",        "", false,
      "The Edge Function to invoke, one of SYNC_SCHEDULER_FUNCTIONS; null: SYNC_SCHEDULER_FUNCTION."],
    ["organization_integrations", "on_unknown",           "text",        "default 'retry' check (on_unknown in ('retry', 'hold'))", true,
      "What happens to a run with an unknown outcome. retry: the run is retried with the same key; hold: an operator decides."],
    ["organization_integrations", "fenced",               "boolean",     "default false", true,
      "Whether the function calls begin_sync_run first. If so, the scheduler can prove that a run did nothing."],
    ["organization_integrations", "warm_up",              "boolean",     "default false", true,
      "Whether the engine warms up the function with an OPTIONS request before runs are due."],
    ["organization_integrations", "consecutive_failures", "integer",     "default 0", true,
      "Consecutive failed runs since the last completed run."],
    ["organization_integrations", "breaker_until",        "timestamptz", "", false,
      "The circuit breaker is open until this instant. While the breaker is open, no run starts."],
    ["organization_integrations", "paused_reason",        "text",        "", false,
      "The operator's reason for pausing the integration."],
    ["organization_integrations", "health_url",           "text",        "", false,
      "The URL to probe when no sync has run for a while; null: the default for the integration's type."],
    ["organization_integrations", "health_method",        "text",        "default 'HEAD' check (health_method in ('HEAD', 'GET', 'OPTIONS'))", true,
      "The HTTP method of the probe."],
    ["organization_integrations", "reserved_by",          "text",        "", false,
      "The engine that has fetched the integration but not yet claimed its slot."],
    ["organization_integrations", "reserved_until",       "timestamptz", "", false,
      "No other engine fetches the integration before this instant."],
    ["organization_integrations", "fetch_token",          "uuid",        "", false,
      "The token of the fetch that reserved the integration. A repeated call with this token returns the same row."],
    ["organization_integrations", "config",               "jsonb",       "default '{}'", true,
      "Settings for the function, sent with every run. Must not contain secrets."],
    ["organization_integrations", "created_at",           "timestamptz", "default now()", true],
    ["organization_integrations", "updated_at",           "timestamptz", "default now()", true],
    ["organization_integrations", "org_name",             "text",        "", false,
      "The organisation's name, shown instead of its id."],

    ["sync_run_log", "id",                   "uuid",        "default gen_random_uuid()", true],
    ["sync_run_log", "integration_id",       "uuid",        "", true,
      "The integration's id. Deleting the integration does not delete its runs."],
    ["sync_run_log", "org_id",               "uuid",        "", true,
      "The integration's organisation."],
    ["sync_run_log", "integration_type",     "text",        "", false,
      "The integration's type when the run was claimed."],
    ["sync_run_log", "scheduled_for",        "timestamptz", "", true,
      "The slot: one instant of the integration's schedule, in UTC, to the millisecond."],
    ["sync_run_log", "idempotency_key",      "text",        "", true,
      "<integration_id>:<slot>; every attempt has the same key."],
    ["sync_run_log", "trigger",              "text",        "default 'schedule' check (trigger in ('schedule', 'catch_up', 'manual', 'backfill'))", true,
      "The reason why the run was created: schedule, catch_up, manual or backfill."],
    ["sync_run_log", "status",               "text",        "default 'pending' check (status in ('pending', 'running', 'completed', 'failed', 'unknown', 'skipped'))", true,
      "pending, running, completed, failed, unknown (the run may have taken effect), skipped. Completed rows never change."],
    ["sync_run_log", "skip_reason",          "text",        "", false,
      "The reason why the run was skipped."],
    ["sync_run_log", "attempt",              "integer",     "default 0", true,
      "The number of attempts so far."],
    ["sync_run_log", "max_attempts",         "integer",     "default 3", true,
      "The maximum number of attempts."],
    ["sync_run_log", "claimed_by",           "text",        "", false,
      "The engine that claimed the run or took it over."],
    ["sync_run_log", "claimed_at",           "timestamptz", "", false,
      "When claimed_by took over the pending run; null: claimed_by created the run."],
    ["sync_run_log", "claim_token",          "uuid",        "", false,
      "The token of the claim, or of the fetch that took over the run. A repeated call with this token returns the same response."],
    ["sync_run_log", "lease_token",          "uuid",        "", false,
      "The token of the attempt. Only a call with this token may settle the run."],
    ["sync_run_log", "lease_seconds",        "integer",     "", false,
      "The length of the lease at the start of the attempt, in seconds."],
    ["sync_run_log", "lease_until",          "timestamptz", "", false,
      "The end of the lease. A run that is still running after this instant is swept."],
    ["sync_run_log", "not_before",           "timestamptz", "", false,
      "The earliest start of the next attempt."],
    ["sync_run_log", "created_at",           "timestamptz", "default now()", true,
      "The time of the claim."],
    ["sync_run_log", "started_at",           "timestamptz", "", false,
      "The start of the first attempt, by the database clock; drift_ms = started_at - scheduled_for."],
    ["sync_run_log", "attempt_started_at",   "timestamptz", "", false,
      "The start of the current attempt."],
    ["sync_run_log", "began_at",             "timestamptz", "", false,
      "When begin_sync_run let the function begin."],
    ["sync_run_log", "begin_nonce",          "uuid",        "", false,
      "The nonce of the begin_sync_run call. A repeated call with this nonce is also granted."],
    ["sync_run_log", "heartbeat_at",         "timestamptz", "", false,
      "The last heartbeat of the function."],
    ["sync_run_log", "finished_at",          "timestamptz", "", false,
      "When the outcome was recorded."],
    ["sync_run_log", "released_at",          "timestamptz", "", false,
      "When the unknown run was released. A released run does not block later slots."],
    ["sync_run_log", "drift_ms",             "bigint",      "", false,
      "Milliseconds from the slot to the first start."],
    ["sync_run_log", "duration_ms",          "bigint",      "", false,
      "The duration of the last attempt, in milliseconds."],
    ["sync_run_log", "cold_start",           "boolean",     "default false", true,
      "Whether the tick's first request to the function was a cold start."],
    ["sync_run_log", "warm_up_ms",           "integer",     "", false,
      "The duration of the tick's first request to the function, in milliseconds."],
    ["sync_run_log", "http_status",          "integer",     "", false,
      "The HTTP status of the last response."],
    ["sync_run_log", "error_code",           "text",        "", false,
      "A stable error code; see docs/reference/errors.md."],
    ["sync_run_log", "error_message",        "text",        "check (octet_length(error_message) <= 2048)", false,
      "The error and how to fix it; at most 2 KiB."],
    ["sync_run_log", "response",             "jsonb",       "", false,
      "The function's JSON response, or only its size if it exceeds 64 KiB."],
    ["sync_run_log", "fenced",               "boolean",     "default false", true,
      "Whether the function was fenced when the attempt started. If so, a null began_at after the lease proves that the function did nothing."],
    ["sync_run_log", "ambiguous",            "boolean",     "default false", true,
      "Whether an attempt may have taken effect without its outcome being recorded. Such a run never becomes failed."],
    ["sync_run_log", "ambiguous_before",     "boolean",     "default false", true,
      "The value of ambiguous when the current attempt started, restored if the attempt provably did nothing."],
    ["sync_run_log", "api_provider",         "text",        "", false],
    ["sync_run_log", "api_host",             "text",        "", false,
      "The host of the accounting API that the run uses, if known. api_provider and api_host identify a row of integration_health."],
    ["sync_run_log", "delay_reason",         "text",        "", false,
      "The reason why a pending run waits until not_before: api_throttled or api_limit. Null: no API delays the run."]
  ]$columns$;
  -- The types accepted in an adopted column, for each declared type.
  v_compatible constant jsonb := $types${
    "uuid": ["uuid"], "text": ["text", "character varying"], "boolean": ["boolean"],
    "timestamptz": ["timestamp with time zone"], "interval": ["interval"], "jsonb": ["jsonb"],
    "integer": ["integer", "bigint"], "bigint": ["bigint", "integer"]
  }$types$;
  -- The minimum lengths of adopted varchar columns. Errors and reasons are truncated to the column length.
  v_lengths constant jsonb := $lengths${
    "sync_run_log.idempotency_key": 61, "sync_run_log.status": 9, "sync_run_log.trigger": 8,
    "sync_run_log.skip_reason": 20, "sync_run_log.claimed_by": 200, "sync_run_log.error_code": 32,
    "sync_run_log.error_message": 64, "organization_integrations.schedule_error": 64,
    "organization_integrations.paused_reason": 64, "sync_run_log.api_provider": 64, "sync_run_log.api_host": 253,
    "sync_run_log.delay_reason": 13
  }$lengths$;
  -- The columns that a claim sets. No other column may be NOT NULL without a default.
  v_given constant text[] := array['id', 'integration_id', 'org_id', 'integration_type', 'scheduled_for', 'idempotency_key',
                                   'trigger', 'status', 'attempt', 'max_attempts', 'created_at'];
  -- The columns that the scheduler sets to null. They must be nullable.
  v_nulled constant jsonb := $nulled${
    "organization_integrations": ["next_run_at", "schedule_error", "breaker_until", "paused_reason", "reserved_by", "reserved_until",
      "fetch_token"],
    "sync_run_log": ["skip_reason", "claimed_by", "claimed_at", "claim_token", "lease_token", "lease_seconds", "lease_until", "not_before",
      "started_at", "attempt_started_at", "began_at", "begin_nonce", "heartbeat_at", "finished_at", "released_at", "drift_ms",
      "duration_ms", "warm_up_ms", "http_status", "error_code", "error_message", "response", "api_provider", "api_host",
      "delay_reason"]
  }$nulled$;
  -- For each column of sync_run_log, the values that the project's own check constraints must allow.
  v_values constant jsonb := $values${
    "status": ["pending", "running", "completed", "failed", "unknown", "skipped"],
    "trigger": ["schedule", "catch_up", "manual", "backfill"],
    "attempt": ["0", "1", "100"], "max_attempts": ["1", "101"]
  }$values$;
  -- If any of these relations already exists, the migration stops.
  v_relations constant text[] := array[
    'integration_health', 'sync_backfill', 'sync_function_warmth', 'sync_incident', 'sync_run_event',
    'sync_schedule_history', 'sync_scheduler_status', 'sync_skipped_range', 'sync_tick', 'integration_health_throttled',
    'sync_api_hold', 'sync_api_hold_expires',
    'organization_integrations_apis', 'organization_integrations_due', 'organization_integrations_uncomputed', 'organization_integrations_org',
    'organization_integrations_warm_up', 'sync_backfill_integration', 'sync_backfill_open',
    'sync_incident_integration', 'sync_incident_open', 'sync_incident_resolved', 'sync_incident_run',
    'sync_incident_unsent', 'sync_run_event_at', 'sync_run_event_integration', 'sync_run_event_run',
    'sync_run_log_by_slot', 'sync_run_log_completed', 'sync_run_log_key', 'sync_run_log_one_live',
    'sync_run_log_pending', 'sync_run_log_recent', 'sync_run_log_running', 'sync_run_log_slot',
    'sync_run_log_trouble', 'sync_run_log_unknown', 'sync_schedule_history_current', 'sync_schedule_history_span',
    'sync_skipped_range_span', 'sync_skipped_range_to', 'sync_tick_started'];
  v_functions constant text[] := array[
    'begin_sync_run', 'cancel_sync_backfill', 'claim_sync_probes', 'claim_sync_runs', 'complete_sync_run',
    'finish_sync_tick', 'heartbeat_sync_run', 'mark_sync_alerts', 'open_sync_tick', 'pause_integration',
    'fetch_sync_work', 'prune_sync_history', 'read_due_integrations', 'read_pending_runs', 'read_sync_activity', 'read_sync_apis',
    'read_sync_audit', 'read_sync_backfills', 'read_sync_diagnosis', 'read_sync_figures',
    'read_sync_invocation', 'read_sync_names', 'read_sync_run', 'read_sync_runs', 'read_sync_schema', 'read_sync_status', 'read_sync_story',
    'read_upcoming_warm_ups', 'record_function_contact', 'record_sync_probe', 'redeem_sync_ticket',
    'release_sync_claims', 'release_sync_run', 'request_sync_backfill', 'resume_integration', 'retry_sync_run',
    'revert_sync_starts', 'settle_sync_runs', 'start_sync_runs', 'sweep_sync_runs', 'take_sync_alerts',
    'trigger_sync_run'];
  v_tables constant text[] := array['organization_integrations', 'sync_run_log'];
  v_adopted text[] := array(
    select t from unnest(v_tables) t where to_regclass('public.' || t) is not null
  );
  v_theirs jsonb;                                     -- existing columns: [{t, c, type, length, not_null, has_default, generated}]
  v_table text;
  v_conflict text;
  v_column record;
  v_allowed boolean;
begin
  -- 1. Check everything before the first change.
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
    raise exception 'Sync Scheduler cannot be installed because these objects already exist: %', v_conflict
      using hint = 'Nothing was changed. If only some migrations have been applied, sync-scheduler doctor prints the command that applies the rest. If all migrations have been applied but the Data API does not find their functions, run: notify pgrst, ''reload schema'';';
  end if;

  foreach v_table in array v_adopted loop
    if (select c.relkind from pg_class c where c.oid = to_regclass('public.' || v_table)) <> 'r' then
      raise exception 'Sync Scheduler cannot adopt %: it must be an ordinary table', v_table
        using hint = 'Nothing was changed. A view, a foreign table or a partitioned table cannot have the unique indexes that claims need.';
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
        when not (v_compatible -> w.type) ? i.type then format('%s.%s is %s, but Sync Scheduler needs %s', w.t, w.c, i.shown, w.type)
        when i.type = 'character varying' and i.typmod - 4 < (v_lengths ->> (w.t || '.' || w.c))::integer and i.typmod > 0
          then format('%s.%s is %s, but Sync Scheduler needs at least %s characters', w.t, w.c, i.shown, v_lengths ->> (w.t || '.' || w.c))
        when i.type = 'timestamp with time zone' and i.typmod between 0 and 2
          then format('%s.%s is %s, but Sync Scheduler needs milliseconds', w.t, w.c, i.shown)
        when i.generated then format('%s.%s is generated, but Sync Scheduler must write it', w.t, w.c)
        when i.not_null and (v_nulled -> w.t) ? w.c then format('%s.%s is not null, but Sync Scheduler must be able to set it to null', w.t, w.c)
      end as what
      -- org_name may have any type, because it is only read as text.
      from (select e ->> 0 as t, e ->> 1 as c, e ->> 2 as type from jsonb_array_elements(v_columns) e
             where e ->> 1 <> 'org_name') w
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
      raise exception 'Sync Scheduler cannot adopt an existing table: % is missing', v_conflict
        using hint = 'Nothing was changed. Add the column (org_id uuid, integration_type text) and fill it, then apply the migration again.';
    end if;
  end if;

  if 'sync_run_log' = any (v_adopted) then
    select string_agg('sync_run_log.' || i.c, ', ') into v_conflict
      from jsonb_to_recordset(v_theirs) as i(t text, c text, not_null boolean, has_default boolean)
     where i.t = 'sync_run_log' and i.not_null and not i.has_default and not i.c = any (v_given);
    if v_conflict is not null then
      raise exception 'Sync Scheduler cannot adopt sync_run_log: % is not null and has no default', v_conflict
        using hint = 'Nothing was changed. Give the column a default or allow null, then apply the migration again.';
    end if;
    -- A check on one column is tested with every value. A check on several columns must mention every value.
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
        raise exception 'Sync Scheduler cannot adopt sync_run_log: a check constraint rejects a value that Sync Scheduler records: sync_run_log.% = % (constraint %)',
          v_column.c, v_column.value, v_column.conname
          using hint = 'Nothing was changed. Widen or drop the check (states: pending, running, completed, failed, unknown, skipped; triggers: schedule, catch_up, manual, backfill).';
      end if;
    end loop;
    -- Existing rows must satisfy the unique indexes created below.
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

  -- 2. Create missing tables and columns.
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
     where not v_theirs @> jsonb_build_array(jsonb_build_object('t', e -> 0, 'c', e -> 1))
       and not (e ->> 1 = 'id' and not e ->> 0 = any (v_adopted))
     order by n
  loop
    execute format('alter table public.%I add column %I %s %s %s', v_column.t, v_column.c,
      v_column.type, v_column.definition,
      case when v_column.required and not v_column.t = any (v_adopted) then 'not null' else '' end);
  end loop;
  -- Keep the project's own column comments.
  for v_column in
    select e ->> 0 as t, e ->> 1 as c, e ->> 5 as meaning from jsonb_array_elements(v_columns) e where e ->> 5 is not null
  loop
    if col_description(('public.' || v_column.t)::regclass, (
         select a.attnum from pg_attribute a
          where a.attrelid = ('public.' || v_column.t)::regclass and a.attname = v_column.c)) is null then
      execute format('comment on column public.%I.%I is %L', v_column.t, v_column.c, v_column.meaning);
    end if;
  end loop;
end
$migration$;

-- Limits the size of rows, so that an oversized row cannot slow down other runs. row_fault checks the same limits.
-- A row of an adopted table may exceed the limits. A tick rejects such a row when it is due.
do $bounds$
declare
  v_table text;
begin
  alter table public.organization_integrations add constraint organization_integrations_bounds check (
    octet_length(integration_type) <= 200 and octet_length(sync_schedule) <= 1000 and octet_length(timezone) <= 100
    and octet_length(function_name) <= 200 and octet_length(health_url) <= 2000 and octet_length(paused_reason) <= 4000
    and octet_length(config::text) <= 262144
    and next_run_at between '1900-01-01Z' and '9000-01-01Z' and schedule_since between '1900-01-01Z' and '9000-01-01Z'
    and breaker_until between '1900-01-01Z' and '9000-01-01Z' and catch_up_window <= interval '10 years') not valid;
  alter table public.sync_run_log add constraint sync_run_log_bounds check (
    octet_length(integration_type) <= 200 and octet_length(error_code) <= 200 and octet_length(response::text) <= 131072
    and scheduled_for between '1900-01-01Z' and '9000-01-01Z' and not_before between '1900-01-01Z' and '9000-01-01Z'
    and lease_until between '1900-01-01Z' and '9000-01-01Z') not valid;
  foreach v_table in array array['organization_integrations', 'sync_run_log'] loop
    begin
      execute format('alter table public.%I validate constraint %I', v_table, v_table || '_bounds');
    exception when check_violation then
      raise notice 'Some rows of % exceed the limits of their columns. sync-scheduler doctor lists them.', v_table;
    end;
  end loop;
end
$bounds$;

create index organization_integrations_due
  on public.organization_integrations (next_run_at, id) where enabled;
create index organization_integrations_uncomputed
  on public.organization_integrations (id)
  where enabled and next_run_at is null and schedule_error is null and sync_schedule is not null;

-- For look-ups by organisation, and for checking whether the project has several organisations.
create index organization_integrations_org on public.organization_integrations (org_id) where enabled;

create index organization_integrations_warm_up on public.organization_integrations (next_run_at)
  where enabled and warm_up;
create index organization_integrations_apis on public.organization_integrations
  (integration_type, (coalesce(health_url, '')), (coalesce(health_method, 'HEAD'))) where enabled;

create unique index sync_run_log_slot on public.sync_run_log (integration_id, scheduled_for);
create unique index sync_run_log_key on public.sync_run_log (idempotency_key);
create unique index sync_run_log_one_live on public.sync_run_log (integration_id)
  where status in ('pending', 'running') or (status = 'unknown' and released_at is null);

create index sync_run_log_pending on public.sync_run_log (created_at, id) where status = 'pending';
create index sync_run_log_running on public.sync_run_log (lease_until) where status = 'running';
create index sync_run_log_unknown on public.sync_run_log (not_before)
  where status = 'unknown' and released_at is null;
create index sync_run_log_recent on public.sync_run_log (created_at desc);

create index sync_run_log_by_slot on public.sync_run_log (scheduled_for desc, id desc);
create index sync_run_log_trouble on public.sync_run_log (scheduled_for desc, id desc) where status in ('failed', 'unknown', 'skipped');
create index sync_run_log_completed on public.sync_run_log (integration_id, scheduled_for desc) where status = 'completed';

-- The append-only history of runs and operator actions.
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

-- One row for each schedule that an integration has had. The audit recomputes slots from this table.
create table public.sync_schedule_history (
  id bigint generated always as identity primary key,
  integration_id uuid not null,
  schedule_version integer not null,
  schedule text,
  timezone text not null,
  enabled boolean not null,
  "from" timestamptz not null,
  "to" timestamptz,                                   -- null: the current schedule
  -- The integration's next_run_at at the start of the period. This instant is a slot even if the expression does not match it.
  -- Null: the first slot is the expression's first match after `since`.
  first_slot timestamptz,
  since timestamptz
);
create unique index sync_schedule_history_current on public.sync_schedule_history (integration_id) where "to" is null;
create index sync_schedule_history_span on public.sync_schedule_history (integration_id, "from");

-- Ranges of skipped slots; both ends are inclusive. A run inside a range takes precedence over the range.
create table public.sync_skipped_range (
  id bigint generated always as identity primary key,
  integration_id uuid not null,
  "from" timestamptz not null,
  "to" timestamptz not null,
  -- The exact number of slots, unless the reason is schedule_changed, disabled or gone. For these reasons,
  -- 1 means at least one slot and 0 means an unknown number, because SQL cannot evaluate cron expressions.
  count bigint not null check (count >= 0),
  reason text not null,                               -- superseded, outside_window, catch_up_skip, schedule_changed, disabled, gone
  recorded_at timestamptz not null default now(),
  recorded_by text,
  check ("from" <= "to")
);
create index sync_skipped_range_span on public.sync_skipped_range (integration_id, "from");
create index sync_skipped_range_to on public.sync_skipped_range ("to");

-- Requests to create runs for past slots. Ticks claim these slots, oldest first, without changing next_run_at.
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
  cancelled_by text,
  cancel_reason text,
  check ("from" <= "to")
);
comment on column public.sync_backfill."to" is 'The end of the period, exclusive.';
create index sync_backfill_open on public.sync_backfill (created_at) where status = 'open';
create index sync_backfill_integration on public.sync_backfill (integration_id, created_at) where status = 'open';

-- Conditions that trigger an alert. At most one incident per kind and subject is open at any time.
create table public.sync_incident (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('drift', 'cold_start', 'missed', 'rescued', 'unknown', 'clock_skew',
                                     'health', 'schedule_error', 'breaker', 'stuck', 'rejected', 'failing',
                                     'retrying')),
  subject text not null default '',                   -- an integration id, a function name, an engine id
  integration_id uuid,
  run_id uuid,
  opened_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  occurrences bigint not null default 1,
  resolved_at timestamptz,
  notified_at timestamptz,
  resolve_notified_at timestamptz,
  detail jsonb not null default '{}',
  -- The receiver accepted the opening message at notified_at, and the recovery message at resolve_notified_at.
  alert_transition text check (alert_transition in ('opened', 'resolved')), -- the message claimed last
  alert_claimed_by text,                              -- the engine that is sending the message
  alert_claimed_until timestamptz,                    -- any engine may send the message after this instant
  alert_attempts integer not null default 0,
  alert_not_before timestamptz,
  alert_error text,
  alert_gave_up text check (alert_gave_up in ('opened', 'resolved')),
  alert_gave_up_at timestamptz
);
comment on column public.sync_incident.alert_gave_up is
  'The abandoned message. Either the receiver rejected every attempt, or the incident ended more than a day before the message was sent.';
create unique index sync_incident_open on public.sync_incident (kind, subject) where resolved_at is null;
create index sync_incident_resolved on public.sync_incident (resolved_at) where resolved_at is not null;
create index sync_incident_integration on public.sync_incident (integration_id, id);
create index sync_incident_run on public.sync_incident (run_id) where run_id is not null;
create index sync_incident_unsent on public.sync_incident (id)
  where (resolved_at is null and notified_at is null and alert_gave_up is null)
     or (resolved_at is not null and resolve_notified_at is null and alert_gave_up is distinct from 'resolved');

-- One row per tick.
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
  summary jsonb,
  -- False: the tick failed or did not record an outcome. Null: the tick is still in progress, or its engine died.
  ok boolean generated always as ((summary ->> 'ok')::boolean) stored
);
create index sync_tick_started on public.sync_tick (started_at desc);

-- The health of each accounting API. Each row represents a provider and a host.
-- Probes determine the health if no sync has run for a while.
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
  since timestamptz not null default now(),           -- the time of the last status change
  passive_until timestamptz,                          -- no probe is sent before this instant
  throttles integer not null default 0,               -- consecutive throttles; a day without a throttle resets the count
  last_throttled_at timestamptz,
  probe_token uuid,
  probing_until timestamptz,
  probes bigint not null default 0,
  primary key (provider, host)
);
comment on table public.integration_health is
  'The health of each accounting API, from syncs and probes. throttled: the API has throttled several organisations or a probe. All runs that use the API then wait for at most a minute, and no probe is sent until passive_until. A host with a path comes from an integration''s health_url.';
create index integration_health_throttled on public.integration_health (throttled_until) where throttled_until is not null;

-- One row for each organisation that a vendor throttles at a host.
create table public.sync_api_hold (
  provider text not null,
  host text not null,
  org_id uuid not null,
  throttled_until timestamptz,                        -- no run starts before this instant
  start_limit integer not null default 1 check (start_limit > 0), -- the number of concurrent runs after throttled_until
  limit_ceiling integer not null default 5,           -- the hold ends when start_limit reaches this value
  limited_until timestamptz,                          -- the organisation's quota is low until this instant
  told_at timestamptz not null,                       -- the time of the vendor's last throttling response
  expires_at timestamptz not null,                    -- the hold ends no later than this instant
  primary key (provider, host, org_id)
);
comment on table public.sync_api_hold is
  'Organisations that a vendor throttles. The runs of such an organisation at the host wait until throttled_until. After that, at most start_limit of these runs are concurrent.';
create index sync_api_hold_expires on public.sync_api_hold (expires_at);

-- The durations of cold and warm first requests to each function. Warm-ups that save no time are paused.
create table public.sync_function_warmth (
  function_name text primary key,                     -- '(default)': the function in SYNC_SCHEDULER_FUNCTION
  cold_count bigint not null default 0,
  warm_count bigint not null default 0,
  failed_count bigint not null default 0,
  cold_ms double precision,                           -- moving averages over the requests that got a response
  warm_ms double precision,
  measured_since timestamptz not null default now(),
  paused_until timestamptz,                           -- no warm-ups until this instant; then the measurement restarts
  verdict text,                                       -- why warm-ups are paused
  updated_at timestamptz not null default now()
);

-- Row level security without policies: only the scheduler's functions and the service key have access.
do $grants$
declare
  v_table text;
  v_sequence text;
begin
  foreach v_table in array array['sync_run_event', 'sync_schedule_history', 'sync_skipped_range', 'sync_backfill',
                                 'sync_incident', 'sync_tick', 'integration_health', 'sync_api_hold', 'sync_function_warmth'] loop
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

-- The schema for private helpers. Every migration ends with three statements: revoke access to these functions,
-- write the schema version into the schema's comment, and make PostgREST reload its schema cache.
create schema sync_scheduler;
revoke all on schema sync_scheduler from public;

create function sync_scheduler.schema_version() returns text language sql stable
  return substring(obj_description('sync_scheduler'::regnamespace, 'pg_namespace') from '[0-9]{14}');

-- Returns the schema version of the oldest supported engine. An older engine claims nothing and reports the incompatibility.
-- A migration that is incompatible with older engines redefines this function.
create function sync_scheduler.engines_from() returns text language sql immutable return '20261129001000';

-- Returns {schema_version, engines_from}: the newest migration's version, and the schema version of the oldest supported engine.
create function public.read_sync_schema() returns jsonb
  language sql stable security definer set search_path = pg_catalog, pg_temp
  return jsonb_build_object('schema_version', sync_scheduler.schema_version(), 'engines_from', sync_scheduler.engines_from());

-- Unused tickets. Only digests are stored, so read access to the table is not enough to redeem a ticket.
create table sync_scheduler.ticket (
  digest bytea primary key,
  expires_at timestamptz not null
);
alter table sync_scheduler.ticket enable row level security;
revoke all on sync_scheduler.ticket from public, anon, authenticated;
create index ticket_expires_at on sync_scheduler.ticket (expires_at);

revoke all on function public.read_sync_schema() from public, anon, authenticated;
grant execute on function public.read_sync_schema() to service_role;

revoke all on all functions in schema sync_scheduler from public, anon, authenticated;
comment on schema sync_scheduler is 'Private helpers of Sync Scheduler; everything callable is in public. Schema version 20261129000100.';
notify pgrst, 'reload schema';
