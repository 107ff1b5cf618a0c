import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { ok, status } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { runBinary } from "../support/runBinary.ts"

const throttled = status(429, { executed: false, error: "slow down" }, { "Retry-After": "60" })

let project: Project
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())
beforeEach(async () => {
  await project.sql
    .unsafe(
      "truncate sync_run_log, sync_incident, sync_tick; delete from organization_integrations"
    )
    .simple()
})

/** While `use` runs, a project's own trigger rejects rows of the type `bad`. */
const withTrigger = async (
  table: string,
  when: string,
  raise: string,
  use: () => Promise<void>
): Promise<void> => {
  await project.sql
    .unsafe(`create function public.owners() returns trigger language plpgsql as $$
      begin if new.integration_type = 'bad' then ${raise}; end if; return new; end $$;
      create trigger owners before ${when} on public.${table} for each row execute function public.owners()`)
    .simple()
  try {
    await use()
  } finally {
    await project.sql
      .unsafe(`drop trigger owners on public.${table}; drop function public.owners()`)
      .simple()
  }
}

const incidents = async (): Promise<number> => {
  const [row] =
    await project.sql`select count(*)::int as n from sync_incident where kind = 'rejected' and resolved_at is null`
  return row.n
}

describe.each(["direct", "supabase-js"] as const)("over %s", (mechanism) => {
  for (const [table, when] of [
    ["organization_integrations", "update"],
    ["sync_run_log", "insert"]
  ] as const) {
    for (const [name, raise] of [
      ["an exception", "raise exception 'not today'"],
      ["a name that its search path does not find", "perform * from nowhere_to_be_found"]
    ] as const) {
      test(`150 rows for which a trigger before ${when} of ${table} raises ${name} block no other row, and each is reported`, async () => {
        await project.seedDue(150, {
          integration_type: "'bad'",
          next_run_at: "now() - interval '1 hour'"
        })
        await project.seedDue(20)
        await withTrigger(table, when, raise, async () => {
          const summary = await project.tick(mechanism)
          expect(summary).toMatchObject({ ok: true, completed: 20, failed: 0 })
          expect(new Set(summary.errors.map(({ code }) => code)).size).toBe(1)
          expect(summary.errors[0]?.message).toMatch(/not today|nowhere_to_be_found/)
          expect(await incidents()).toBeGreaterThan(50)
        })
        expect(await project.statuses()).toEqual({ completed: 20 })
      }, 60_000)
    }
  }

  test("rows of an adopted table beyond the size limits block no other row, and each is reported", async () => {
    await project.sql`alter table organization_integrations drop constraint organization_integrations_bounds`
    try {
      const big = "repeat('x', 17000000)"
      for (const column of ["sync_schedule", "timezone", "function_name"]) {
        await project.seedDue(1, { [column]: big, next_run_at: "now() - interval '1 hour'" })
      }
      await project.seedDue(1, { config: `jsonb_build_object('x', ${big})` })
      await project.seedDue(150, { next_run_at: "'0044-03-15 00:00:00+00 BC'" })
      await project.seedDue(150, { next_run_at: "null", schedule_since: "'infinity'" })
      await project.seedDue(20)
      const summary = await project.tick(mechanism)
      expect(summary).toMatchObject({ ok: true, completed: 20, failed: 0 })
      const named = summary.errors.map(({ message }) => message).join("\n")
      for (const column of ["sync_schedule", "timezone", "function_name", "config"]) {
        expect(named).toContain(`${column} has 170000`)
      }
      expect(named).toContain("schedule_since")
      // A due date in the BC era is replaced by the next future slot.
      const [row] = await project.sql`
        select count(*)::int as n from organization_integrations where next_run_at < now() - interval '1 day'`
      expect(row.n).toBe(0)
    } finally {
      await project.sql`delete from organization_integrations`
      await project.sql.unsafe(
        "alter table organization_integrations add constraint organization_integrations_bounds check (true)"
      )
    }
  }, 60_000)
})

test("a rejected row shows its reason in the tick, status, explain and check until its next claim succeeds", async () => {
  const env = { ...project.environment, SUPABASE_DB_URL: project.database.url }
  const [id = ""] = await project.seedDue(1, { integration_type: "'bad'" })
  const reason = 'relation "nowhere_to_be_found" does not exist'
  const read = async (...args: ReadonlyArray<string>) => (await runBinary(args, { env })).stdout
  const raise = "perform * from nowhere_to_be_found"
  await withTrigger("organization_integrations", "update", raise, async () => {
    const { code, stderr } = await runBinary(["run"], { env })
    expect(code).toBe(3)
    expect(stderr).toContain(reason)
    expect(stderr).toContain("the trigger or constraint that rejects it")
    expect(await read("status")).toContain(`the database rejects it: 42P01: ${reason}`)
    const explained = await read("explain", id)
    expect(explained).toContain(`No.`)
    expect(explained).toContain(`the database rejects it: 42P01: ${reason}`)
    expect(explained).toContain("sync-scheduler doctor")
    expect((await runBinary(["check"], { env })).code).toBeGreaterThan(0)
    expect(await incidents()).toBe(1)
  })
  expect((await runBinary(["run"], { env })).code).toBe(0)
  expect(await read("status")).not.toContain("rejects")
  expect(await incidents()).toBe(0)
}, 60_000)

describe.each(["direct", "supabase-js"] as const)("over %s", (mechanism) => {
  test("120 throttled runs with configs of 170 KB block no other run, and a later tick completes them", async () => {
    const config = "jsonb_build_object('x', repeat('x', 170000))"
    await project.seedDue(120, { config, org_id: `'${crypto.randomUUID()}'` })
    project.functions.behave((body) => (body.attempt === 1 ? throttled : ok()))
    try {
      expect(await project.tick(mechanism)).toMatchObject({ ok: true, errors: [] })
      expect((await project.statuses()).pending).toBe(120)
      project.functions.behave(() => ok())
      await project.seedDue(20, { config })
      expect(await project.tick(mechanism)).toMatchObject({ ok: true, completed: 20, errors: [] })
      await project.sql`update sync_run_log set not_before = now() where status = 'pending'`
      await project.sql`truncate sync_api_hold`
      expect(await project.tick(mechanism)).toMatchObject({ ok: true, completed: 120, errors: [] })
    } finally {
      project.functions.behave(() => ok())
    }
  }, 60_000)
})
