import { afterAll, beforeAll, expect, test } from "bun:test"
import { type Project, startProject } from "../support/Project.ts"

/** PostgREST before 16 endlessly retries a call that fails with 40001. */
let project: Project
beforeAll(async () => {
  project = await startProject()
}, 60_000)
afterAll(() => project.close())

test("every function that can write reports 40P01 in place of 40001", async () => {
  const open = await project.sql`
    select p.proname from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.provolatile = 'v' and p.prosrc ~ 'sync_scheduler'
       and p.prosrc !~ 'exception when serialization_failure then\n  raise deadlock_detected using message = sqlerrm;\nend\n$'`
  expect([...open]).toEqual([])
})

test.each(["P0001", "40001"])(
  "if a trigger of the project raises %s for one row, calls end and the other rows run",
  async (state) => {
    const project = await startProject()
    const [bad = ""] = await project.seedDue(1)
    await project.seedDue(3)
    await project.sql
      .unsafe(`
      create function public.refuse() returns trigger language plpgsql as $$
      begin
        if new.integration_id = '${bad}' then
          raise exception 'the remote server said no' using errcode = '${state}';
        end if;
        return new;
      end $$;
      create trigger refuse before insert on public.sync_run_log for each row execute function public.refuse();`)
      .simple()
    const wanting = project.sql`select trigger_sync_run(${bad}, 'kari', 'again')`
    const refused = await wanting.catch((error: { errno: string }) => error.errno)
    expect(refused).toBe(state === "40001" ? "40P01" : state)

    const summary = await project.tick("supabase-js")
    const reason = state === "40001" ? "locked" : "rejected"
    expect(summary).toMatchObject({ completed: 3, skips: [{ integration_id: bad, reason }] })
    expect(project.gateway.faults.repeated).toBe(0)
    await project.close()
  },
  90_000
)
