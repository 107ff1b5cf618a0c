import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { migrations } from "../../../src/Database/Migrations.ts"
import { binaryPath } from "../../support/binary.ts"
import { freePort } from "../../support/freePort.ts"
import { runOnTerminal } from "../../support/runBinary.ts"
import { openSetupFixture, type SetupFixture } from "../../support/SetupFixture.ts"

setDefaultTimeout(180_000)

let fixture: SetupFixture
beforeAll(() => binaryPath(), 120_000)
beforeEach(async () => {
  fixture = await openSetupFixture()
})
afterEach(() => fixture.close())

interface Report {
  readonly steps: ReadonlyArray<{ step: string; status: string }>
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
