import { expect, test } from "bun:test"
import { onEachServer } from "./Ledger.ts"

// From the catalog, so that no function, table or role can be forgotten.
const ours = `
  select p.oid, p.oid::regprocedure::text as signature, p.prosecdef, p.proconfig, p.proname,
         (select string_agg('null::' || format_type(t, null), ', ' order by n)
            from unnest(p.proargtypes::oid[]) with ordinality a(t, n)) as nulls
    from pg_proc p
   where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
   order by 2`

onEachServer(
  "who may do what",
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

    test("there are the functions that the contract names", async () => {
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

    test("every function is refused to anon and to authenticated, and open to the service key", async () => {
      for (const { signature, proname, nulls } of await functions()) {
        const call = `select public.${proname}(${nulls ?? ""})`
        const answers = [await as("anon", call), await as("authenticated", call)]
        expect([signature, ...answers]).toEqual([signature, "42501", "42501"])
        // It may object to the arguments, but not to who asks.
        expect([signature, await as("service_role", call)]).not.toContain("42501")
      }
    })

    test("every function runs as its owner, with no search path", async () => {
      for (const { signature, prosecdef, proconfig } of await functions()) {
        expect([signature, prosecdef, proconfig]).toEqual([
          signature,
          true,
          expect.arrayContaining(['search_path=""'])
        ])
      }
      const inside = await ledger().rows(`
      select p.oid::regprocedure::text as signature from pg_proc p
       where p.pronamespace = 'sync_scheduler'::regnamespace and p.proname <> 'clock'
         -- Either a search path of its own, or a body that was parsed when it was made.
         and not coalesce('search_path=""' = any (p.proconfig), p.prosqlbody is not null)`)
      expect(inside).toEqual([])
    })

    test("the private schema is out of reach, for everybody but the owner", async () => {
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

    test("no table or sequence can be read or written by anon or authenticated; RLS is on everywhere", async () => {
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
