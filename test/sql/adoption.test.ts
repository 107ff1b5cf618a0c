import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { SQL } from "bun"
import { connect, createDatabase, type PostgresServer } from "../support/Postgres.ts"
import { readMigrations, runScripts } from "../support/PostgresTemplate.ts"
import { type Row, SLOW, servers } from "./Ledger.ts"
import { list } from "./RunFixture.ts"

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

/** An existing project's table, with varchar and bigint columns, extra columns, RLS and rows. */
const integrations = `
  create table public.organizations (id uuid primary key);
  insert into public.organizations values ('${id(9)}');
  create table public.organization_integrations (
    id uuid primary key, org_id uuid not null references public.organizations, integration_type varchar(40) not null,
    sync_schedule varchar(100), enabled boolean default true, max_attempts bigint, config jsonb, created_at timestamptz,
    secret_ref text not null default 'vault', nickname text);
  comment on column public.organization_integrations.sync_schedule is 'theirs';
  alter table public.organization_integrations enable row level security;
  create policy members on public.organization_integrations for select to authenticated using (nickname is not null);
  insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, created_at, nickname) values
    ('${id(1)}', '${id(9)}', 'xledger', '0 2 * * *', '2025-01-01', 'books'),
    ('${id(2)}', '${id(9)}', 'dynamics', '* * * * *', '2025-01-02', null);`
const runLog = `
  create table public.sync_run_log (
    id uuid primary key, integration_id uuid references public.organization_integrations on delete cascade,
    status varchar(20) not null default 'running', started_at timestamptz, finished_at timestamptz, duration_ms integer,
    attempt bigint, error_message varchar(500), error_code varchar(40), rows_synced integer not null default 0,
    constraint known check (status in ('pending', 'running', 'completed', 'failed', 'unknown', 'skipped', 'success')));
  insert into public.sync_run_log (id, integration_id, status, started_at) values
    ('${id(11)}', '${id(1)}', 'success', '2026-01-01'), ('${id(12)}', '${id(1)}', 'running', '2026-01-02'),
    ('${id(13)}', '${id(2)}', 'failed', '2026-01-02');`

/** Everything in the catalog that a migration could change. */
const catalog = `
  select 'column' as kind, c.relname || '.' || a.attname as name,
         concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) as what
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
  union all select 'comment', c.relname || '.' || a.attname, col_description(c.oid, a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   where c.relnamespace = 'public'::regnamespace and col_description(c.oid, a.attnum) is not null
  union all select 'class', relname, concat_ws(' ', relkind, relacl::text, relrowsecurity, relforcerowsecurity)
    from pg_class where relnamespace = 'public'::regnamespace
  union all select 'constraint', conname, pg_get_constraintdef(oid) from pg_constraint
   where connamespace = 'public'::regnamespace and contype <> 'n'
  union all select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
    join pg_class i on i.oid = indexrelid where i.relnamespace = 'public'::regnamespace
  union all select 'function', oid::regprocedure::text, coalesce(proacl::text, '') from pg_proc where pronamespace = 'public'::regnamespace
  union all select 'trigger', tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all select 'policy', policyname, concat_ws(' ', tablename, roles::text, cmd, qual) from pg_policies
  union all select 'schema', nspname, coalesce(nspacl::text, '') from pg_namespace where nspname !~ '^pg_'
  order by 1, 2, 3`

for (const { title, open } of servers) {
  describe(`adopting tables, on ${title}`, () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await open()
    }, SLOW)

    const project = async (tables: string) => {
      const database = await createDatabase({ migrations: false, sql: tables, server })
      const sql = connect(database.url, { max: 2 })
      opened.push(async () => {
        await sql.close({ timeout: 0 })
        await database.drop()
      })
      const rows = async (query: string): Promise<ReadonlyArray<Row>> => {
        const found = await sql.unsafe(`select to_jsonb(q) as row from (${query}) q`)
        return found.map((each: { row: Row }) => each.row)
      }
      return { sql, rows, migrate: () => runScripts(database.url, readMigrations()) }
    }
    const opened: Array<() => Promise<void>> = []
    afterAll(async () => {
      for (const close of opened) await close()
    })

    test(
      "adds missing objects, changes nothing else, and works",
      async () => {
        const { sql, rows, migrate } = await project(`${integrations}${runLog}`)
        const theirs = (relation: string, columns: string) =>
          rows(`select ${columns} from public.${relation} order by id`)
        const before = [
          await rows(catalog),
          await theirs(
            "organization_integrations",
            "id, org_id, integration_type, sync_schedule, enabled, config, created_at, nickname"
          ),
          await theirs(
            "sync_run_log",
            "id, integration_id, status, started_at, finished_at, duration_ms, attempt, error_message, rows_synced"
          )
        ]
        await migrate()
        const after = [
          await rows(catalog),
          await theirs(
            "organization_integrations",
            "id, org_id, integration_type, sync_schedule, enabled, config, created_at, nickname"
          ),
          await theirs(
            "sync_run_log",
            "id, integration_id, status, started_at, finished_at, duration_ms, attempt, error_message, rows_synced"
          )
        ]
        expect(after.slice(1)).toEqual(before.slice(1))
        const kept = new Set(after[0]?.map((row) => JSON.stringify(row)))
        for (const row of before[0] ?? [])
          expect([row, kept.has(JSON.stringify(row))]).toEqual([row, true])

        expect(
          await rows(
            `select integration_id as i, schedule, "from" from public.sync_schedule_history order by 1`
          )
        ).toMatchObject([
          { i: id(1), schedule: "0 2 * * *", from: expect.stringContaining("2025-01-01") },
          { i: id(2), schedule: "* * * * *", from: expect.stringContaining("2025-01-02") }
        ])
        const call = async (text: string): Promise<Row> =>
          (await sql.unsafe(`select public.${text} as answer`))[0]?.answer
        // The project inserted a running row without a slot or key. The scheduler releases this row and never runs it.
        const tick = await call("open_sync_tick(gen_random_uuid(), 'e1')")
        expect(tick.swept).toMatchObject({ expired: 1, released: 1 })
        expect(list(tick.integrations)).toHaveLength(2)
        expect(list(tick.integrations)[0]).toMatchObject({
          next_run_at: null,
          schedule_version: 1,
          catch_up: "latest"
        })
        const claimed =
          await call(`claim_sync_runs('e1', gen_random_uuid(), (select jsonb_agg(jsonb_build_object(
        'integration_id', id, 'org_id', org_id, 'schedule_version', 1, 'scheduled_for', now() - interval '40 days',
        'next_run_at', now() + interval '1 day')) from public.organization_integrations))`)
        expect(claimed.skipped).toEqual([])
        const starts = list(claimed.claimed).map(({ run_id }) => ({
          run_id,
          lease_token: run_id,
          lease_seconds: 60
        }))
        const started = await call(`start_sync_runs('e1', '${JSON.stringify(starts)}')`)
        expect(list(started.started)).toHaveLength(2)
        const results = starts.map((start) => ({
          ...start,
          outcome: "failed",
          error_code: "X".repeat(90),
          error_message: "å".repeat(900)
        }))
        const settled = await call(`settle_sync_runs('e1', '${JSON.stringify(results)}')`)
        expect(list(settled.settled).map(({ status }) => status)).toEqual(["failed", "failed"])
        const [row] = await rows(
          "select length(error_message) as m, length(error_code) as c, drift_ms from public.sync_run_log where attempt = 1 limit 1"
        )
        expect(row).toMatchObject({ m: 500, c: 40 })
        expect(Number(row?.drift_ms)).toBeGreaterThan(2 ** 31)
        const members = await sql.begin(async (transaction) => {
          await transaction.unsafe("set local role authenticated")
          return transaction.unsafe("select id from public.organization_integrations")
        })
        expect([...members]).toEqual([{ id: id(1) }])
      },
      SLOW
    )

    test(
      "stores durations in integer columns",
      async () => {
        const { sql, rows, migrate } = await project(`${integrations}
        create table public.sync_run_log (id uuid primary key default gen_random_uuid(), drift_ms integer, duration_ms integer)`)
        await migrate()
        await sql
          .unsafe(`
        insert into public.sync_run_log (id, integration_id, scheduled_for, idempotency_key, status)
        values ('${id(21)}', '${id(1)}', now() - interval '60 days', 'k', 'pending');
        select public.start_sync_runs('e1', '[{"run_id": "${id(21)}", "lease_token": "${id(21)}", "lease_seconds": 60}]')`)
          .simple()
        expect(await rows("select status, drift_ms from public.sync_run_log")).toEqual([
          { status: "running", drift_ms: 2147483647 }
        ])
      },
      SLOW
    )

    test(
      "deletes old adopted runs with retention, and a copy keeps them",
      async () => {
        const dated = runLog.replace(
          "started_at timestamptz,",
          "started_at timestamptz, created_at timestamptz,"
        )
        const { sql, rows, migrate } = await project(`${integrations}${dated}
          update public.sync_run_log set status = 'completed', created_at = now() - interval '500 days' where id = '${id(12)}';
          update public.sync_run_log set created_at = now() - interval '100 days' where id = '${id(13)}'`)
        await migrate()
        await sql.unsafe(`create table sync_run_log_archive as
          select * from sync_run_log where created_at < now() - interval '390 days'`)
        await sql.unsafe("select prune_sync_history()")
        const ids = (table: string) => rows(`select id from public.${table} order by id`)
        // Retention keeps the run that has no creation time.
        expect(await ids("sync_run_log")).toEqual([{ id: id(11) }, { id: id(13) }])
        expect(await ids("sync_run_log_archive")).toEqual([{ id: id(12) }])
      },
      SLOW
    )

    test(
      "reports a null enabled or time zone, and doctor counts them",
      async () => {
        const { rows, migrate } = await project(`
          create table public.organization_integrations (id uuid primary key, org_id uuid not null, integration_type text not null,
            sync_schedule text, timezone text, enabled boolean);
          insert into public.organization_integrations (id, org_id, integration_type, sync_schedule, timezone, enabled) values
            ('${id(1)}', '${id(9)}', 'xledger', '0 2 * * *', null, null), ('${id(2)}', '${id(9)}', 'xledger', '0 2 * * *', null, true),
            ('${id(3)}', '${id(9)}', 'xledger', '0 2 * * *', 'Europe/Oslo', false);`)
        await migrate()
        const integration = (n: number) => `q.status #> '{integrations,${n}}'`
        const shown = await rows(`
          select ${integration(0)} ->> 'enabled' as e, ${integration(0)} ->> 'schedule_error' as why,
                 ${integration(1)} ->> 'timezone_is_set' as zone, ${integration(1)} ->> 'schedule_error' as none,
                 ${integration(2)} ->> 'enabled' as paused
            from (select public.read_sync_status() as status) q`)
        expect(shown).toEqual([
          {
            e: "true",
            why: "enabled is null: set it to true or false",
            zone: "false",
            none: null,
            paused: "false"
          }
        ])
        expect(
          await rows(
            `select public.read_sync_diagnosis(array[]::text[]) -> 'integrations' as found`
          )
        ).toEqual([
          { found: { enabled: 1, disabled: 1, undecided: 1, zoneless: 1, unscheduled: 0 } }
        ])
      },
      SLOW
    )

    test(
      "works if only one of the two tables exists",
      async () => {
        const { rows, migrate } = await project(
          `create table public.sync_run_log (id uuid primary key, org_id uuid, note text)`
        )
        await migrate()
        expect(
          await rows(`select relname, relrowsecurity as rls from pg_class where oid in
        ('public.sync_run_log'::regclass, 'public.organization_integrations'::regclass) order by 1`)
        ).toEqual([
          { relname: "organization_integrations", rls: true },
          { relname: "sync_run_log", rls: false }
        ])
      },
      SLOW
    )

    const log = (columns: string, rest = "") => `${integrations}
      create table public.sync_run_log (id uuid primary key, integration_id uuid, ${columns}); ${rest}`
    const conflicts: ReadonlyArray<readonly [title: string, tables: string, named: string]> = [
      [
        "a wrong type",
        log("status text, attempt text"),
        "sync_run_log.attempt is text, but Sync Scheduler needs integer"
      ],
      [
        "an enum",
        `create type public.run_status as enum ('pending'); ${log("status public.run_status")}`,
        "sync_run_log.status is run_status"
      ],
      [
        "a domain",
        `create domain public.state as text check (value <> 'x'); ${log("status public.state")}`,
        "sync_run_log.status is state"
      ],
      [
        "a time without zone",
        log("started_at timestamp"),
        "sync_run_log.started_at is timestamp without time zone"
      ],
      [
        "a time of whole seconds",
        log("scheduled_for timestamptz(0)"),
        "sync_run_log.scheduled_for is timestamp(0) with time zone, but Sync Scheduler needs milliseconds"
      ],
      [
        "a short varchar",
        log("idempotency_key varchar(40)"),
        "sync_run_log.idempotency_key is character varying(40), but Sync Scheduler needs at least 61 characters"
      ],
      [
        "a generated column",
        log("idempotency_key text generated always as ('k') stored"),
        "sync_run_log.idempotency_key is generated"
      ],
      [
        "a required column of the project",
        log("rows_synced integer not null"),
        "sync_run_log.rows_synced is not null and has no default"
      ],
      [
        "a shared column that we clear",
        log("finished_at timestamptz not null default now()"),
        "sync_run_log.finished_at is not null"
      ],
      [
        "a check without our states",
        log("status text check (status in ('running', 'completed', 'failed'))"),
        "sync_run_log.status = pending (constraint sync_run_log_status_check)"
      ],
      [
        "a check without our triggers",
        log("trigger text check (trigger in ('schedule', 'manual'))"),
        "sync_run_log.trigger = catch_up"
      ],
      [
        "a check that counts from one",
        log("attempt integer check (attempt > 0)"),
        "sync_run_log.attempt = 0"
      ],
      [
        "a check over two columns",
        log("status text, done boolean, check (status <> 'failed' or done)"),
        "sync_run_log.status = "
      ],
      [
        "two live rows",
        log(
          "status text",
          `insert into public.sync_run_log values ('${id(1)}', '${id(3)}', 'running'), ('${id(2)}', '${id(3)}', 'unknown')`
        ),
        `sync_run_log.status has several live rows (pending, running, unknown) for integration ${id(3)}`
      ],
      [
        "two rows for a slot",
        log(
          "scheduled_for timestamptz",
          `insert into public.sync_run_log values ('${id(1)}', '${id(3)}', '2026-01-01Z'), ('${id(2)}', '${id(3)}', '2026-01-01Z')`
        ),
        "sync_run_log.scheduled_for has several rows for the slot"
      ],
      [
        "a key twice",
        log(
          "idempotency_key text",
          `insert into public.sync_run_log values ('${id(1)}', '${id(3)}', 'k'), ('${id(2)}', '${id(4)}', 'k')`
        ),
        "sync_run_log.idempotency_key is not unique: k"
      ],
      [
        "no primary key",
        `${integrations} create table public.sync_run_log (id uuid, status text)`,
        "cannot adopt sync_run_log: column id must exist and be its primary key"
      ],
      [
        "no id",
        `${integrations} create table public.sync_run_log (status text)`,
        "column id must exist"
      ],
      [
        "an id that is no uuid",
        `${integrations} create table public.sync_run_log (id bigint primary key)`,
        "sync_run_log.id is bigint"
      ],
      [
        "a view",
        `${integrations} create view public.sync_run_log as select id from public.organization_integrations`,
        "cannot adopt sync_run_log: it must be an ordinary table"
      ],
      [
        "a partitioned table",
        `${integrations} create table public.sync_run_log (id uuid primary key) partition by hash (id)`,
        "cannot adopt sync_run_log: it must be an ordinary table"
      ],
      [
        "integrations without an organisation",
        "create table public.organization_integrations (id uuid primary key, integration_type text)",
        "organization_integrations.org_id is missing"
      ],
      [
        "integrations that must have a next slot",
        "create table public.organization_integrations (id uuid primary key, org_id uuid, integration_type text, next_run_at timestamptz not null)",
        "organization_integrations.next_run_at is not null"
      ],
      [
        "a schedule of another kind",
        "create table public.organization_integrations (id uuid primary key, org_id uuid, integration_type text, sync_schedule jsonb)",
        "organization_integrations.sync_schedule is jsonb, but Sync Scheduler needs text"
      ],
      [
        "an API's host of another kind",
        log("api_host inet", ""),
        "sync_run_log.api_host is inet, but Sync Scheduler needs text"
      ],
      [
        "a reason for a delay that must be given",
        log("delay_reason text not null default ''", ""),
        "sync_run_log.delay_reason is not null"
      ],
      ["a taken table name", "create table public.sync_tick (n int)", "relation public.sync_tick"],
      [
        "a taken index name",
        `${integrations}${runLog} create index sync_run_log_slot on public.sync_run_log (status)`,
        "relation public.sync_run_log_slot"
      ],
      [
        "a taken function name",
        "create function public.retry_sync_run(n int) returns int language sql as 'select 1'",
        "function public.retry_sync_run"
      ],
      ["a taken schema", "create schema sync_scheduler", "schema sync_scheduler"]
    ]
    for (const [subject, tables, named] of conflicts) {
      test(`stops at ${subject}, names it, and changes nothing`, async () => {
        const { rows, migrate } = await project(tables)
        const before = await rows(catalog)
        const said = await migrate().then(
          () => "migrated",
          (error: unknown) => (error instanceof Error ? [error.message, causeOf(error)] : [])
        )
        expect(said).toEqual([
          expect.stringContaining(named),
          expect.stringContaining("Nothing was changed.")
        ])
        expect(await rows(catalog)).toEqual(before)
      })
    }

    test(
      "checks the names of exactly those objects that the migrations create",
      async () => {
        const { rows, migrate } = await project("")
        await migrate()
        const made = await rows(`
          select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'i')
             and relname !~ '_pkey$' and relname not in ('organization_integrations', 'sync_run_log')
          union select proname from pg_proc p where pronamespace = 'public'::regnamespace
             and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by 1`)
        const [first] = readMigrations()
        const lists =
          /v_relations constant[\s\S]*?v_tables constant/.exec(first?.text ?? "")?.[0] ?? ""
        const named = [...lists.matchAll(/'(\w+)'/g)].map(([, name]) => name)
        expect(named.toSorted()).toEqual(made.map(({ name }) => String(name)).toSorted())
      },
      SLOW
    )

    test(
      "says so when it is applied a second time, and changes nothing",
      async () => {
        const { rows, migrate } = await project("")
        await migrate()
        const before = await rows(catalog)
        expect(migrate()).rejects.toThrow("cannot be installed because these objects already exist")
        await migrate().catch(() => undefined)
        expect(await rows(catalog)).toEqual(before)
      },
      SLOW
    )
  })
}

const causeOf = (error: Error): unknown =>
  error.cause instanceof SQL.PostgresError ? error.cause.hint : undefined
