import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { binaryPath } from "../../support/binary.ts"
import { openSetupFixture, type SetupFixture } from "../../support/SetupFixture.ts"
import { CLI_ENVIRONMENT } from "../../support/SupabaseStandIn.ts"

// These tests have their own file, so that they run concurrently with Setup.test.ts.
setDefaultTimeout(180_000)

let fixture: SetupFixture
beforeAll(() => binaryPath(), 120_000)
beforeEach(async () => {
  fixture = await openSetupFixture()
})
afterEach(() => fixture.close())

interface Report {
  readonly steps: ReadonlyArray<{
    step: string
    status: string
    detail: string
    command: string | null
  }>
  readonly next: ReadonlyArray<string>
}

describe("setup in a project with its own files", () => {
  const later = "20990101000000_later.sql"
  const config = `# ours\nproject_id = "acme"\n\n[functions.send-mail] # mails\nverify_jwt = true\n\n# the last word\n[db.seed]\nsql_paths = ["./seeds/*.sql"]\n`

  test("pushes newer project migrations with --include-all, leaves the project's functions alone, and starts no integration", async () => {
    await fixture.write({
      "config.toml": config,
      [`migrations/${later}`]: "create table public.later (id int);\n",
      "functions/send-mail/index.ts": "// theirs\n"
    })
    await fixture.sql`create schema supabase_migrations`
    await fixture.sql`create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text)`
    await fixture.sql`insert into supabase_migrations.schema_migrations values ('20990101000000', '{}', 'later')`
    const before = await fixture.tree()
    const { code, stdout } = await fixture.setup(["--local", "--yes"])
    expect([code, stdout]).toEqual([0, expect.stringContaining("✓ run       completed")])
    expect(stdout).toContain("      +[functions.integration-sync]\n      +verify_jwt = false")
    expect(await fixture.standIn.calls()).toContain(
      "db push --include-all --yes --output-format json"
    )
    const after = await fixture.tree()
    expect(after["supabase/config.toml"]).toBe(
      `${config}\n[functions.integration-sync]\nverify_jwt = false\n`
    )
    // The project's configuration loads seed data from other files.
    expect(after).not.toHaveProperty("supabase/seed.sql")
    for (const path of Object.keys(before).filter((path) => !path.endsWith("config.toml"))) {
      expect([path, after[path]]).toEqual([path, before[path] ?? ""])
    }

    await fixture.sql`delete from public.organization_integrations`
    await fixture.sql`delete from public.sync_run_log`
    await fixture.sql`insert into public.organization_integrations (org_id, integration_type, sync_schedule, next_run_at)
      values (gen_random_uuid(), 'xledger', '0 2 * * *', now() - interval '1 minute')`
    const again = await fixture.setup(["--local", "--yes"])
    expect(again.code).toBe(0)
    expect(again.stdout).toContain(
      "left out: the project has 1 integrations of its own (unchanged)"
    )
    expect(await fixture.runs()).toHaveLength(0)
  })

  test("explains what to do about organization_integrations with bigint ids, and that works", async () => {
    await fixture.sql
      .unsafe(`create table public.organization_integrations (id bigint primary key, org_id text);
      insert into public.organization_integrations values (1, 'acme')`)
      .simple()
    const { code, stdout } = await fixture.setup(["--local", "--yes"])
    expect(code).toBe(3)
    expect(stdout).toContain("organization_integrations.id is bigint")
    expect(stdout).toContain("docs/how-to/adopt-tables.md")
    expect(stdout).toMatch(/→ example {3}then:/)
    const rename = /^ +(alter table .*;) /m.exec(stdout)?.[1] ?? ""
    await fixture.sql.unsafe(rename)
    expect((await fixture.setup(["--local", "--yes"])).code).toBe(0)
    expect([...(await fixture.sql`select * from public.my_integrations`)]).toEqual([
      { id: "1", org_id: "acme" }
    ])
  })

  test("invokes the project's own function without writing, deploying or opening it", async () => {
    const own = { "functions/export/index.ts": 'Deno.serve(() => new Response("{}"))\n' }
    await fixture.write({ ...own, "config.toml": 'project_id = "x"\n' })
    const { code, stdout } = await fixture.setup(["--linked", "--function", "export", "--dry-run"])
    expect([code, stdout]).toEqual([2, ""]) // The project is not linked.
    const chosen = ["--project-ref", "abcdefghijklmnopqrst", "--function", "export"]
    const done = await fixture.setup([...chosen, "--yes", "-o", "json"])
    const { next }: Report = JSON.parse(done.stdout)
    // Without --function, the next setup would install the example function.
    expect(next).toEqual([
      expect.stringMatching(/^sync-scheduler setup --(linked|project-ref \w+) --function export/)
    ])
    const calls = await fixture.standIn.calls()
    expect(calls.filter((call) => call.startsWith("functions"))).toEqual([])
    const tree = await fixture.tree()
    expect(
      Object.keys(tree)
        .filter((path) => path.includes("functions/"))
        .toSorted()
    ).toEqual(["supabase/functions/_shared/syncRun.ts", "supabase/functions/export/index.ts"])
    expect(tree["supabase/config.toml"]).toBe('project_id = "x"\n')
  })
})

describe("setup of a hosted project", () => {
  const ref = "abcdefghijklmnopqrst"

  test("links, pushes, deploys, sets the secrets and runs the example", async () => {
    await writeFile(join(fixture.project, "prod.env"), "SYNC_TOKEN_XLEDGER=secret-1\nOTHER=2\n")
    const env = {
      SUPABASE_URL: fixture.gateway.url,
      SUPABASE_SECRET_KEY: fixture.gateway.secretKey
    }
    const args = ["--project-ref", ref, "--env-file", "prod.env", "--engine", "edge", "--yes"]
    const { code, stdout } = await fixture.setup(args, env)
    expect([code, stdout]).toEqual([0, expect.stringContaining("✓ run       completed")])
    expect(await fixture.standIn.calls()).toEqual([
      "init",
      `link --project-ref ${ref} --yes`,
      "migration list --remote --output-format json",
      "db push --remote --yes --output-format json",
      "functions deploy integration-sync sync-scheduler --use-api --yes",
      "secrets set --env-file prod.env --yes",
      expect.stringMatching(/^db query --remote .* -o json --yes$/s)
    ])
    expect(stdout).toContain("2 secrets set")
    expect(stdout).not.toContain("secret-1")
    expect(stdout).toContain("sync-scheduler install pg_cron --print")
    const tree = await fixture.tree()
    expect(Object.keys(tree)).toContain("supabase/functions/sync-scheduler/engine.js")
    expect(tree["supabase/config.toml"]).toContain("[functions.sync-scheduler]\nverify_jwt = false")
    expect(tree).not.toHaveProperty("supabase/seed.sql")
  })

  test("prints the CLI's own message and the login command when no user is logged in", async () => {
    const real = join(import.meta.dir, "../../../node_modules/.bin")
    const env = { PATH: `${real}:${process.env.PATH}`, ...CLI_ENVIRONMENT }
    const { code, stdout } = await fixture.setup(["--project-ref", ref, "--yes", "-o", "json"], env)
    expect(code).toBe(3)
    const { next, steps }: Report = JSON.parse(stdout)
    expect(steps.find(({ step }) => step === "link")).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("Access token not provided"),
      command: "supabase login"
    })
    expect(next).toEqual([`sync-scheduler setup --project-ref ${ref}`])
  })

  test("does what is possible without a network, and prints the rest as commands", async () => {
    const { code, stdout } = await fixture.setup(["--project-ref", ref, "--yes", "-o", "json"], {
      STANDIN_FAIL: "^link|remote|deploy|api-keys"
    })
    expect(code).toBe(3)
    const { steps, next }: Report = JSON.parse(stdout)
    expect(steps.map(({ command, status, step }) => [step, status, command])).toEqual([
      ["project", "done", null],
      ["files", "done", null],
      ["link", "failed", `supabase link --project-ref ${ref}`],
      ["database", "by_hand", "supabase db push --remote"],
      ["function", "by_hand", "supabase functions deploy integration-sync --use-api"],
      [
        "example",
        "by_hand",
        expect.stringMatching(/^supabase db query --remote "insert into .*"$/)
      ],
      ["run", "by_hand", "sync-scheduler run"]
    ])
    expect(steps[2]?.detail).toContain("no such host")
    // By default, setup would not select this project.
    expect(next).toEqual([`sync-scheduler setup --project-ref ${ref}`])
  })
})

test("a setup that was killed and repeated has the same result", async () => {
  expect((await fixture.setup(["--local", "--yes"])).code).toBe(0)
  const whole = await fixture.tree()
  const calls = await fixture.standIn.calls()
  // setupInterrupted.e2e.ts kills setup during every call.
  for (const name of ["init", "db push"]) {
    const kill = calls.findIndex((call) => call.startsWith(name)) + 1
    await fixture.reset()
    await fixture.setup(["--local", "--yes"], { STANDIN_KILL: String(kill) })
    const { code, stdout } = await fixture.setup(["--local", "--yes"])
    expect([name, code, stdout]).toEqual([name, 0, expect.not.stringContaining("✗")])
    expect(await fixture.tree()).toEqual(whole)
    expect(await fixture.runs()).toMatchObject([{ status: "completed" }])
  }
})
