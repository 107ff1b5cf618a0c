import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { Schema } from "effect"
import { json } from "../../src/Cli/Actions/ActionCommands.ts"
import { binaryPath } from "../support/binary.ts"
import * as Behaviour from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { endOf, runBinary, startBinary } from "../support/runBinary.ts"

setDefaultTimeout(120_000)

let project: Project
const env = () => ({ ...project.environment, SYNC_SCHEDULER_RETRY_BASE: "200ms", USER: "ada" })
beforeAll(async () => {
  await binaryPath()
  project = await startProject()
}, 120_000)
afterAll(() => project.close())

/** Each test gets its own integration, because tests can run in any order. */
const integration = async (name: string) => {
  const columns = { org_name: `'${name}'`, next_run_at: "now() + interval '1 day'" }
  return (await project.seedDue(1, columns))[0] ?? ""
}

const newestOf = async (id: string) => {
  const [run] = await project.sql`
    select id, status, attempt from sync_run_log where integration_id = ${id} order by created_at desc limit 1`
  return run
}

test("trigger --wait starts the run and reports its completion with exit 0", async () => {
  const id = await integration("Acme AS")
  project.functions.behave(() => Behaviour.ok())
  const { code, stderr, stdout } = await runBinary(["trigger", "acme", "--wait", "--yes"], {
    env: env()
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toMatch(
    /^✓ Completed on attempt 1 in \d+ ms\. Acme AS \/ xledger, due .*\n→ see it: sync-scheduler runs show /
  )
  const [event] =
    await project.sql`select actor, reason from sync_run_event where kind = 'triggered' and integration_id = ${id}`
  expect(event.actor).toStartWith("ada@")
  expect(event.reason).toBe("no reason given")
})

test("a failure exits with 3 and the function's message; runs retry --wait then completes the run", async () => {
  const id = await integration("Globex")
  const says = { success: false, error: { code: "PERIOD_CLOSED", message: "the period is closed" } }
  project.functions.behave(() => Behaviour.status(422, says))
  const failed = await runBinary(["trigger", id, "-w", "--reason", "month-end"], { env: env() })
  expect(failed.code).toBe(3)
  expect(failed.stdout).toStartWith(
    '✗ Failed on attempt 1: PERIOD_CLOSED, "the period is closed". Globex / xledger, due '
  )
  project.functions.behave(() => Behaviour.ok())
  const run = await newestOf(id)
  const again = await runBinary(["runs", "retry", run.id, "-w", "-y", "-o", "json"], { env: env() })
  expect(again.code).toBe(0)
  const report = Schema.decodeUnknownSync(json)(JSON.parse(again.stdout))
  expect(report).toMatchObject({
    done: true,
    action: "retry",
    run_id: run.id,
    run: { status: "completed", attempt: 2 }
  })
})

test("--wait covers the next attempt of a run that could not start", async () => {
  const id = await integration("Initech")
  let calls = 0
  project.functions.behave(() => {
    calls += 1
    return calls < 3
      ? Behaviour.status(503, { code: "BOOT_ERROR" }, { "sb-error-code": "BOOT_ERROR" })
      : Behaviour.ok()
  })
  const { code, stdout } = await runBinary(["trigger", id, "--wait", "--yes"], { env: env() })
  expect({ code, calls }).toEqual({ code: 0, calls: 3 })
  expect(stdout).toStartWith("✓ Completed on attempt 3 in ")
})

test("--wait covers a function that responds with 202 and reports later", async () => {
  const id = await integration("Hooli")
  project.functions.behave(() => Behaviour.status(202, {}))
  const child = await startBinary(["trigger", id, "--wait", "--yes"], { env: env() })
  const ended = endOf(child)
  let run = await newestOf(id)
  while (run?.status !== "running") {
    await Bun.sleep(50)
    run = await newestOf(id)
  }
  await project.sql`select public.complete_sync_run(l.id, l.lease_token, 'completed') from sync_run_log l where l.id = ${run.id}`
  expect(await ended).toMatchObject({ code: 0, stderr: "" })
})

test("an engine that cannot work is reported before any change, or with its error", async () => {
  const id = await integration("Umbrella")
  const refused = await runBinary(["trigger", id, "--wait", "--yes"], {
    env: { ...env(), SUPABASE_SECRET_KEY: "" }
  })
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain("SUPABASE_SECRET_KEY is missing")
  expect(await newestOf(id)).toBeUndefined()
})
