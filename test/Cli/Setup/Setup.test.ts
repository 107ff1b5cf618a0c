import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { migrations } from "../../../src/Database/Migrations.ts"
import { binaryPath } from "../../support/binary.ts"
import { freePort } from "../../support/freePort.ts"
import { runOnTerminal } from "../../support/runBinary.ts"
import { openSetupFixture, type SetupFixture } from "../../support/SetupFixture.ts"
import { CLI_ENVIRONMENT } from "../../support/SupabaseStandIn.ts"

setDefaultTimeout(180_000)

let fixture: SetupFixture
beforeAll(() => binaryPath(), 120_000)
beforeEach(async () => {
  fixture = await openSetupFixture()
})
afterEach(() => fixture.close())

interface Report {
  readonly target: string
  readonly steps: ReadonlyArray<{
    step: string
    status: string
    detail: string
    command: string | null
  }>
  readonly next: ReadonlyArray<string>
}
const statusesOf = (stdout: string): Record<string, string> => {
  const { steps }: Report = JSON.parse(stdout)
  return Object.fromEntries(steps.map(({ status, step }) => [step, status]))
}
describe("setup in an empty directory, on the local stack", () => {
  test("completes the first scheduled run, changes nothing the second time, and writes a seed.sql that restores the example", async () => {
    const dry = await fixture.setup(["--local", "--dry-run"])
    expect([dry.code, dry.stderr]).toEqual([0, ""])
    expect(dry.stdout).toContain("+ supabase/functions/_shared/syncRun.ts")
    expect(dry.stdout).toContain("+ supabase/seed.sql")
    expect(dry.stdout).toContain("Nothing was changed.")
    expect([await readdir(fixture.project), (await fixture.standIn.calls()).join()]).toEqual([
      [],
      "status -o json"
    ])

    const first = await fixture.setup(["--local", "--yes", "-o", "json"])
    expect([first.stderr, first.code]).toEqual(["", 0])
    expect(statusesOf(first.stdout)).toEqual({
      project: "done",
      files: "done",
      stack: "done",
      database: "done",
      function: "done",
      example: "done",
      run: "done"
    })
    expect(await fixture.runs()).toMatchObject([
      { trigger: "schedule", status: "completed", attempt: 1 }
    ])
    const calls = await fixture.standIn.calls()
    expect(calls).toContain("db push --yes --output-format json")
    expect(calls.join("\n")).not.toContain("include-all")

    const tree = await fixture.tree()
    const ours = Object.keys(tree).filter((path) => !path.includes("migrations/"))
    expect(ours.toSorted()).toEqual([
      "supabase/config.toml",
      "supabase/functions/_shared/syncRun.ts",
      "supabase/functions/integration-sync/deno.json",
      "supabase/functions/integration-sync/exportPeriod.ts",
      "supabase/functions/integration-sync/index.ts",
      "supabase/seed.sql"
    ])
    expect(tree["supabase/config.toml"]).toEndWith(
      "\n[functions.integration-sync]\nverify_jwt = false\n"
    )

    const again = await fixture.setup(["--local", "--yes", "-o", "json"])
    expect(again.code).toBe(0)
    // The first setup stopped the function when it exited, so the second one starts it again.
    expect(statusesOf(again.stdout)).toEqual({
      files: "unchanged",
      database: "unchanged",
      function: "done",
      example: "unchanged",
      run: "unchanged"
    })
    expect([await fixture.tree(), (await fixture.runs()).length]).toEqual([tree, 1])

    // As after `supabase db reset`.
    const seed = await readFile(join(fixture.project, "supabase/seed.sql"), "utf8")
    await fixture.sql`delete from public.organization_integrations`
    await fixture.sql.unsafe(seed).simple()
    await fixture.sql.unsafe(seed).simple()
    const rows =
      await fixture.sql`select org_name, integration_type from public.organization_integrations`
    expect([...rows]).toEqual([{ org_name: "Example", integration_type: "example" }])
  })

  test("shows the plan on a terminal, asks at most three questions, and prints the next commands", async () => {
    await fixture.write({ "functions/send-mail/index.ts": "Deno.serve(() => new Response())\n" })
    const typed = [
      { after: "Which function runs the syncs?", text: "\n" },
      { after: "What starts a tick every minute?", text: "1\n" },
      { after: "Do this? [Y/n]", text: "y\n" }
    ]
    const { code, shown } = await runOnTerminal(["setup", "--local"], 100, {
      cwd: fixture.project,
      env: fixture.environment({ NO_COLOR: "1" }),
      typed
    })
    expect(shown.match(/\[1\]: |\[Y\/n\] /g)?.length).toBe(3)
    expect(shown).toContain("✓ run       completed; it started")
    expect(shown).toContain("sync-scheduler setup --local --serve")
    expect(code).toBe(0)
  })

  test("starts the stack on a terminal and completes the first scheduled run after three presses of Enter", async () => {
    const typed = [
      { after: "[local]: ", text: "somewhere\n" },
      { after: "[local]: ", text: "\n" },
      { after: "Do this? [Y/n]", text: "\n" }
    ]
    const { code, shown } = await runOnTerminal(["setup"], 100, {
      cwd: fixture.project,
      env: fixture.environment({ NO_COLOR: "1" }),
      typed
    })
    expect([code, shown]).toEqual([0, expect.stringContaining("✓ run       completed")])
    expect(shown.match(/\[local\]: |\[1\]: |\[Y\/n\] /g)).toEqual([
      "[local]: ",
      "[local]: ",
      "[Y/n] "
    ])
    expect(await fixture.standIn.calls()).toContain("start")
  })

  test("does nothing when the input ends at a question", async () => {
    const typed = [
      { after: "[1]: ", text: "\n" },
      { after: "Do this? [Y/n]", text: "\u0004" }
    ]
    const { code, shown } = await runOnTerminal(["setup", "--local"], 100, {
      cwd: fixture.project,
      env: fixture.environment({ NO_COLOR: "1" }),
      typed
    })
    expect([code, shown]).toEqual([0, expect.stringContaining("Nothing was changed.")])
    expect(await fixture.tree()).toEqual({})
  })

  test("continues to tick and serves the page with --serve", async () => {
    const port = await freePort()
    const child = Bun.spawn(
      [await binaryPath(), "setup", "--local", "--yes", "--serve", "--listen", `127.0.0.1:${port}`],
      {
        cwd: fixture.project,
        env: fixture.environment({ SYNC_SCHEDULER_INTERVAL: "1s" }),
        stdout: "pipe",
        stderr: "pipe"
      }
    )
    const status = async (): Promise<{ readonly total: number } | undefined> => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/status`).catch(() => undefined)
      return answer?.ok ? answer.json() : undefined
    }
    let found = await status()
    while (found === undefined && child.exitCode === null) {
      await Bun.sleep(200)
      found = await status()
    }
    expect(found).toMatchObject({ total: 1 })
    child.kill("SIGTERM")
    expect(await child.exited).toBe(0)
    expect(await new Response(child.stdout).text()).toContain(`Page: http://127.0.0.1:${port}`)
  })
})

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

describe("setup without the Supabase CLI, and offline", () => {
  test("writes the files, and prints how to install the CLI and every remaining command", async () => {
    await fixture.write({ "config.toml": 'project_id = "x"\n' })
    const env = { PATH: "/usr/bin:/bin" }
    const { code, stdout } = await fixture.setup(["--yes"], env)
    expect(code).toBe(3)
    expect(stdout).toContain("npm install --save-dev supabase")
    for (const command of ["supabase start", "supabase db push", "supabase functions serve"]) {
      expect(stdout).toContain(`            ${command}\n`)
    }
    expect(Object.keys(await fixture.tree()).length).toBe(migrations.length + 5)
  })

  test("calls nothing with --offline, and exits with 0", async () => {
    const { code, stdout } = await fixture.setup(["--offline", "--yes"])
    expect(await fixture.standIn.calls()).toEqual([])
    expect(stdout).toContain("+[functions.integration-sync]")
    expect([code, stdout]).toEqual([0, expect.stringContaining("supabase init")])
    await fixture.write({ "config.toml": "" })
    expect((await fixture.setup(["--offline", "--yes"])).code).toBe(0)
    expect((await fixture.tree())["supabase/config.toml"]).toContain("[functions.integration-sync]")
  })

  test("asks the user to choose when there is neither a stack nor a linked project", async () => {
    const { code, stdout } = await fixture.setup(["--yes"])
    expect(code).toBe(3)
    expect(stdout).toContain("            sync-scheduler setup --local\n")
    expect(stdout).toContain("sync-scheduler setup --project-ref <ref>")
    expect(stdout).not.toContain("Next:")
    const silent = await fixture.setup(["--local"])
    expect([silent.code, silent.stderr]).toEqual([2, expect.stringContaining("Add --yes")])
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
