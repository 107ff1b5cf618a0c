import { expect, test } from "bun:test"
import { randomUUID } from "node:crypto"
import { connect } from "../support/Postgres.ts"
import { onEachServer } from "./Ledger.ts"

const SEARCH_PATH = "search_path=pg_catalog, pg_temp"
/** The settings that `sync_scheduler.set_call_settings()` gives every function. */
const CALL_SETTINGS = [
  "default_transaction_isolation=read committed",
  "statement_timeout=25s",
  "TimeZone=UTC"
]

// Reads the catalog, so that no function, table or role is missed.
const ours = `
  select p.oid, p.oid::regprocedure::text as signature, p.prosecdef, p.proconfig, p.proname,
         (select string_agg('null::' || format_type(t, null), ', ' order by n)
            from unnest(p.proargtypes::oid[]) with ordinality a(t, n)) as nulls
    from pg_proc p
   where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
   order by 2`

onEachServer(
  "the permissions",
  (ledger) => {
    const as = async (role: string, statement: string): Promise<string> => {
      const asked = ledger().sql.begin(async (transaction) => {
        await transaction.unsafe(`set local role ${role}`)
        await transaction.unsafe(statement)
        throw new Error("allowed")
      })
      return asked.then(
        () => "allowed",
        (error: unknown) =>
          error instanceof Error && "errno" in error ? String(error.errno) : String(error)
      )
    }
    const functions = () => ledger().rows(ours)

    test("the functions include those of the contract", async () => {
      expect((await functions()).map(({ proname }) => proname)).toEqual(
        expect.arrayContaining([
          ...["begin_sync_run", "claim_sync_runs", "complete_sync_run", "finish_sync_tick"],
          ...["heartbeat_sync_run", "open_sync_tick", "pause_integration", "prune_sync_history"],
          ...[
            "read_due_integrations",
            "read_pending_runs",
            "release_sync_claims",
            "release_sync_run"
          ],
          ...["resume_integration", "retry_sync_run", "settle_sync_runs", "start_sync_runs"],
          ...["sweep_sync_runs", "trigger_sync_run"]
        ])
      )
    })

    test("every function is closed to anon and authenticated, and open to the service key", async () => {
      for (const { signature, proname, nulls } of await functions()) {
        const call = `select public.${proname}(${nulls ?? ""})`
        const answers = [await as("anon", call), await as("authenticated", call)]
        expect([signature, ...answers]).toEqual([signature, "42501", "42501"])
        expect([signature, await as("service_role", call)]).not.toContain("42501")
      }
    })

    test("every function runs as its owner, with pg_catalog first and pg_temp last in its search_path", async () => {
      for (const { signature, prosecdef, proconfig } of await functions()) {
        expect([signature, prosecdef, proconfig]).toEqual([
          signature,
          true,
          expect.arrayContaining([SEARCH_PATH, ...CALL_SETTINGS])
        ])
      }
      const inside = await ledger().rows(`
      select p.oid::regprocedure::text as signature from pg_proc p
       where p.pronamespace = 'sync_scheduler'::regnamespace and p.proname <> 'clock'
         -- A function has this search path, or none if its body was parsed when the function was created.
         and case when exists (select from unnest(p.proconfig) c where c like 'search_path=%')
               then not '${SEARCH_PATH}' = any (p.proconfig) else p.prosqlbody is null end`)
      expect(inside).toEqual([])
      const views = await ledger().rows(`
      select relname from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace
         and not coalesce('security_invoker=true' = any (reloptions), false)`)
      expect(views).toEqual([])
    })

    test("a role's own types in pg_temp are not used, so their checks do not run as the owner", async () => {
      const role = `app_${randomUUID().slice(0, 8)}`
      const integration = await ledger().integration()
      const admin = connect(ledger().adminUrl, { max: 1 })
      const session = connect(ledger().adminUrl, { max: 1 })
      await admin
        .unsafe(`
        create role ${role} nologin;
        grant usage on schema public to ${role};
        grant select, update on public.organization_integrations to ${role};
        create policy their_own on public.organization_integrations to ${role} using (id = '${integration}');`)
        .simple()
      try {
        await session.unsafe(`set session authorization ${role}`)
        for (const type of ["timestamptz", "text", "jsonb", "uuid"]) {
          await session
            .unsafe(`
            create function pg_temp.spy(pg_catalog.${type}) returns boolean language plpgsql as
              $$ begin perform set_config('spy.ran_as', current_user, false); return true; end $$;
            create domain pg_temp.${type} as pg_catalog.${type} check (pg_temp.spy(value));`)
            .simple()
        }
        const edited = await session.unsafe(
          `update public.organization_integrations set sync_schedule = '0 3 * * *', enabled = false
            where id = '${integration}' returning schedule_version::int as version`
        )
        expect(edited.map(({ version }: { version: number }) => version)).toEqual([2])
        const [{ user }] = await session.unsafe(
          `select current_setting('spy.ran_as', true) as "user"`
        )
        expect(user).toBeNull()
      } finally {
        await session.close()
        await admin
          .unsafe(`
          drop policy their_own on public.organization_integrations;
          drop owned by ${role};
          drop role ${role};`)
          .simple()
        await admin.close()
      }
    })

    test("the private schema is accessible only to its owner", async () => {
      for (const role of ["anon", "authenticated", "service_role"]) {
        expect(await as(role, "select sync_scheduler.clock()")).toBe("42501")
        expect(
          await as(role, "select sync_scheduler.raise_incident('drift', '', null, null, null)")
        ).toBe("42501")
      }
      const open = await ledger().rows(`
      select p.oid::regprocedure::text as signature, r.role from pg_proc p, unnest(array['anon', 'authenticated']) r(role)
       where p.pronamespace = 'sync_scheduler'::regnamespace and has_function_privilege(r.role, p.oid, 'execute')`)
      expect(open).toEqual([])
    })

    test("anon and authenticated cannot access any table or sequence, and RLS is on everywhere", async () => {
      const tables = await ledger().rows(`
      select c.relname as name, c.relrowsecurity as rls from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`)
      expect(tables.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          ...["integration_health", "organization_integrations", "sync_backfill", "sync_incident"],
          ...[
            "sync_run_event",
            "sync_run_log",
            "sync_schedule_history",
            "sync_skipped_range",
            "sync_tick"
          ]
        ])
      )
      for (const { name, rls } of tables) {
        expect([name, rls]).toEqual([name, true])
        for (const role of ["anon", "authenticated"]) {
          for (const statement of [
            `select from public.${name}`,
            `insert into public.${name} default values`,
            `delete from public.${name}`,
            `truncate public.${name}`
          ]) {
            expect([role, statement, await as(role, statement)]).toEqual([role, statement, "42501"])
          }
        }
        expect(await as("service_role", `select from public.${name}`)).toContain("allowed")
      }
      const open = await ledger().rows(`
      select c.relname, r.role, p.what from pg_class c, unnest(array['anon', 'authenticated']) r(role),
             unnest(array['select', 'usage', 'update']) p(what)
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and has_sequence_privilege(r.role, c.oid, p.what)`)
      expect(open).toEqual([])
      expect(await ledger().rows("select * from pg_policies where schemaname = 'public'")).toEqual(
        []
      )
    })
  },
  { adopted: false }
)
